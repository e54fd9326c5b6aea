//! Connections that do not fit the rules: older than their service, to servers that are gone, or other programs'.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{Change, Selector};
use evenkeel_dataplane::nftables::Nftables;
use evenkeel_dataplane::{DataPlane, EarlierCount};
use socket2::{Domain, Socket, Type};

use crate::lab::{PATIENCE, client, connect, id, key, service, set_up, within};
use evenkeel_tests::{in_a_namespace, sh};

/// A client that goes on sending from one port, on which it never pauses for longer than conntrack remembers it.
struct Sender(UdpSocket);

impl Sender {
    fn new(to: SocketAddr) -> Self {
        let connected = move || {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect(to).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            socket
        };
        Self(within("client", connected).join().unwrap())
    }

    /// The server that answers.
    fn ask(&self) -> io::Result<u8> {
        self.0.send(b"?")?;
        let mut name = [0];
        self.0.recv(&mut name).map(|_| name[0])
    }
}

/// Somebody on the director who takes datagrams and answers none: so the senders' flows begin without a service.
fn swallow(key: ServiceKey) -> UdpSocket {
    UdpSocket::bind(key.socket_addr()).unwrap()
}

in_a_namespace! {
    fn udp_flows_that_are_older_than_their_service_are_served_as_soon_as_it_is_there() {
        set_up();
        // A stateful firewall makes conntrack see what passes before there is any table of ours.
        sh("nft add table inet fw; nft 'add chain inet fw in { type filter hook input priority 0; }'; \
            nft add rule inet fw in ct state established accept");
        for v6 in [false, true] {
            let mut plane = Nftables::new("evenkeel").unwrap();
            plane.clear().unwrap();
            let (key, other) = (key(v6, 80, Protocol::Udp), key(v6, 81, Protocol::Udp));
            let put = |key, first| Change::Put(key, service(v6, first, Selector::Sequence, &[1, 2]));
            // With the first table.
            let swallowing = (swallow(key), swallow(other));
            let (early, late) = (Sender::new(key.socket_addr()), Sender::new(other.socket_addr()));
            assert!(early.ask().is_err() && late.ask().is_err());
            drop(swallowing);
            plane.apply(&[put(key, 0)]).unwrap();
            let first = early.ask().unwrap();
            assert_eq!(early.ask().unwrap(), first, "it is one flow");
            // With a service that is added.
            assert!(late.ask().is_err());
            plane.apply(&[put(other, 4)]).unwrap();
            late.ask().unwrap();
            // A change of a service leaves its flows alone.
            plane.apply(&[Change::Put(key, service(v6, 0, Selector::Sequence, &[2, 1, 3]))]).unwrap();
            assert_eq!(early.ask().unwrap(), first);
            // And when somebody has removed the table meanwhile.
            sh("nft delete table inet evenkeel");
            let swallowing = swallow(key);
            let between = Sender::new(key.socket_addr());
            assert!(between.ask().is_err());
            drop(swallowing);
            assert!(plane.read().unwrap().services.is_empty());
            plane.apply(&[put(key, 0)]).unwrap();
            between.ask().unwrap();
            assert_eq!(early.ask().unwrap(), first, "a flow that was translated goes on");
        }
    }
}

in_a_namespace! {
    fn what_other_programs_translate_on_the_servers_network_keeps_its_source() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let networks = ["10.78.0.0/24", "fd78::/64"].map(|net| net.parse().unwrap());
        let state = service(false, 0, Selector::Sequence, &[1]);
        let full_nat = evenkeel_core::state::ServiceState {
            snat: true,
            ..service(false, 4, Selector::Sequence, &[1])
        };
        plane
            .apply(&[
                Change::Put(key(false, 80, Protocol::Tcp), state),
                Change::Put(key(false, 81, Protocol::Tcp), full_nat),
                Change::Hairpin(networks.into()),
            ])
            .unwrap();
        // Another program's port forwarding, without a mark, and with one that has the bit of our full NAT.
        sh("nft add table ip theirs; \
            nft 'add chain ip theirs pre { type nat hook prerouting priority -110; }'; \
            nft add rule ip theirs pre ip daddr 10.77.255.1 udp dport 90 dnat to 10.78.0.11:8000; \
            nft add rule ip theirs pre ip daddr 10.77.255.1 udp dport 91 \
            ct mark set 0x81000000 dnat to 10.78.0.11:8000");
        let sent = within("server", || {
            let socket = UdpSocket::bind("10.78.0.12:0").unwrap();
            for port in [90, 91] {
                socket.send_to(b"?", ("10.77.255.1", port)).unwrap();
            }
        });
        sent.join().unwrap();
        let entries = sh("conntrack -L -p udp 2>/dev/null");
        let theirs: Vec<_> = entries
            .lines()
            .filter(|it| it.contains("dport=90 ") || it.contains("dport=91 "))
            .collect();
        assert_eq!(theirs.len(), 2, "{entries}");
        for entry in theirs {
            assert!(entry.contains("dst=10.78.0.12 "), "its source was translated: {entry}");
        }
        // Ours is: otherwise the server would answer its neighbour directly.
        let ours = within("server", || connect("10.77.255.1:80".parse().unwrap()).unwrap());
        assert_eq!(ours.join().unwrap(), 1);
        assert_eq!(client(2, key(false, 81, Protocol::Tcp)), [1, 1]);
        assert!(sh("conntrack -L -p tcp 2>/dev/null").contains("dst=10.78.0.1 "));
    }
}

/// A connection of the client from this port.
fn connect_from(port: u16, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    let any: SocketAddr = if to.is_ipv4() {
        ([0, 0, 0, 0], port).into()
    } else {
        ([0u16; 8], port).into()
    };
    socket.bind(&any.into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    Ok(socket.into())
}

/// The client opens a connection and loses its power: nobody hears of the connection's end.
fn abandon(port: u16, to: SocketAddr) {
    let connection = within("client", move || connect_from(port, to).unwrap());
    let connection = connection.join().unwrap();
    sh("ip netns exec client nft add table inet mute; \
        ip netns exec client nft 'add chain inet mute out { type filter hook output priority 0; }'; \
        ip netns exec client nft add rule inet mute out drop");
    socket2::SockRef::from(&connection)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(connection);
    sh("ip netns exec client nft delete table inet mute");
}

in_a_namespace! {
    fn a_client_that_takes_the_port_of_a_connection_to_a_server_that_is_gone_is_answered() {
        set_up();
        for v6 in [false, true] {
            let mut plane = Nftables::new("evenkeel").unwrap();
            plane.clear().unwrap();
            let key = key(v6, 80, Protocol::Tcp);
            let to = key.socket_addr();
            let all = service(v6, 0, Selector::Sequence, &[4]);
            let mut left = service(v6, 0, Selector::Sequence, &[1]);
            left.backends.remove(&id(4));
            let chains = || sh("nft list table inet evenkeel").matches("chain gone").count();
            plane.apply(&[Change::Put(key, all.clone())]).unwrap();
            assert_eq!(chains(), 0, "nobody pays for what nobody needs");
            abandon(7001, to);
            abandon(7002, to);
            // The server is cut off, and leaves the pool; its connections are kept.
            let address = if v6 { "fd78::e/64" } else { "10.78.0.14/24" };
            sh(&format!("ip -n server addr del {address} dev port"));
            plane.apply(&[Change::Put(key, left.clone())]).unwrap();
            assert_eq!(chains(), 2);
            let again = |port| within("client", move || connect_from(port, to)).join().unwrap();
            let refused = |answer: io::Result<TcpStream>| {
                if let Err(error) = answer {
                    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
                }
            };
            refused(again(7001));
            assert_eq!(client(2, key), [1, 1], "others are served");

            // A daemon that starts knows it from conntrack.
            let mut plane = Nftables::new("evenkeel").unwrap();
            assert_eq!(plane.read().unwrap().services[&key], left);
            plane.apply(&[Change::Put(key, service_without_4(v6, &[1, 2]))]).unwrap();
            assert_eq!(chains(), 2);
            refused(again(7002));

            // The server is back.
            let nodad = if v6 { "nodad" } else { "" };
            sh(&format!("ip -n server addr add {address} dev port {nodad}"));
            plane.apply(&[Change::Put(key, all)]).unwrap();
            assert_eq!(chains(), 0);
            assert_eq!(client(1, key), [4]);

            // Whose connections are ended leaves nothing behind.
            plane.apply(&[Change::Put(key, left)]).unwrap();
            assert_eq!(chains(), 2);
            plane.kill_flows(id(4)).unwrap();
            plane.apply(&[Change::Put(key, service_without_4(v6, &[1, 2]))]).unwrap();
            assert_eq!(chains(), 0);
        }
    }
}

fn service_without_4(v6: bool, plan: &[u16]) -> evenkeel_core::state::ServiceState {
    let mut state = service(v6, 0, Selector::Sequence, plan);
    state.backends.remove(&id(4));
    state
}

in_a_namespace! {
    fn counts_go_on_over_a_restart_and_after_somebody_has_removed_the_table() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Tcp);
        let put = |plan: &[u16]| Change::Put(key, service_without_4(false, plan));
        let both = service(false, 0, Selector::Sequence, &[1, 4]);
        plane.apply(&[Change::Put(key, both.clone())]).unwrap();
        client(10, key);
        // One is out of the kernel during the restart.
        plane.apply(&[put(&[1])]).unwrap();
        assert_eq!(plane.beyond(), [(id(4), 5)].into());
        let mut plane = Nftables::new("evenkeel").unwrap();
        plane.read().unwrap();
        let kept = |connections, beyond| EarlierCount { connections, beyond };
        plane.recall(&[(id(1), kept(3, 0)), (id(4), kept(5, 5)), (id(7), kept(2, 0))].into());
        let counted = |plane: &mut Nftables, n| plane.counters().unwrap()[&id(n)].connections;
        assert_eq!([1, 4, 7].map(|n| counted(&mut plane, n)), [5, 5, 2]);
        plane.apply(&[Change::Put(key, both.clone())]).unwrap();
        client(10, key);
        assert_eq!([1, 4].map(|n| counted(&mut plane, n)), [10, 10]);
        sh("nft delete table inet evenkeel");
        plane.read().unwrap();
        plane.apply(&[Change::Put(key, both)]).unwrap();
        client(2, key);
        assert_eq!([1, 4].map(|n| counted(&mut plane, n)), [11, 11]);
    }
}
