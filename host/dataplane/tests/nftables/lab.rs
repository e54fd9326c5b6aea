//! A client's namespace, the director's (the test's own) and one server's with four addresses.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Selector, ServiceState, Spread};
use nix::sched::{CloneFlags, setns};

use evenkeel_tests::sh;

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn address(v6: bool, n: u16) -> IpAddr {
    if v6 {
        [0xfd78, 0, 0, 0, 0, 0, 0, 10 + n].into()
    } else {
        [10, 78, 0, 10 + n.to_be_bytes()[1]].into()
    }
}

pub(crate) fn key(v6: bool, port: u16, protocol: Protocol) -> ServiceKey {
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

pub(crate) fn id(n: u16) -> BackendId {
    BackendId::new(u32::from(n)).unwrap()
}

/// A service with the four servers; its backends' numbers begin after `first`.
pub(crate) fn service(v6: bool, first: u16, selector: Selector, plan: &[u16]) -> ServiceState {
    ServiceState {
        queue: None,
        persistence: None,
        snat: false,
        backends: (1..=4)
            .map(|n| {
                (
                    id(first + n),
                    SocketAddr::from((address(v6, n), 8000)).into(),
                )
            })
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
pub(crate) fn within<T: Send + 'static>(
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
pub(crate) fn set_up() {
    sh("for n in client server; do \
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
    // More clients: of the same network as the first, and of another.
    sh(
        "for n in 10.77.0.3 10.77.1.2 10.77.1.3; do ip -n client addr add $n/32 dev port; done; \
        for n in fd77::3 fd77:2::2 fd77:2::3; do ip -n client addr add $n/128 dev port nodad; done; \
        ip route add 10.77.1.0/24 dev to-client; ip route add fd77:2::/64 dev to-client",
    );
    // What is sent before the kernel has noticed that a cable has two ends is lost, and on a busy machine that takes it
    // longer than it asks for a neighbour's address.
    sh("for n in client server; do for i in $(seq 200); do \
          ip -o link show to-$n | grep -q 'state UP' && ip -n $n -o link show port | grep -q 'state UP' && break; \
          sleep 0.05; \
        done; done");
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
pub(crate) fn connect(to: SocketAddr) -> std::io::Result<u8> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut name = [0];
    stream.read_exact(&mut name)?;
    Ok(name[0])
}

/// Ports that no flow has had yet: conntrack would remember it.
pub(crate) static PORT: AtomicU16 = AtomicU16::new(20_000);

/// The server that answers a datagram from a new port.
pub(crate) fn ask(to: SocketAddr) -> std::io::Result<u8> {
    let any: IpAddr = if to.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0u16; 8].into()
    };
    ask_from(any, to)
}

/// The same from this address.
pub(crate) fn ask_from(from: IpAddr, to: SocketAddr) -> std::io::Result<u8> {
    let socket = UdpSocket::bind((from, PORT.fetch_add(1, Ordering::Relaxed)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    socket.send(b"?")?;
    let mut name = [0];
    socket.recv(&mut name)?;
    Ok(name[0])
}

pub(crate) fn client(times: usize, to: ServiceKey) -> Vec<u8> {
    let one = match to.protocol {
        Protocol::Udp => ask,
        _ => connect,
    };
    let all = move || (0..times).map(|_| one(to.socket_addr()).unwrap()).collect();
    within("client", all).join().unwrap()
}
