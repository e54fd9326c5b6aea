//! Real connections through the kernel: a client's namespace, the director's (the test's own) and one server's with four
//! addresses.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Selector, ServiceState, Spread};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::Nftables;
use nix::sched::{CloneFlags, setns};

use crate::harness::{in_a_namespace, sh};

const PATIENCE: Duration = Duration::from_secs(5);

fn address(v6: bool, n: u16) -> IpAddr {
    if v6 {
        [0xfd78, 0, 0, 0, 0, 0, 0, 10 + n].into()
    } else {
        [10, 78, 0, 10 + n.to_be_bytes()[1]].into()
    }
}

fn key(v6: bool, port: u16, protocol: Protocol) -> ServiceKey {
    let addr = if v6 {
        [0xfd77, 1, 0, 0, 0, 0, 0, 0xff01].into()
    } else {
        [10, 77, 255, 1].into()
    };
    ServiceKey {
        addr,
        port,
        protocol,
    }
}

fn id(n: u16) -> BackendId {
    BackendId::new(u32::from(n)).unwrap()
}

/// A service with the four servers; its backends' numbers begin after `first`.
fn service(v6: bool, first: u16, selector: Selector, plan: &[u16]) -> ServiceState {
    ServiceState {
        ask: None,
        persistence: None,
        snat: false,
        backends: (1..=4)
            .map(|n| (id(first + n), (address(v6, n), 8000).into()))
            .collect(),
        spread: match plan {
            [] => Spread::Refuse,
            plan => Spread::Slots {
                selector,
                slots: plan.iter().map(|n| id(first + n)).collect(),
            },
        },
    }
}

/// Runs `work` on a thread in another namespace.
fn within<T: Send + 'static>(
    namespace: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    let file = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    std::thread::spawn(move || {
        setns(file, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    })
}

/// Lays the cables and starts the servers, each of which tells which it is.
fn set_up() {
    sh("mount -t tmpfs none /run; \
        for n in client server; do \
          ip netns add $n; ip link add to-$n type veth peer name port netns $n; \
          ip link set to-$n up; ip -n $n link set port up; ip -n $n link set lo up; \
        done; \
        echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; \
        ip addr add 10.77.0.1/24 dev to-client; ip addr add fd77::1/64 dev to-client nodad; \
        ip addr add 10.77.255.1/32 dev lo; ip addr add fd77:1::ff01/128 dev lo nodad; \
        ip addr add 10.78.0.1/24 dev to-server; ip addr add fd78::1/64 dev to-server nodad; \
        ip -n client addr add 10.77.0.2/24 dev port; ip -n client addr add fd77::2/64 dev port nodad; \
        ip -n client route add default via 10.77.0.1; ip -n client -6 route add default via fd77::1; \
        for n in 11 12 13 14; do ip -n server addr add 10.78.0.$n/24 dev port; done; \
        for n in b c d e; do ip -n server addr add fd78::$n/64 dev port nodad; done; \
        ip -n server route add default via 10.78.0.1; ip -n server -6 route add default via fd78::1");
    let ready = Arc::new(Barrier::new(17));
    for v6 in [false, true] {
        for n in 1..=4u16 {
            let (tcp_ready, udp_ready) = (ready.clone(), ready.clone());
            let name = [n.to_be_bytes()[1]];
            within("server", move || {
                let listener = TcpListener::bind((address(v6, n), 8000)).unwrap();
                tcp_ready.wait();
                for stream in listener.incoming() {
                    let _ = stream.unwrap().write_all(&name);
                }
            });
            within("server", move || {
                let socket = UdpSocket::bind((address(v6, n), 8000)).unwrap();
                udp_ready.wait();
                loop {
                    let (_, from) = socket.recv_from(&mut [0; 16]).unwrap();
                    socket.send_to(&name, from).unwrap();
                }
            });
        }
    }
    ready.wait();
}

/// The server that answers a new TCP connection.
fn connect(to: SocketAddr) -> std::io::Result<u8> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut name = [0];
    stream.read_exact(&mut name)?;
    Ok(name[0])
}

/// Ports that no flow has had yet: conntrack would remember it.
static PORT: AtomicU16 = AtomicU16::new(20_000);

/// The server that answers a datagram from a new port.
fn ask(to: SocketAddr) -> std::io::Result<u8> {
    let any: IpAddr = if to.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0u16; 8].into()
    };
    let socket = UdpSocket::bind((any, PORT.fetch_add(1, Ordering::Relaxed)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    socket.send(b"?")?;
    let mut name = [0];
    socket.recv(&mut name)?;
    Ok(name[0])
}

fn client(times: usize, to: ServiceKey) -> Vec<u8> {
    let one = match to.protocol {
        Protocol::Tcp => connect,
        Protocol::Udp => ask,
    };
    let all = move || (0..times).map(|_| one(to.socket_addr()).unwrap()).collect();
    within("client", all).join().unwrap()
}

in_a_namespace! {
    fn connections_are_spread_in_order_and_counted() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let mut first = 0;
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                let state = service(v6, first, Selector::Sequence, &[1, 2, 3, 4]);
                plane.apply(&[Change::Put(key, state)]).unwrap();
                let answers = client(400, key);
                let expected: Vec<u8> = [1, 2, 3, 4].repeat(100);
                assert_eq!(answers, expected, "{key}");
                let counters = plane.counters().unwrap();
                for n in 1..=4 {
                    assert_eq!(counters[&id(first + n)].connections, 100, "{key}");
                }
                first += 4;
            }
        }
        // Smoothly by weight, and still so for one whose service is full NAT.
        for snat in [false, true] {
            let key = key(false, 80, Protocol::Tcp);
            let plan = [1, 1, 2, 1, 3, 1, 4, 1];
            let state = service(false, 0, Selector::Sequence, &plan);
            plane.apply(&[Change::Put(key, ServiceState { snat, ..state })]).unwrap();
            let expected: Vec<u8> = [1, 1, 2, 1, 3, 1, 4, 1].repeat(5);
            assert_eq!(client(40, key), expected);
        }
        // The counts went along when the service became full NAT.
        assert_eq!(plane.counters().unwrap()[&id(1)].connections, 150);
    }
}

in_a_namespace! {
    fn a_hash_of_the_client_always_chooses_the_same_server() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                let mut put = |selector| {
                    let state = service(v6, 0, selector, &[1, 2, 3, 4]);
                    plane.clear().unwrap();
                    plane.apply(&[Change::Put(key, state)]).unwrap();
                    client(40, key)
                };
                let answers = put(Selector::HashSource);
                assert_eq!(answers, vec![answers[0]; 40], "{key}");
                for selector in [Selector::HashFlow, Selector::Random] {
                    let answers = put(selector);
                    assert!((1..=4).all(|n| answers.contains(&n)), "{key} {selector:?} {answers:?}");
                }
            }
        }
    }
}

in_a_namespace! {
    fn a_service_without_a_server_refuses_at_once() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                let put = |plan: &[u16]| Change::Put(key, service(v6, 0, Selector::Sequence, plan));
                plane.clear().unwrap();
                plane.apply(&[put(&[])]).unwrap();
                for local in [false, true] {
                    let attempt = move || match protocol {
                        Protocol::Tcp => connect(key.socket_addr()),
                        Protocol::Udp => ask(key.socket_addr()),
                    };
                    let answer =
                        if local { attempt() } else { within("client", attempt).join().unwrap() };
                    let error = answer.unwrap_err();
                    // A datagram sent on the director itself fails in the call that sends it.
                    let expected = match (local, protocol) {
                        (true, Protocol::Udp) => ErrorKind::PermissionDenied,
                        _ => ErrorKind::ConnectionRefused,
                    };
                    assert_eq!(error.kind(), expected, "{key}, local: {local}");
                }
                plane.apply(&[put(&[2])]).unwrap();
                assert_eq!(client(2, key), [2, 2]);
            }
        }
    }
}

in_a_namespace! {
    fn clients_on_the_director_and_next_to_the_servers_are_served() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let networks = ["10.78.0.0/24", "fd78::/64"].map(|net| net.parse().unwrap());
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                plane.clear().unwrap();
                let state = service(v6, 0, Selector::Sequence, &[1, 2]);
                plane
                    .apply(&[Change::Put(key, state), Change::Hairpin(networks.into())])
                    .unwrap();
                let attempt = move || match protocol {
                    Protocol::Tcp => connect(key.socket_addr()).unwrap(),
                    Protocol::Udp => ask(key.socket_addr()).unwrap(),
                };
                assert_eq!([attempt(), attempt()], [1, 2], "{key}");
                let beside = within("server", move || [attempt(), attempt()]);
                assert_eq!(beside.join().unwrap(), [1, 2], "{key}");
            }
        }
    }
}

in_a_namespace! {
    fn flows_of_a_backend_are_ended_and_others_are_not() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let entries = || sh("conntrack -L 2>/dev/null | grep -c dport=80 || true");
        for v6 in [false, true] {
            let key = key(v6, 80, Protocol::Udp);
            for snat in [false, true] {
                let state = service(v6, 0, Selector::Sequence, &[1, 2]);
                plane.clear().unwrap();
                sh("conntrack -F 2>/dev/null; conntrack -F -f ipv6 2>/dev/null");
                plane.apply(&[Change::Put(key, ServiceState { snat, ..state })]).unwrap();
                client(10, key);
                let of = |mark: u32| {
                    let family = if v6 { "ipv6" } else { "ipv4" };
                    let mark = if snat { mark | 0x8000_0000 } else { mark };
                    sh(&format!("conntrack -L -f {family} -m {mark} 2>/dev/null | wc -l"))
                };
                assert_eq!((of(1).trim(), of(2).trim()), ("5", "5"), "{}", entries());
                plane.kill_flows(id(1)).unwrap();
                assert_eq!((of(1).trim(), of(2).trim()), ("0", "5"), "{}", entries());
            }
        }
    }
}

in_a_namespace! {
    fn no_connection_fails_while_everything_changes() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Tcp);
        let plans: [&[u16]; 6] =
            [&[1, 2, 3, 4], &[2, 1], &[4], &[1, 2, 3, 4, 3, 2, 1, 1, 3], &[3, 3, 3], &[2, 4, 4]];
        let put = |plan: &[u16], snat| {
            let mut state = service(false, 0, Selector::Sequence, plan);
            state.backends.retain(|id, _| plan.contains(&u16::try_from(id.get()).unwrap()));
            Change::Put(key, ServiceState { snat, ..state })
        };
        plane.apply(&[put(plans[0], false)]).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        // Faster than a lost SYN's retransmission, so that one counts as a failure.
        let clients = within("client", move || {
            let mut served = 0;
            while !stopped.load(Ordering::Relaxed) {
                let stream =
                    TcpStream::connect_timeout(&key.socket_addr(), Duration::from_millis(900));
                let mut name = [0];
                stream.and_then(|mut stream| stream.read_exact(&mut name)).unwrap();
                served += 1;
            }
            served
        });
        for round in 0..600 {
            let plan = plans[round % plans.len()];
            plane.apply(&[put(plan, round % 7 == 0)]).unwrap();
            if round % 150 == 100 {
                // The frame is damaged in a way that does not stop traffic, and the table replaced under it.
                sh("nft add chain inet evenkeel stray");
                plane.read().unwrap();
                plane.apply(&[put(plan, false)]).unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        let served: u32 = clients.join().unwrap();
        assert!(served > 100, "only {served} connections were made");
        let dropped = sh("nft list chain inet evenkeel slot | grep counter");
        assert!(dropped.contains("packets 0 "), "{dropped}");
    }
}

in_a_namespace! {
    fn a_server_that_returns_goes_on_counting() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Tcp);
        let both = service(false, 0, Selector::Sequence, &[1, 2]);
        let mut one = service(false, 0, Selector::Sequence, &[2]);
        one.backends.remove(&id(1));
        plane.apply(&[Change::Put(key, both.clone())]).unwrap();
        client(10, key);
        plane.apply(&[Change::Put(key, one)]).unwrap();
        client(10, key);
        assert_eq!(plane.counters().unwrap()[&id(1)].connections, 5);
        plane.apply(&[Change::Put(key, both)]).unwrap();
        client(10, key);
        // And after damage has made a whole new table necessary.
        sh("nft flush chain inet evenkeel dispatch");
        let seen = plane.read().unwrap();
        assert!(seen.services.is_empty());
        let both = service(false, 0, Selector::Sequence, &[1, 2]);
        plane.apply(&[Change::Put(key, both)]).unwrap();
        let counters = plane.counters().unwrap();
        assert_eq!((counters[&id(1)].connections, counters[&id(2)].connections), (10, 20));
    }
}
