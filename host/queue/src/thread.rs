//! The thread that serves one queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use evenkeel_core::state::Queue;
use evenkeel_netlink::nfqueue::{QueuedPacket, put_accept, put_config};
use evenkeel_netlink::{Channel, Messages};
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use crate::inbox::{BATCH, Inbox};
use crate::packet;
use crate::shared::Shared;
use crate::socket;
use crate::verdict::{QueueVerdict, Verdicts};

/// A packet does not wait longer than this for its verdict because of a slow decision about another one that was read
/// with it.
const MAX_DELAY: Duration = Duration::from_millis(1);
/// How often the thread looks whether it is to end, without packets.
const WAIT: Duration = Duration::from_millis(20);

/// The thread's own.
pub(crate) struct QueueThread<V> {
    channel: Arc<Channel>,
    queue: Queue,
    /// For the log.
    service: String,
    shared: Arc<Shared>,
    verdicts: V,
    /// Messages with verdicts that have not been sent yet.
    unsent: Vec<u8>,
    /// How long each decision of this batch took.
    taken: Vec<Duration>,
}

impl<V: Verdicts> QueueThread<V> {
    /// Takes the queue in this thread's network namespace.
    pub(crate) fn open(
        queue: Queue,
        service: &str,
        shared: Arc<Shared>,
        verdicts: V,
    ) -> io::Result<Self> {
        Ok(Self {
            channel: Arc::new(socket::open(queue, WAIT)?),
            queue,
            service: service.to_owned(),
            shared,
            verdicts,
            unsent: Vec::new(),
            taken: Vec::with_capacity(BATCH),
        })
    }

    /// Its socket, for who watches it.
    pub(crate) fn channel(&self) -> Arc<Channel> {
        Arc::clone(&self.channel)
    }

    /// Gives verdicts until it is stopped.
    pub(crate) fn serve(mut self) -> io::Result<()> {
        let mut inbox = Inbox::new();
        while !self.stopped() {
            // Waits for one, and takes what else is there.
            self.batch(&mut inbox, MsgFlags::MSG_WAITFORONE)?;
            if self.bypassed() && !self.stopped() {
                self.rejoin(&mut inbox)?;
            }
            self.verdicts.idle();
        }
        self.hand_back(&mut inbox)
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    fn bypassed(&self) -> bool {
        *self.shared.bypassed.lock()
    }

    /// The thread moves again, and connections are queued again. What is here still has gone on long ago, and nothing has
    /// come since.
    fn rejoin(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        while self.batch(inbox, MsgFlags::MSG_DONTWAIT)? {}
        let mut bypassed = self.shared.bypassed.lock();
        let mut request = Vec::new();
        put_config(&mut request, socket::UNHEARD, self.queue.0, socket::OPEN);
        self.channel.send(&request)?;
        *bypassed = false;
        tracing::info!(
            service = self.service,
            queue = self.queue.0,
            "decisions come again: the scheduler decides each new connection"
        );
        Ok(())
    }

    /// Lets what waits go by the plan: the kernel drops what still waits when a queue's socket is closed. Nothing can
    /// come after the last of them.
    fn hand_back(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        self.unsent.clear();
        put_config(
            &mut self.unsent,
            socket::UNHEARD,
            self.queue.0,
            socket::CLOSED,
        );
        self.channel.send(&self.unsent)?;
        self.unsent.clear();
        while self.batch(inbox, MsgFlags::MSG_DONTWAIT)? {}
        Ok(())
    }

    /// Reads packets and answers them. Returns whether there was something to read.
    fn batch(&mut self, inbox: &mut Inbox, how: MsgFlags) -> io::Result<bool> {
        match inbox.receive(&*self.channel, how) {
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
        self.shared.progress.end();
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
                Some(_) if self.stopped() || self.bypassed() => {
                    self.shared.passed.fetch_add(1, Ordering::Relaxed);
                    QueueVerdict::Pass
                }
                Some(flow) => {
                    let start = Instant::now();
                    self.shared.progress.begin(start);
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
