//! Serves one queue.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_core::flow::Flow;
use evenkeel_core::state::Queue;
use netlink_sys::Socket;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};

use crate::packet;
use crate::socket::{self, Row, Settings};
use crate::stats::{Stats, Times};
use crate::wire::{Incoming, Messages, incoming};

/// Bytes of each packet that are handed over: IPv6 with some extension headers, and ports.
const COPY: u32 = 128;
/// Packets that may wait; more go on by the plan.
const WAITING: u32 = 4096;
/// Packets read at once.
const BATCH: usize = 64;
/// A datagram holds one packet, and some attributes.
const DATAGRAM: usize = 1024;
/// A packet does not wait longer than this for its verdict because of a slow decision about another one that was read with it.
const HURRY: Duration = Duration::from_millis(1);
/// How often the thread looks whether it is to end, without packets.
const PATIENCE: Duration = Duration::from_millis(20);

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It goes on with this packet mark.
    Mark(u32),
    /// It goes on as it came: the kernel's plan decides.
    Pass,
}

/// Decides about new connections, one after the other.
pub trait Chooser: Send + 'static {
    /// Decides about one.
    fn choose(&mut self, flow: &Flow) -> Choice;

    /// Called after each batch of packets, and every 20 ms without any, when all verdicts have been sent.
    fn idle(&mut self) {}
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    decisions: AtomicU64,
    passed: AtomicU64,
    unreadable: AtomicU64,
    choose: Times,
    total: Times,
}

/// Serves one queue until it is dropped. Then the kernel's rules go on without it (`bypass`).
#[derive(Debug)]
pub struct Listener {
    queue: Queue,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Takes the queue in this thread's network namespace. `name` is for the log.
    ///
    /// # Errors
    /// `AddrInUse` when another program has the queue; `PermissionDenied` without `CAP_NET_ADMIN`. The text names the queue.
    pub fn start(queue: Queue, name: &str, chooser: impl Chooser) -> io::Result<Self> {
        let settings = Settings {
            copy: COPY,
            waiting: WAITING,
            patience: PATIENCE,
        };
        let socket = socket::open(queue, settings)?;
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            socket,
            queue,
            shared: Arc::clone(&shared),
            chooser,
            verdicts: Messages::default(),
            read: Vec::with_capacity(BATCH),
        };
        let name = name.to_owned();
        let thread = std::thread::Builder::new()
            .name(format!("queue-{}", queue.0))
            .spawn(move || {
                if let Err(error) = worker.serve() {
                    tracing::error!(service = name, queue = queue.0, %error, "the queue is not served any more; connections go by the plan");
                }
            })?;
        Ok(Self {
            queue,
            shared,
            thread: Some(thread),
        })
    }

    /// What it has done. To be called in the network namespace of the queue.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            decisions: count(&self.shared.decisions),
            passed: count(&self.shared.passed),
            unreadable: count(&self.shared.unreadable),
            queue_dropped: Row::of(self.queue).map_or(0, |row| row.dropped),
            choose: self.shared.choose.spread(),
            total: self.shared.total.spread(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It logs its own end.
            let _ = thread.join();
        }
    }
}

struct Worker<C> {
    socket: Socket,
    queue: Queue,
    shared: Arc<Shared>,
    chooser: C,
    verdicts: Messages,
    /// How long each packet of this batch took in the chooser.
    read: Vec<Duration>,
}

impl<C: Chooser> Worker<C> {
    fn serve(mut self) -> io::Result<()> {
        let mut inbox = Inbox::new();
        while !self.stopped() {
            // Waits for one, and takes what else is there.
            self.batch(&mut inbox, MsgFlags::MSG_WAITFORONE)?;
            self.chooser.idle();
        }
        self.hand_back(&mut inbox)
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Lets what waits go by the plan: the kernel drops what still waits when a queue's socket is closed. Nothing can come after the
    /// last of them, since a queue of no length is always full and full means to go on.
    fn hand_back(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        self.verdicts.configure(self.queue, COPY, 0);
        self.socket.send(self.verdicts.bytes(), 0)?;
        self.verdicts.clear();
        while self.batch(inbox, MsgFlags::MSG_DONTWAIT)? {}
        Ok(())
    }

    /// Reads packets and answers them. Returns whether there was something to read.
    fn batch(&mut self, inbox: &mut Inbox, how: MsgFlags) -> io::Result<bool> {
        match inbox.receive(&self.socket, how) {
            Ok(()) => {}
            Err(Errno::EAGAIN) => return Ok(false),
            Err(Errno::EINTR | Errno::ENOBUFS) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let start = Instant::now();
        for datagram in inbox.datagrams() {
            let now = self.take(datagram);
            if now.is_some_and(|now| now.duration_since(start) > HURRY) {
                self.answer(start)?;
            }
        }
        self.answer(start)?;
        Ok(true)
    }

    /// Decides about the packets of a datagram. Returns when it did so, if the chooser was asked.
    fn take(&mut self, datagram: &[u8]) -> Option<Instant> {
        let mut now = None;
        for message in incoming(datagram) {
            let Incoming::Packet(number, bytes) = message else {
                continue;
            };
            let choice = match packet::flow(bytes) {
                None => {
                    self.shared.unreadable.fetch_add(1, Ordering::Relaxed);
                    Choice::Pass
                }
                Some(_) if self.stopped() => {
                    self.shared.passed.fetch_add(1, Ordering::Relaxed);
                    Choice::Pass
                }
                Some(flow) => {
                    let start = Instant::now();
                    let choice = self.chooser.choose(&flow);
                    let end = Instant::now();
                    self.read.push(end.duration_since(start));
                    now = Some(end);
                    let counter = match choice {
                        Choice::Mark(_) => &self.shared.decisions,
                        Choice::Pass => &self.shared.passed,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                    choice
                }
            };
            let mark = match choice {
                Choice::Mark(mark) => Some(mark),
                Choice::Pass => None,
            };
            self.verdicts.accept(self.queue, number, mark);
        }
        now
    }

    /// Sends what was decided.
    fn answer(&mut self, start: Instant) -> io::Result<()> {
        if self.verdicts.bytes().is_empty() {
            return Ok(());
        }
        self.socket.send(self.verdicts.bytes(), 0)?;
        self.verdicts.clear();
        let total = start.elapsed();
        for choose in self.read.drain(..) {
            self.shared.choose.add(choose);
            self.shared.total.add(total);
        }
        Ok(())
    }
}

/// Datagrams that were read at once.
struct Inbox {
    buffers: Vec<[u8; DATAGRAM]>,
    lengths: Vec<usize>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Inbox {
    fn new() -> Self {
        Self {
            buffers: vec![[0; DATAGRAM]; BATCH],
            lengths: Vec::with_capacity(BATCH),
            headers: MultiHeaders::preallocate(BATCH, None),
        }
    }

    fn receive(&mut self, socket: &Socket, how: MsgFlags) -> Result<(), Errno> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        self.lengths.clear();
        let headers = &mut self.headers;
        let received = recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), how, None)?;
        self.lengths.extend(received.map(|it| it.bytes));
        Ok(())
    }

    fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.buffers
            .iter()
            .zip(&self.lengths)
            .map(|(buffer, length)| buffer.get(..*length).unwrap_or_default())
    }
}
