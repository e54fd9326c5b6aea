//! Queues of the real kernel, in network namespaces. The rule that queues is made with `iptables-nft`, since not every
//! kernel has nftables' own `queue`.

#![expect(clippy::unwrap_used, reason = "tests: a failure ends them")]

use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use evenkeel_core::flow::Flow;
use evenkeel_core::state::Queue;
use evenkeel_queue::{Heartbeat, Listener, QueueVerdict, Verdicts};
use evenkeel_tests::{in_a_namespace, sh};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

const QUEUE: Queue = Queue(7);
/// Far more than anything takes here, even on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// Verdicts of a function.
struct By<F>(F);

impl<F: FnMut(&Flow) -> QueueVerdict + Send + 'static> Verdicts for By<F> {
    fn decide(&mut self, flow: &Flow) -> QueueVerdict {
        self.0(flow)
    }
}

/// Queues what goes to a port, and counts what then has the mark 0x1234.
fn enqueue(program: &str, protocol: &str, port: u16, queue: Queue) {
    let syn = if protocol == "tcp" { "--syn" } else { "" };
    let number = queue.0;
    sh(&format!(
        "{program} -t mangle -A OUTPUT -p {protocol} --dport {port} {syn} -j NFQUEUE --queue-num {number} --queue-bypass; \
         {program} -t mangle -A POSTROUTING -p {protocol} --dport {port} {syn} -m mark --mark 0x1234; \
         {program} -t mangle -A POSTROUTING -p {protocol} --dport {port} {syn} -m mark --mark 0"
    ));
}

/// Packets that left with the mark, and without one.
fn counted(program: &str) -> (u64, u64) {
    let list = sh(&format!("{program} -t mangle -nvxL POSTROUTING"));
    let mut counts = list
        .lines()
        .skip(2)
        .map(|line| line.split_whitespace().next().unwrap().parse().unwrap());
    (counts.next().unwrap(), counts.next().unwrap())
}

fn connect(address: SocketAddr) {
    TcpStream::connect_timeout(&address, LONG).unwrap();
}

fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !so() {
        assert!(Instant::now() < end, "not within {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

in_a_namespace! {
    fn a_marked_connection_goes_on_with_its_mark_and_a_passed_one_without() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        enqueue("iptables-nft", "tcp", to.port(), QUEUE);
        let (queued, received) = mpsc::channel();
        let listener = Listener::start(QUEUE, "web", By(move |flow: &Flow| {
            queued.send(*flow).unwrap();
            QueueVerdict::Mark(0x1234)
        })).unwrap();
        let client = TcpStream::connect_timeout(&to, LONG).unwrap();
        let flow = received.recv_timeout(LONG).unwrap();
        assert_eq!((flow.source, flow.destination), (client.local_addr().unwrap(), to));
        assert_eq!(counted("iptables-nft"), (1, 0));
        wait_for("statistics", || listener.stats().total.max > 0);
        assert_eq!(listener.stats().decisions, 1);
        drop(listener);

        let listener = Listener::start(QUEUE, "web", By(|_: &Flow| QueueVerdict::Pass)).unwrap();
        connect(to);
        assert_eq!(counted("iptables-nft"), (1, 1));
        assert_eq!(listener.stats().passed, 1);
    }
}

in_a_namespace! {
    fn udp_over_ipv6_is_queued_too() {
        let server = UdpSocket::bind("[::1]:0").unwrap();
        let to = server.local_addr().unwrap();
        enqueue("ip6tables-nft", "udp", to.port(), QUEUE);
        let _listener = Listener::start(QUEUE, "dns", By(move |flow: &Flow| {
            if flow.destination == to { QueueVerdict::Mark(0x1234) } else { QueueVerdict::Pass }
        })).unwrap();
        UdpSocket::bind("[::1]:0").unwrap().send_to(b"question", to).unwrap();
        server.set_read_timeout(Some(LONG)).unwrap();
        server.recv(&mut [0; 16]).unwrap();
        assert_eq!(counted("ip6tables-nft"), (1, 0));
    }
}

in_a_namespace! {
    fn a_decision_that_hangs_holds_up_its_own_queue_only() {
        let (slow, quick) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (to_slow, to_quick) = (slow.local_addr().unwrap(), quick.local_addr().unwrap());
        enqueue("iptables-nft", "tcp", to_slow.port(), QUEUE);
        enqueue("iptables-nft", "tcp", to_quick.port(), Queue(8));
        let (go, wait) = mpsc::channel::<()>();
        let hangs = Listener::start(QUEUE, "slow", By(move |_: &Flow| {
            let _ = wait.recv();
            QueueVerdict::Mark(0x1234)
        })).unwrap();
        let _quick = Listener::start(Queue(8), "quick", By(|_: &Flow| QueueVerdict::Mark(0x1234))).unwrap();
        let waiting = std::thread::spawn(move || connect(to_slow));
        for _ in 0..20 {
            connect(to_quick);
        }
        assert!(!waiting.is_finished());
        drop(go);
        waiting.join().unwrap();
        assert_eq!(hangs.stats().queue_dropped, 0);
    }
}

in_a_namespace! {
    fn what_waits_when_a_listener_ends_goes_on_and_so_does_what_comes_later() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        enqueue("iptables-nft", "udp", to.port(), QUEUE);
        let (queued, received) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let listener = Listener::start(QUEUE, "dns", By(move |_: &Flow| {
            queued.send(()).unwrap();
            let _ = wait.recv();
            QueueVerdict::Mark(0x1234)
        })).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            client.send_to(b"question", to).unwrap();
        }
        received.recv_timeout(LONG).unwrap();
        assert_eq!(counted("iptables-nft"), (0, 0), "all wait");
        let ending = std::thread::spawn(move || drop(listener));
        std::thread::sleep(Duration::from_millis(50));
        drop(go);
        ending.join().unwrap();
        client.send_to(b"later", to).unwrap();
        let (marked, unmarked) = counted("iptables-nft");
        assert_eq!(marked + unmarked, 101, "none is lost");
        assert!(unmarked > 1, "those that were not decided go by the plan");
    }
}

in_a_namespace! {
    fn a_full_queue_lets_the_rest_go_on() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        enqueue("iptables-nft", "udp", to.port(), QUEUE);
        let (go, wait) = mpsc::channel::<()>();
        let listener = Listener::start(QUEUE, "dns", By(move |_: &Flow| {
            let _ = wait.recv();
            QueueVerdict::Mark(0x1234)
        })).unwrap();
        // What waits counts against its sender's buffer, so there are many senders.
        let clients: Vec<UdpSocket> = (0..60).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for client in &clients {
            for _ in 0..100 {
                client.send_to(b"question", to).unwrap();
            }
        }
        assert_eq!(counted("iptables-nft"), (0, 6000 - 4096));
        drop(go);
        wait_for("the rest is decided", || counted("iptables-nft") == (4096, 6000 - 4096));
        assert_eq!(listener.stats().queue_dropped, 0);
    }
}

in_a_namespace! {
    fn what_cannot_be_read_passes_and_is_counted() {
        sh("iptables-nft -t mangle -A OUTPUT -d 127.0.0.9 -j NFQUEUE --queue-num 7 --queue-bypass");
        let listener = Listener::start(QUEUE, "web", By(|_: &Flow| QueueVerdict::Mark(0x1234))).unwrap();
        let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Raw).unwrap();
        let packet = |protocol: u8, fragment: u8, rest: &[u8]| {
            let head = [0x45, 0, 0, 0, 0, 0, 0, fragment, 64, protocol, 0, 0, 127, 0, 0, 1, 127, 0, 0, 9];
            [&head[..], rest].concat()
        };
        // TCP without a byte of it, TCP with one port and a half, another protocol, a later fragment of UDP.
        for bytes in [packet(6, 0, &[]), packet(6, 0, &[1, 2, 3]), packet(253, 0, &[7; 40]), packet(17, 1, &[7; 40])] {
            sendto(raw.as_raw_fd(), &bytes, &SockaddrIn::new(127, 0, 0, 9, 0), MsgFlags::empty()).unwrap();
        }
        wait_for("all four", || listener.stats().unreadable == 4);
        assert_eq!(listener.stats().decisions, 0);
    }
}

in_a_namespace! {
    fn a_queue_that_another_has_is_refused_in_plain_words() {
        let first = Listener::start(QUEUE, "web", By(|_: &Flow| QueueVerdict::Pass)).unwrap();
        let error = Listener::start(QUEUE, "mail", By(|_: &Flow| QueueVerdict::Pass)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains("NFQUEUE 7 is taken by another program"), "{error}");
        drop(first);
        Listener::start(QUEUE, "mail", By(|_: &Flow| QueueVerdict::Pass)).unwrap();
    }
}

in_a_namespace! {
    fn a_heartbeat_goes_out_with_its_mark_while_healthy() {
        sh("iptables-nft -t mangle -A POSTROUTING -p udp -m mark --mark 0x1234; iptables-nft -t mangle -A POSTROUTING -p udp -m mark --mark 0");
        let heartbeat = Heartbeat::start(0x1234, Duration::from_millis(1), || true).unwrap();
        // Far more than would fit into its socket.
        wait_for("beats", || counted("iptables-nft").0 > 500);
        assert_eq!(heartbeat.problem(), None);
        let last = heartbeat.last_beat().unwrap();
        wait_for("another", || heartbeat.last_beat().unwrap() > last);
        let queue = sh("awk 'NR > 1 { print $5 }' /proc/net/udp");
        let waiting = queue.trim().split_once(':').unwrap().1;
        assert!(u64::from_str_radix(waiting, 16).unwrap() < 8192, "{queue}");
        drop(heartbeat);
        let sick = Heartbeat::start(0x1234, Duration::from_millis(1), || false).unwrap();
        let before = counted("iptables-nft").0;
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!((counted("iptables-nft").0, sick.last_beat()), (before, None));
    }
}

in_a_namespace! {
    fn a_heartbeat_goes_out_once_at_the_start_and_at_once_when_told_to() {
        sh("iptables-nft -t mangle -A POSTROUTING -p udp -m mark --mark 0x1234; iptables-nft -t mangle -A POSTROUTING -p udp -m mark --mark 0");
        let heartbeat = Heartbeat::start(0x1234, LONG, || true).unwrap();
        assert_eq!(counted("iptables-nft").0, 1);
        heartbeat.beat();
        assert_eq!(counted("iptables-nft").0, 2);
        assert_eq!(heartbeat.problem(), None);
    }
}

in_a_namespace! {
    fn a_heartbeat_says_that_lo_is_down_and_goes_out_when_it_is_up() {
        sh("ip link set lo down; ip address flush dev lo");
        let heartbeat = Heartbeat::start(1, Duration::from_millis(1), || true).unwrap();
        wait_for("it says so", || heartbeat.problem().is_some_and(|it| it.contains("is lo up?")));
        sh("ip link set lo up; ip address replace 127.0.0.1/8 dev lo");
        wait_for("it beats", || heartbeat.problem().is_none() && heartbeat.last_beat().is_some());
        sh("ip link set lo down");
        wait_for("it says so again", || heartbeat.problem().is_some());
    }
}

in_a_namespace! {
    fn many_connections_at_once_are_all_decided() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        enqueue("iptables-nft", "tcp", to.port(), QUEUE);
        let listener = Listener::start(QUEUE, "web", By(|_: &Flow| QueueVerdict::Mark(0x1234))).unwrap();
        std::thread::spawn(move || server.incoming().for_each(drop));
        let clients: Vec<_> = (0..4).map(|_| std::thread::spawn(move || {
            for _ in 0..200 {
                let mut client = TcpStream::connect_timeout(&to, LONG).unwrap();
                let _ = client.read(&mut [0; 1]);
            }
        })).collect();
        for client in clients {
            client.join().unwrap();
        }
        let stats = listener.stats();
        assert!(stats.decisions >= 800, "{stats:?}");
        assert_eq!(counted("iptables-nft").1, 0);
    }
}

/// The first packet hangs until the other end of the channel is dropped; all others are marked.
fn hangs_once() -> (mpsc::Sender<()>, impl Verdicts) {
    let (go, wait) = mpsc::channel::<()>();
    let verdicts = By(move |_: &Flow| {
        let _ = wait.recv();
        QueueVerdict::Mark(0x1234)
    });
    (go, verdicts)
}

in_a_namespace! {
    fn while_a_decision_hangs_connections_go_on_unmarked_and_afterwards_they_are_decided_again() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        enqueue("iptables-nft", "udp", to.port(), QUEUE);
        let (go, verdicts) = hangs_once();
        let listener = Listener::start(QUEUE, "dns", verdicts).unwrap();
        let watch = listener.watch();
        let limit = Duration::from_millis(150);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            client.send_to(b"question", to).unwrap();
        }
        assert_eq!(counted("iptables-nft"), (0, 0), "all wait");
        watch.look(LONG);
        assert!(!listener.is_stuck());
        wait_for("it is passed by", || {
            watch.look(limit);
            listener.is_stuck()
        });
        // Those that wait in the kernel, those that were read, and the one that is being decided.
        assert_eq!(counted("iptables-nft"), (0, 100));
        for _ in 0..50 {
            client.send_to(b"later", to).unwrap();
        }
        watch.look(limit);
        assert_eq!(counted("iptables-nft"), (0, 150), "none of them waits");
        drop(go);
        wait_for("it moves", || {
            watch.look(limit);
            !listener.is_stuck()
        });
        client.send_to(b"question", to).unwrap();
        wait_for("it is decided", || counted("iptables-nft") == (1, 150));
        watch.look(Duration::ZERO);
        wait_for("it moves", || !listener.is_stuck());
    }
}

in_a_namespace! {
    fn a_queue_whose_thread_hangs_is_given_back_at_once_and_another_thread_can_take_it() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        enqueue("iptables-nft", "udp", to.port(), QUEUE);
        let (go, verdicts) = hangs_once();
        let listener = Listener::start(QUEUE, "dns", verdicts).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"question", to).unwrap();
        wait_for("it is passed by", || {
            listener.watch().look(Duration::from_millis(1));
            listener.is_stuck()
        });
        drop(listener);
        let listener = Listener::start(QUEUE, "dns", By(|_: &Flow| QueueVerdict::Mark(0x1234))).unwrap();
        client.send_to(b"question", to).unwrap();
        wait_for("it is decided", || counted("iptables-nft") == (1, 1));
        // The old thread ends without doing harm.
        drop(go);
        for _ in 0..20 {
            client.send_to(b"question", to).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        wait_for("all are decided", || counted("iptables-nft") == (21, 1));
        assert!(!listener.is_stuck());
    }
}
