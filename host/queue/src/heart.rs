//! The heartbeat that the kernel's rules listen to: see `evenkeel_dataplane::verdict`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

/// Sends a datagram to itself over the loopback interface again and again, until it is dropped. What matters is its way through the
/// kernel's rules, which know it by its mark.
#[derive(Debug)]
pub struct Heart {
    beats: Arc<Mutex<Beats>>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heart {
    /// Begins, in this thread's network namespace: a beat with packet mark `mark` every `every`, while `healthy` says so. The first has
    /// gone out when this returns. Without a loopback address it tries again at each beat, and [`Heart::problem`] says so.
    ///
    /// # Errors
    /// When the mark may not be set (`CAP_NET_ADMIN`), or there is no thread or socket to be had.
    pub fn start(
        mark: u32,
        every: Duration,
        healthy: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let mut beats = Beats {
            sockets: Vec::new(),
            mark,
            lost: 0,
            last: None,
            problem: None,
        };
        match open(mark) {
            Ok(sockets) => beats.sockets = sockets,
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(error),
        }
        if healthy() {
            beats.beat();
        }
        let beats = Arc::new(Mutex::new(beats));
        let (stop, stopped) = mpsc::channel::<()>();
        let told = Arc::clone(&beats);
        let thread = std::thread::Builder::new()
            .name("heart".into())
            .spawn(move || {
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    if healthy() {
                        locked(&told).beat();
                    }
                }
            })?;
        Ok(Self {
            beats,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Sends one more at once, from this thread: for rules that have just come and have heard none yet. Never waits for the network.
    pub fn beat(&self) {
        locked(&self.beats).beat();
    }

    /// Why beats do not go out or do not come back, if they do not.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        locked(&self.beats).problem.clone()
    }

    /// When the last beat went out, as long as they come back.
    #[must_use]
    pub fn last_beat(&self) -> Option<Instant> {
        locked(&self.beats).last
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn locked(beats: &Mutex<Beats>) -> MutexGuard<'_, Beats> {
    beats.lock().unwrap_or_else(PoisonError::into_inner)
}

fn in_words(error: &io::Error) -> String {
    format!(
        "no heartbeat goes over the loopback interface, so connections go by the plan: {error} (is lo up?)"
    )
}

/// Sockets that talk to themselves: of both IP versions where there are, since some rules (iptables') hear only their own.
fn open(mark: u32) -> io::Result<Vec<UdpSocket>> {
    let sockets = match (
        bind(Ipv4Addr::LOCALHOST.into()),
        bind(Ipv6Addr::LOCALHOST.into()),
    ) {
        (Err(error), Err(_)) => return Err(error),
        (one, other) => [one, other].into_iter().flatten(),
    };
    sockets
        .map(|socket| {
            socket.connect(socket.local_addr()?)?;
            socket.set_nonblocking(true)?;
            setsockopt(&socket, sockopt::Mark, &mark)?;
            Ok(socket)
        })
        .collect()
}

fn bind(address: IpAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(SocketAddr::new(address, 0))
}

/// What goes out, and what has come back.
#[derive(Debug)]
struct Beats {
    sockets: Vec<UdpSocket>,
    mark: u32,
    /// Sent since the last one came back.
    lost: u32,
    /// When the last one went out, as long as they come back.
    last: Option<Instant>,
    problem: Option<String>,
}

/// A busy machine may bring one back late.
const LOST: u32 = 3;

impl Beats {
    /// Sends one, and keeps what became of it.
    fn beat(&mut self) {
        match self.send() {
            Ok(()) => {
                self.last = Some(Instant::now());
                self.problem = None;
            }
            Err(error) => self.problem = Some(in_words(&error)),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let mut sockets = std::mem::take(&mut self.sockets);
        if sockets.is_empty() {
            sockets = open(self.mark)?;
        }
        // Sending succeeds on an interface that is down, too, so it is what comes back that counts.
        let mut earlier = [0; 16];
        for socket in &sockets {
            while socket.recv(&mut earlier).is_ok() {
                self.lost = 0;
            }
        }
        for socket in &sockets {
            socket.send(b"evenkeel")?;
        }
        // After an error they are opened anew.
        self.sockets = sockets;
        self.lost = self.lost.saturating_add(1);
        if self.lost > LOST {
            return Err(io::Error::other("what is sent does not come back"));
        }
        Ok(())
    }
}
