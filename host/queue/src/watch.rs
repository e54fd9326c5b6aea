//! Sees that a queue's thread moves. While it does not, what waits in the queue and what comes goes on by the plan: a
//! scheduler that hangs holds up its own service for a moment only.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::state::Queue;
use evenkeel_netlink::Channel;
use evenkeel_netlink::nfqueue::{put_accept_all, put_config, put_unbind};

use crate::shared::Shared;
use crate::socket::{self, Row};

/// Watches one queue's thread, from another one.
#[derive(Debug, Clone)]
pub struct QueueWatch {
    queue: Queue,
    service: String,
    channel: Arc<Channel>,
    shared: Arc<Shared>,
}

impl QueueWatch {
    pub(crate) fn new(
        queue: Queue,
        service: &str,
        channel: Arc<Channel>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            queue,
            service: service.to_owned(),
            channel,
            shared,
        }
    }

    /// Looks once, in the network namespace of the queue. Where the thread has been at one packet for longer than `limit`,
    /// all that waits goes on by the plan, as does what comes before it moves again.
    pub fn look(&self, limit: Duration) {
        let stuck = || {
            let busy = self.shared.progress.busy_for(Instant::now());
            busy.filter(|busy| *busy > limit)
        };
        if stuck().is_none() {
            return;
        }
        let mut bypassed = self.shared.bypassed.lock();
        // It may have moved meanwhile. While this is locked, it cannot begin anew unseen.
        let Some(busy) = stuck().filter(|_| !*bypassed) else {
            return;
        };
        match self.bypass() {
            Ok(()) => {
                *bypassed = true;
                tracing::warn!(
                    service = self.service,
                    queue = self.queue.0,
                    ?busy,
                    "decisions do not come in time (the scheduler hangs, or the machine is busy): connections go by the plan until they do"
                );
            }
            Err(error) => {
                tracing::warn!(service = self.service, queue = self.queue.0, %error, "a queue whose decisions do not come in time cannot be passed by");
            }
        }
    }

    /// Nothing is queued any more, and what is goes on.
    fn bypass(&self) -> io::Result<()> {
        let mut request = Vec::new();
        put_config(&mut request, socket::UNHEARD, self.queue.0, socket::CLOSED);
        self.channel.send(&request)?;
        // Only now is this the last one.
        if let Some(row) = Row::of(self.queue) {
            request.clear();
            put_accept_all(&mut request, self.queue.0, row.last_packet);
            self.channel.send(&request)?;
        }
        Ok(())
    }

    /// Whether the thread does not move, so that connections go by the plan.
    #[must_use]
    pub(crate) fn is_stuck(&self) -> bool {
        *self.shared.bypassed.lock()
    }

    /// Gives the queue back although its thread does not move: another one may take it.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut request = Vec::new();
        put_unbind(&mut request, socket::UNHEARD, self.queue.0);
        self.channel.send(&request)
    }
}
