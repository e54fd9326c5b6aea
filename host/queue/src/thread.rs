//! The thread that serves one queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use evenkeel_core::state::Queue;
use evenkeel_netlink::nfqueue::{QueueConfig, QueuedPacket, put_accept, put_config};
use evenkeel_netlink::{Channel, Messages};
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use crate::inbox::{BATCH, Inbox};
use crate::packet;
use crate::socket;
use crate::stats::Shared;
use crate::verdict::{QueueVerdict, Verdicts};

/// Of each packet: IPv6 with some extension headers, and ports. More than so many waiting packets go on by the plan.
const CONFIG: QueueConfig = QueueConfig {
    copy: 128,
    max_len: 4096,
};
/// The last request's number: nobody waits for its answer.
const LAST_SEQ: u32 = u32::MAX;
/// A packet does not wait longer than this for its verdict because of a slow decision about another one that was read
/// with it.
const MAX_DELAY: Duration = Duration::from_millis(1);
/// How often the thread looks whether it is to end, without packets.
const WAIT: Duration = Duration::from_millis(20);

/// The thread's own.
pub(crate) struct QueueThread<V> {
    channel: Channel,
    queue: Queue,
    shared: Arc<Shared>,
    verdicts: V,
    /// Messages with verdicts that have not been sent yet.
    unsent: Vec<u8>,
    /// How long each decision of this batch took.
    taken: Vec<Duration>,
}

impl<V: Verdicts> QueueThread<V> {
    /// Takes the queue in this thread's network namespace.
    pub(crate) fn open(queue: Queue, shared: Arc<Shared>, verdicts: V) -> io::Result<Self> {
        Ok(Self {
            channel: socket::open(queue, CONFIG, WAIT)?,
            queue,
            shared,
            verdicts,
            unsent: Vec::new(),
            taken: Vec::with_capacity(BATCH),
        })
    }

    /// Gives verdicts until it is stopped.
    pub(crate) fn serve(mut self) -> io::Result<()> {
        let mut inbox = Inbox::new();
        while !self.stopped() {
            // Waits for one, and takes what else is there.
            self.batch(&mut inbox, MsgFlags::MSG_WAITFORONE)?;
            self.verdicts.idle();
        }
        self.hand_back(&mut inbox)
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Lets what waits go by the plan: the kernel drops what still waits when a queue's socket is closed. Nothing can
    /// come after the last of them, since a queue of no length is always full and full means to go on.
    fn hand_back(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        let none = QueueConfig {
            max_len: 0,
            ..CONFIG
        };
        self.unsent.clear();
        put_config(&mut self.unsent, LAST_SEQ, self.queue.0, none);
        self.channel.send(&self.unsent)?;
        self.unsent.clear();
        while self.batch(inbox, MsgFlags::MSG_DONTWAIT)? {}
        Ok(())
    }

    /// Reads packets and answers them. Returns whether there was something to read.
    fn batch(&mut self, inbox: &mut Inbox, how: MsgFlags) -> io::Result<bool> {
        match inbox.receive(&self.channel, how) {
            Ok(()) => {}
            Err(Errno::EAGAIN) => return Ok(false),
            Err(Errno::EINTR | Errno::ENOBUFS) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let start = Instant::now();
        for datagram in inbox.datagrams() {
            let now = self.take(datagram);
            if now.is_some_and(|now| now.duration_since(start) > MAX_DELAY) {
                self.send(start)?;
            }
        }
        self.send(start)?;
        Ok(true)
    }

    /// Decides about the packets of a datagram. Returns when it did so, if there was something to decide.
    fn take(&mut self, datagram: &[u8]) -> Option<Instant> {
        let mut now = None;
        for packet in Messages::new(datagram).filter_map(|it| QueuedPacket::decode(&it)) {
            let verdict = match packet::flow(packet.payload) {
                None => {
                    self.shared.unreadable.fetch_add(1, Ordering::Relaxed);
                    QueueVerdict::Pass
                }
                Some(_) if self.stopped() => {
                    self.shared.passed.fetch_add(1, Ordering::Relaxed);
                    QueueVerdict::Pass
                }
                Some(flow) => {
                    let start = Instant::now();
                    let verdict = self.verdicts.decide(&flow);
                    let end = Instant::now();
                    self.taken.push(end.duration_since(start));
                    now = Some(end);
                    let counter = match verdict {
                        QueueVerdict::Mark(_) => &self.shared.decisions,
                        QueueVerdict::Pass => &self.shared.passed,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                    verdict
                }
            };
            let mark = match verdict {
                QueueVerdict::Mark(mark) => Some(mark),
                QueueVerdict::Pass => None,
            };
            put_accept(&mut self.unsent, self.queue.0, packet.number, mark);
        }
        now
    }

    /// Sends what was decided.
    fn send(&mut self, start: Instant) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        self.channel.send(&self.unsent)?;
        self.unsent.clear();
        self.shared.took(self.taken.drain(..), start.elapsed());
        Ok(())
    }
}
