//! Established flows are offloaded, and everything else is as without it.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::diff::diff;
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Selector, ServiceState, State};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::Nftables;
use evenkeel_flows::Counter;

use crate::lab::{PATIENCE, address, id, key, service, set_up, within};
use evenkeel_tests::sh;

/// Where servers send back what they get, with their names before it.
const ECHO: u16 = 9_000;

/// A test in a namespace of its own, where the kernel has flowtables.
macro_rules! offloaded {
    (fn $name:ident() $body:block) => {
        #[test]
        fn $name() -> evenkeel_tests::TestResult {
            if let Err(why) = Nftables::new("evenkeel").unwrap().supports_offload() {
                eprintln!("SKIPPED: {}: {why}", stringify!($name));
                return Ok(());
            }
            evenkeel_tests::isolated(|| {
                sh("ip link set lo up");
                let () = $body;
                Ok(())
            })
        }
    };
}

/// The lab, with servers that echo, and a count of packets that are forwarded on the slow path.
fn lab() {
    set_up();
    sh(
        "nft 'table inet witness { chain forward { type filter hook forward priority 0; counter; }; }'",
    );
    for v6 in [false, true] {
        for n in 1..=4u16 {
            let name = n.to_be_bytes()[1];
            let (ready, is_ready) = channel();
            let udp_ready = ready.clone();
            within("server", move || {
                let listener = TcpListener::bind((address(v6, n), ECHO)).unwrap();
                ready.send(()).unwrap();
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    std::thread::spawn(move || {
                        let mut byte = [0];
                        while stream.read_exact(&mut byte).is_ok() {
                            if stream.write_all(&[name]).is_err() {
                                return;
                            }
                        }
                    });
                }
            });
            within("server", move || {
                let socket = UdpSocket::bind((address(v6, n), ECHO)).unwrap();
                udp_ready.send(()).unwrap();
                loop {
                    let (_, from) = socket.recv_from(&mut [0; 16]).unwrap();
                    socket.send_to(&[name], from).unwrap();
                }
            });
            is_ready.recv().unwrap();
            is_ready.recv().unwrap();
        }
    }
}

/// A service whose servers echo.
fn echoing(v6: bool, snat: bool, plan: &[u16]) -> ServiceState {
    let mut state = service(v6, 0, Selector::Sequence, plan);
    for backend in state.backends.values_mut() {
        backend.address.set_port(ECHO);
    }
    ServiceState { snat, ..state }
}

fn interfaces(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn both() -> Change {
    Change::Offload(interfaces(&["to-client", "to-server"]))
}

/// A flow of a client, as the client sees it.
enum Flow {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Flow {
    /// Opens it from the client's namespace.
    fn open(to: ServiceKey) -> Self {
        Self::open_in("client", to)
    }

    fn open_in(namespace: &str, to: ServiceKey) -> Self {
        let address = to.socket_addr();
        let open = move || match to.protocol {
            Protocol::Udp => {
                let any: SocketAddr = if address.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                }
                .parse()
                .unwrap();
                let socket = UdpSocket::bind(any).unwrap();
                socket.connect(address).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                Self::Udp(socket)
            }
            _ => {
                let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
                Self::Tcp(stream)
            }
        };
        within(namespace, open).join().unwrap()
    }

    /// The server that answers.
    fn say(&mut self) -> std::io::Result<u8> {
        let mut name = [0];
        match self {
            Self::Tcp(stream) => {
                stream.write_all(b"?")?;
                stream.read_exact(&mut name)?;
            }
            Self::Udp(socket) => {
                socket.send(b"?")?;
                socket.recv(&mut name)?;
            }
        }
        Ok(name[0])
    }

    /// Exchanges packets until conntrack says that the flow is offloaded.
    fn settle(&mut self, to: ServiceKey) {
        let end = Instant::now() + Duration::from_secs(20);
        while !takes_it(to) {
            assert!(
                Instant::now() < end,
                "{to} is never offloaded:\n{}",
                entries(to)
            );
            self.say().unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Entries of the service in conntrack.
fn entries(of: ServiceKey) -> String {
    let family = if of.addr.is_ipv4() { "ipv4" } else { "ipv6" };
    let (addr, port, protocol) = (of.addr, of.port, of.protocol);
    sh(&format!(
        "conntrack -L -f {family} -p {protocol} -d {addr} --dport {port} 2>/dev/null || true"
    ))
}

fn takes_it(flow: ServiceKey) -> bool {
    entries(flow).contains("[OFFLOAD]")
}

/// Packets that were forwarded on the slow path so far.
fn long_way() -> u64 {
    let chain = sh("nft list chain inet witness forward");
    let count = chain.split("packets ").nth(1).unwrap();
    count.split(' ').next().unwrap().parse().unwrap()
}

fn until(what: &str, mut is: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

/// All kinds of services, with and without full NAT.
fn each(mut test: impl FnMut(&mut Nftables, ServiceKey, bool)) {
    let mut plane = Nftables::new("evenkeel").unwrap();
    for v6 in [false, true] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for snat in [false, true] {
                let key = key(v6, 80, protocol);
                plane.clear().unwrap();
                sh("conntrack -F 2>/dev/null; conntrack -F -f ipv6 2>/dev/null");
                plane
                    .apply(&[Change::Put(key, echoing(v6, snat, &[1, 2])), both()])
                    .unwrap();
                test(&mut plane, key, snat);
            }
        }
    }
}

offloaded! {
    fn flows_take_it_and_are_counted_as_before() {
        lab();
        each(|plane, key, snat| {
            let (mut first, mut second) = (Flow::open(key), Flow::open(key));
            assert_eq!((first.say().unwrap(), second.say().unwrap()), (1, 2));
            first.settle(key);
            second.settle(key);
            // What is on its way has arrived.
            std::thread::sleep(Duration::from_millis(300));
            let before = long_way();
            for _ in 0..200 {
                assert_eq!((first.say().unwrap(), second.say().unwrap()), (1, 2), "{key} {snat}");
            }
            let packets = long_way() - before;
            // A flow may go there once more, as when its neighbour is looked for anew.
            assert!(packets < 40, "{key} {snat}: {packets} packets of 800 and more");
            let counters = plane.counters().unwrap();
            assert_eq!((counters[&id(1)].connections, counters[&id(2)].connections), (1, 1));
        });
    }
}

offloaded! {
    fn killed_flows_end_at_their_next_packet() {
        lab();
        each(|plane, key, snat| {
            let v6 = key.addr.is_ipv6();
            let (mut first, mut second) = (Flow::open(key), Flow::open(key));
            assert_eq!((first.say().unwrap(), second.say().unwrap()), (1, 2));
            first.settle(key);
            // Server 1 fails.
            let mut without = echoing(v6, snat, &[2]);
            without.backends.remove(&id(1));
            plane.apply(&[Change::Put(key, without)]).unwrap();
            assert_eq!(first.say().unwrap(), 1, "{key} {snat}: not yet");
            let start = Instant::now();
            plane.kill_flows(id(1)).unwrap();
            match key.protocol {
                // The next server knows nothing of the connection.
                Protocol::Tcp => {
                    let error = first.say().unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{key} {snat}");
                }
                _ => assert_eq!(first.say().unwrap(), 2, "{key} {snat}"),
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
            assert_eq!(second.say().unwrap(), 2, "{key} {snat}: others go on");
        });
    }
}

offloaded! {
    fn killed_flows_end_on_kernels_that_would_keep_them_too() {
        lab();
        each(|plane, key, snat| {
            let (mut first, mut second) = (Flow::open(key), Flow::open(key));
            assert_eq!((first.say().unwrap(), second.say().unwrap()), (1, 2));
            first.settle(key);
            second.settle(key);
            let before = plane.read().unwrap();
            let state = echoing(key.addr.is_ipv6(), snat, &[2]);
            plane.apply(&[Change::Put(key, state.clone())]).unwrap();
            let start = Instant::now();
            plane.kill_without_flowtable(id(1)).unwrap();
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
            match key.protocol {
                Protocol::Tcp => {
                    let error = first.say().unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{key} {snat}");
                }
                _ => assert_eq!(first.say().unwrap(), 2, "{key} {snat}"),
            }
            assert_eq!(second.say().unwrap(), 2, "{key} {snat}: others go on");
            second.settle(key);
            // The table is as it was, and known to be.
            let wanted = State { services: [(key, state)].into(), ..before };
            plane.apply(&[Change::Hairpin(["10.0.0.0/8".parse().unwrap()].into())]).unwrap();
            plane.apply(&[Change::Hairpin([].into())]).unwrap();
            assert_eq!(plane.read().unwrap(), wanted);
        });
    }
}

offloaded! {
    fn flows_of_a_draining_server_go_on() {
        lab();
        each(|plane, key, snat| {
            let v6 = key.addr.is_ipv6();
            let mut first = Flow::open(key);
            assert_eq!(first.say().unwrap(), 1);
            first.settle(key);
            plane.apply(&[Change::Put(key, echoing(v6, snat, &[2]))]).unwrap();
            assert_eq!(Flow::open(key).say().unwrap(), 2, "{key} {snat}");
            assert_eq!(first.say().unwrap(), 1, "{key} {snat}");
            // It is taken out, and its flows are kept.
            let mut without = echoing(v6, snat, &[2]);
            without.backends.remove(&id(1));
            plane.apply(&[Change::Put(key, without)]).unwrap();
            assert_eq!(first.say().unwrap(), 1, "{key} {snat}");
            // The daemon starts again, and no longer wants offload: the flow goes on by the slow path.
            let mut plane = Nftables::new("evenkeel").unwrap();
            plane.apply(&[Change::Offload(interfaces(&[]))]).unwrap();
            until("back on the slow path", || !takes_it(key));
            assert_eq!(first.say().unwrap(), 1, "{key} {snat}");
            plane.apply(&[both()]).unwrap();
            first.settle(key);
            assert_eq!(first.say().unwrap(), 1, "{key} {snat}");
        });
    }
}

/// The latest counts of a backend.
fn counts(
    reports: &Receiver<Vec<(BackendId, Counts)>>,
    of: BackendId,
    last: &mut Counts,
) -> Counts {
    for (id, counts) in reports.try_iter().flatten() {
        if id == of {
            *last = counts;
        }
    }
    *last
}

offloaded! {
    fn flows_that_end_are_counted_down() {
        lab();
        sh("sysctl -q -w net.netfilter.nf_conntrack_events=1 net.netfilter.nf_flowtable_udp_timeout=2 \
            net.netfilter.nf_flowtable_tcp_timeout=2 net.netfilter.nf_conntrack_udp_timeout_stream=4");
        let (sender, reports) = channel();
        let counter = Counter::start(move |report| sender.send(report).unwrap_or_default()).unwrap();
        counter.listen(true);
        until("listening", || counter.status().dumps > 0);
        let mut last = Counts::default();
        for v6 in [false, true] {
            let key = key(v6, 80, Protocol::Tcp);
            let mut plane = Nftables::new("evenkeel").unwrap();
            plane.clear().unwrap();
            plane.apply(&[Change::Put(key, echoing(v6, false, &[1])), both()]).unwrap();
            for reset in [false, true] {
                let mut flow = Flow::open(key);
                flow.settle(key);
                until("active", || counts(&reports, id(1), &mut last).active == 1);
                let Flow::Tcp(stream) = flow else { unreachable!() };
                if reset {
                    // Closed with an answer that nobody has read.
                    (&stream).write_all(b"?").unwrap();
                    std::thread::sleep(Duration::from_millis(300));
                }
                drop(stream);
                // A reset whose number conntrack cannot know, since it has not seen the data, leaves the connection
                // established to it for another 10 s (before Linux 6.14); it is forgotten when someone looks.
                let took = until("closed", || {
                    !takes_it(key) && counts(&reports, id(1), &mut last).active == 0
                });
                let limit = Duration::from_secs(if reset { 15 } else { 2 });
                assert!(took < limit, "reset: {reset}, {took:?}");
            }
            // Nothing is said for a while: the flow takes the slow path, and is still there.
            let mut flow = Flow::open(key);
            flow.settle(key);
            until("idle", || !takes_it(key));
            let entry = entries(key);
            let line = entry.lines().find(|line| line.contains("ESTABLISHED")).unwrap();
            let left: u64 = line.split_whitespace().nth(2).unwrap().parse().unwrap();
            assert!((300_000..=432_000).contains(&left), "{line}");
            assert_eq!(counts(&reports, id(1), &mut last).active, 1);
            flow.settle(key);
            drop(flow);
            until("closed", || counts(&reports, id(1), &mut last).active == 0);
        }
        // UDP ends when nothing has been said for as long as conntrack's timeout.
        let key = key(false, 80, Protocol::Udp);
        let mut plane = Nftables::new("evenkeel").unwrap();
        plane.clear().unwrap();
        plane.apply(&[Change::Put(key, echoing(false, false, &[2])), both()]).unwrap();
        let mut flow = Flow::open(key);
        flow.settle(key);
        let mut last = Counts::default();
        until("there", || counts(&reports, id(2), &mut last).inactive == 1);
        // What is over is forgotten when someone looks.
        let took = until("forgotten", || {
            entries(key).is_empty() && counts(&reports, id(2), &mut last).inactive == 0
        });
        assert!(took > Duration::from_secs(2), "{took:?}");
    }
}

offloaded! {
    fn interfaces_go_down_vanish_and_come() {
        lab();
        let key = key(false, 80, Protocol::Tcp);
        let mut plane = Nftables::new("evenkeel").unwrap();
        plane.apply(&[Change::Put(key, echoing(false, false, &[1])), both()]).unwrap();
        let mut flow = Flow::open(key);
        flow.settle(key);
        // Down and up again: routes of IPv4 that are not the interface's own go with it.
        sh("ip link set to-client down");
        until("off it", || !takes_it(key));
        sh("ip link set to-client up");
        flow.settle(key);
        assert_eq!(flow.say().unwrap(), 1);

        // One that there is not does not stand in anything's way.
        let three = interfaces(&["to-client", "to-server", "late"]);
        plane.apply(&[Change::Offload(three.clone())]).unwrap();
        assert_eq!(plane.read().unwrap().offload, interfaces(&["to-client", "to-server"]));
        sh("ip link add late type bridge");
        plane.apply(&[Change::Offload(three.clone())]).unwrap();
        assert_eq!(plane.read().unwrap().offload, three);

        // One disappears, and is seen to have; the flow's own does not.
        sh("ip link del late");
        plane.apply(&[both()]).unwrap();
        assert_eq!(plane.read().unwrap().offload, interfaces(&["to-client", "to-server"]));
        assert_eq!(flow.say().unwrap(), 1);
        assert!(takes_it(key));

        // The client's disappears and comes back, before anybody has noticed.
        drop(flow);
        sh("ip link del to-client; ip link add to-client type veth peer name port netns client; \
            ip link set to-client up; ip -n client link set port up; ip addr add 10.77.0.1/24 dev to-client; \
            ip -n client addr add 10.77.0.2/24 dev port; ip -n client route add default via 10.77.0.1");
        assert_eq!(Flow::open(key).say().unwrap(), 1);
        assert_eq!(plane.read().unwrap().offload, interfaces(&["to-server"]));
        plane.apply(&[both()]).unwrap();
        assert_eq!(plane.read().unwrap().offload, interfaces(&["to-client", "to-server"]));
        let mut flow = Flow::open(key);
        flow.settle(key);

        // All of them disappear: what is left of it goes with the next change, whatever that is.
        sh("ip link del to-client; ip link del to-server");
        assert_eq!(plane.read().unwrap().offload, interfaces(&[]));
        plane.apply(&[Change::Hairpin(["10.0.0.0/8".parse().unwrap()].into())]).unwrap();
        assert!(!sh("nft list table inet evenkeel").contains("flow_offload"));
    }
}

offloaded! {
    fn there_may_be_more_interfaces_than_one_message_holds() {
        sh("for n in $(seq 300); do echo link add a-long-name-$n type bridge; done | ip -batch -");
        let names: BTreeSet<String> = (1..=300).map(|n| format!("a-long-name-{n}")).collect();
        let mut plane = Nftables::new("evenkeel").unwrap();
        plane.apply(&[Change::Offload(names.clone())]).unwrap();
        assert_eq!(plane.read().unwrap().offload, names);
        let few: BTreeSet<String> = names.iter().take(2).cloned().collect();
        plane.apply(&[Change::Offload(few.clone())]).unwrap();
        assert_eq!(plane.read().unwrap().offload, few);
        let mut again = Nftables::new("evenkeel").unwrap();
        again.apply(&[Change::Offload(names.clone())]).unwrap();
        assert_eq!(again.read().unwrap().offload, names);
        assert_eq!(plane.read().unwrap().offload, names);
    }
}

offloaded! {
    fn clients_on_the_director_and_next_to_the_servers_are_served() {
        lab();
        let networks = ["10.78.0.0/24", "fd78::/64"].map(|net| net.parse().unwrap());
        each(|plane, key, snat| {
            plane.apply(&[Change::Hairpin(networks.into())]).unwrap();
            // A director's namespace has no name: this is it.
            sh("touch /run/netns/director; mount --bind /proc/self/ns/net /run/netns/director");
            let mut local = Flow::open_in("director", key);
            sh("umount /run/netns/director");
            assert_eq!(local.say().unwrap(), 1, "{key} {snat}");
            let mut beside = Flow::open_in("server", key);
            assert_eq!(beside.say().unwrap(), 2, "{key} {snat}");
            beside.settle(key);
            for _ in 0..20 {
                assert_eq!((local.say().unwrap(), beside.say().unwrap()), (1, 2), "{key} {snat}");
            }
        });
    }
}

offloaded! {
    fn a_flow_whose_answers_leave_by_another_interface_stays_on_the_slow_path() {
        lab();
        sh("ip link add other type veth peer name other netns client; ip link set other up; ip -n client link set other up; \
            ip addr add 10.79.0.1/24 dev other; ip -n client addr add 10.79.0.2/24 dev other; \
            sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.to-client.rp_filter=0 net.ipv4.conf.other.rp_filter=0; \
            ip netns exec client sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.other.rp_filter=0 \
              net.ipv4.conf.port.rp_filter=0; \
            ip route replace 10.77.0.2/32 via 10.79.0.2");
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let key = key(false, 80, protocol);
            let mut plane = Nftables::new("evenkeel").unwrap();
            plane.clear().unwrap();
            let all = interfaces(&["to-client", "to-server", "other"]);
            plane.apply(&[Change::Put(key, echoing(false, false, &[1])), Change::Offload(all)]).unwrap();
            let mut flow = Flow::open(key);
            for _ in 0..60 {
                assert_eq!(flow.say().unwrap(), 1);
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(!takes_it(key), "{}", entries(key));
        }
    }
}

offloaded! {
    fn what_is_edited_is_repaired() {
        lab();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Tcp);
        let wanted = State {
            services: [(key, echoing(false, false, &[1]))].into(),
            offload: interfaces(&["to-client", "to-server"]),
            ..State::default()
        };
        plane.apply(&diff(&State::default(), &wanted)).unwrap();
        let good = sh("nft -s list table inet evenkeel");
        for (n, command) in [
            "nft flush chain inet evenkeel flow_offload",
            "nft insert rule inet evenkeel flow_offload drop",
            "nft flush chain inet evenkeel flow_offload; nft delete chain inet evenkeel flow_offload",
            "nft flush chain inet evenkeel flow_offload; nft delete chain inet evenkeel flow_offload; nft delete flowtable inet evenkeel flow_offload",
            "nft delete flowtable inet evenkeel flow_offload '{ hook ingress priority filter; devices = { to-client }; }'",
            "nft delete flowtable inet evenkeel flow_offload '{ hook ingress priority filter; devices = { to-client, to-server }; }'",
            "ip link add more type bridge; \
             nft add flowtable inet evenkeel flow_offload '{ hook ingress priority filter; devices = { more }; counter; }'",
            // Without `counter` it is taken away.
            "nft add flowtable inet evenkeel flow_offload '{ hook ingress priority filter; devices = { to-client }; }'",
            "nft add flowtable inet evenkeel mine '{ hook ingress priority 5; }'",
            "nft delete table inet evenkeel",
        ]
        .into_iter()
        .enumerate()
        {
            sh(command);
            if n % 2 == 1 {
                plane = Nftables::new("evenkeel").unwrap();
            }
            let seen = plane.read().unwrap();
            assert_ne!(seen, wanted, "{command} was not seen");
            plane.apply(&diff(&seen, &wanted)).unwrap();
            assert_eq!(plane.read().unwrap(), wanted, "{command} was not repaired");
            let now = sh("nft -s list table inet evenkeel");
            assert_eq!(now.lines().count(), good.lines().count(), "{command} left something:\n{now}");
        }
    }
}

offloaded! {
    fn flows_survive_a_new_ruleset_and_a_new_table() {
        lab();
        each(|plane, key, snat| {
            let mut flow = Flow::open(key);
            flow.settle(key);
            let wanted = State {
                services: [(key, echoing(key.addr.is_ipv6(), snat, &[1, 2]))].into(),
                offload: interfaces(&["to-client", "to-server"]),
                ..State::default()
            };
            // Someone reloads all rules as they were listed: nothing is damaged by that.
            sh("nft list ruleset > /run/rules; (echo flush ruleset; cat /run/rules) | nft -f -");
            assert_eq!(plane.read().unwrap(), wanted);
            flow.say().unwrap();
            flow.settle(key);
            // The table is replaced.
            sh("nft flush chain inet evenkeel dispatch");
            let seen = plane.read().unwrap();
            assert!(seen.services.is_empty());
            plane.apply(&diff(&seen, &wanted)).unwrap();
            assert_eq!(plane.read().unwrap(), wanted);
            flow.settle(key);
            assert_eq!(flow.say().unwrap(), 1, "{key} {snat}");
        });
    }
}
