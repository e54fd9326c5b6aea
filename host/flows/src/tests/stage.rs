//! A network namespace with a service of each kind on its loopback.

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use evenkeel_core::connections::{Counts, Traffic};
use evenkeel_core::state::BackendId;
use socket2::{Domain, Type};

use crate::counter::Counter;
use crate::shared::{Options, Report};

/// Longer than anything takes that a test waits for; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What marks as a director does: backend 1 by IPv4 and TCP, 2 with full NAT by IPv6, 3 by UDP; and what is no
/// backend's.
const RULES: &str = "
table inet t {
  chain out {
    type nat hook output priority -101;
    ip daddr 127.0.0.10 tcp dport 80 ct mark set 1 dnat ip to 127.0.0.1:8080
    ip6 daddr ::1 tcp dport 80 ct mark set 0x80000002 dnat ip6 to [::1]:8080
    ip daddr 127.0.0.10 udp dport 53 ct mark set 3 dnat ip to 127.0.0.1:5353
    ip daddr 127.0.0.20 ct mark set 0x40000001
    ip daddr 127.0.0.21 ct mark set 0x20000000
  }
}";

pub(super) const V4: &str = "127.0.0.10:80";
pub(super) const V6: &str = "[::1]:80";
pub(super) const UDP: &str = "127.0.0.10:53";
/// Not to a server: unmarked, the mark of a slot, that of refused connections.
pub(super) const OTHERS: [&str; 3] = ["127.0.0.1:8080", "127.0.0.20:8080", "127.0.0.21:8080"];

/// Servers to connect to, in this thread's namespace.
pub(super) struct Stage {
    v4: TcpListener,
    v6: TcpListener,
    pub(super) udp: UdpSocket,
}

/// Runs a test in a network of its own.
pub(super) fn on_stage(events: u8, test: impl FnOnce(&Stage) + Send + 'static) {
    evenkeel_tests::in_own_network(move || {
        run("nft", &["-f", "-"], RULES);
        let setting = format!("net.netfilter.nf_conntrack_events={events}");
        run("sysctl", &["-qw", &setting], "");
        test(&Stage {
            v4: TcpListener::bind("0.0.0.0:8080").unwrap(),
            v6: TcpListener::bind("[::1]:8080").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:5353").unwrap(),
        });
    });
}

/// Runs a command in this thread's namespace.
pub(super) fn run(program: &str, args: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "{program} {args:?}");
}

impl Stage {
    /// An established connection from a given address and port.
    pub(super) fn connect_from(&self, from: SocketAddr, to: &str) -> (TcpStream, TcpStream) {
        let client = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_reuse_address(true).unwrap();
        client.bind(&from.into()).unwrap();
        let to: SocketAddr = to.parse().unwrap();
        client.connect(&to.into()).unwrap();
        (client.into(), self.v4.accept().unwrap().0)
    }

    /// An established connection: the client's end and the server's.
    pub(super) fn connect(&self, to: &str) -> (TcpStream, TcpStream) {
        let to: SocketAddr = to.parse().unwrap();
        let client = TcpStream::connect(to).unwrap();
        let listener = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        (client, listener.accept().unwrap().0)
    }
}

/// A counter, and what it has reported.
pub(super) struct Counting {
    pub(super) counter: Counter,
    reports: Receiver<Vec<(BackendId, Counts)>>,
    known: [(u32, u32, u64); 4],
    /// Connections that failed, and bytes to the server and back.
    beyond: [(u64, Option<Traffic>); 4],
}

impl Counting {
    /// Listens, and waits for the first report.
    pub(super) fn begin(options: Options) -> Self {
        let (sender, reports) = channel();
        let report = move |counts| {
            let _ = sender.send(counts);
        };
        let counter = Counter::start_with(options, report).unwrap();
        let mut counting = Self {
            counter,
            reports,
            known: <_>::default(),
            beyond: <_>::default(),
        };
        assert!(!counting.counter.status().listening);
        counting.counter.listen(true);
        counting.hear();
        counting
    }

    /// Takes in the next report.
    pub(super) fn hear(&mut self) {
        let report = match self.reports.recv_timeout(PATIENCE) {
            Ok(report) => report,
            Err(error) => panic!("{error}: {:?} {:?}", self.known, self.counter.status()),
        };
        for (id, counts) in report {
            self.known[id.get() as usize] = (counts.active, counts.inactive, counts.total);
            self.beyond[id.get() as usize] = (counts.failed, counts.traffic);
        }
    }

    /// Waits until what was counted of a backend beside that is so.
    pub(super) fn wait_beyond(&mut self, id: usize, wanted: impl Fn(u64, Option<Traffic>) -> bool) {
        let begin = Instant::now();
        while !wanted(self.beyond[id].0, self.beyond[id].1) {
            assert!(begin.elapsed() < PATIENCE, "{id}: {:?}", self.beyond);
            self.hear();
        }
    }

    /// Active, inactive and new connections of a backend, as last reported.
    pub(super) fn known(&self, id: usize) -> (u32, u32, u64) {
        self.known[id]
    }

    /// Waits until a backend's counts are these.
    pub(super) fn wait(&mut self, id: usize, counts: (u32, u32, u64)) {
        let begin = Instant::now();
        while self.known(id) != counts {
            assert!(
                begin.elapsed() < PATIENCE,
                "{id}: {counts:?}, not {:?}",
                self.known
            );
            self.hear();
        }
    }

    /// Waits until a status says so.
    pub(super) fn wait_status(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        let begin = Instant::now();
        loop {
            let status = self.counter.status();
            if wanted(&status) {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "{status:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether nothing was reported that has not been heard.
    pub(super) fn silent(&self) -> bool {
        self.reports.try_recv().is_err()
    }
}

/// Closes a connection with a reset.
pub(super) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
}

/// A UDP socket that has sent a packet to the service.
pub(super) fn udp_flow() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(UDP).unwrap();
    match socket.send(b"?") {
        Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
        _ => socket,
    }
}
