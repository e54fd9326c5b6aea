//! One turn of the driver's loop.

use std::os::fd::AsFd;
use std::time::Instant;

use evenkeel_addresses::VrrpAddresses;
use evenkeel_addresses::channel::Taken;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::state::{BUSY_DELAY, Driver};
use crate::sockets::Place;

impl Driver {
    /// One turn of the loop; `false`: it was the last one.
    pub(super) fn turn(&mut self) -> bool {
        let retry = match self.messages.take() {
            Taken::Messages(messages) => {
                for message in messages {
                    self.on_time();
                    if !self.read(message) {
                        return false;
                    }
                }
                None
            }
            Taken::Busy => Some(Instant::now() + BUSY_DELAY),
            Taken::Closed => return false,
        };
        self.on_time();
        self.announce();
        self.look_after_sockets();
        if self.finish() {
            return false;
        }
        self.publish();
        let delivered =
            self.sockets.send_orders() & self.hand_over_commands() & self.deliver(false);
        let readable = self.wait(retry, delivered);
        for place in readable {
            self.receive(place);
        }
        true
    }

    /// Waits until there is something to do. Gives the sockets that can be read.
    fn wait(&mut self, retry: Option<Instant>, delivered: bool) -> Vec<Place> {
        let now = Instant::now();
        let deadlines = [
            retry,
            (!delivered).then(|| now + BUSY_DELAY),
            self.router.poll_at(),
            self.announcer.due(now),
            self.sockets.retry_at(),
            self.sockets.resume_at(now),
            self.stale,
        ];
        let wait = deadlines.into_iter().flatten().min();
        let wait = wait.map(|at| TimeSpec::from(at.saturating_duration_since(now)));
        let (mut places, mut fds) = (Vec::new(), Vec::new());
        fds.push(PollFd::new(self.messages.as_fd(), PollFlags::POLLIN));
        for (place, fd) in self.sockets.listening(now) {
            places.push(place);
            fds.push(PollFd::new(fd, PollFlags::POLLIN));
        }
        // Interrupted or not, it looks.
        if ppoll(&mut fds, wait, None).is_err() {
            return Vec::new();
        }
        let ready = fds.iter().skip(1).map(|fd| fd.any().unwrap_or(true));
        let places = places.into_iter().zip(ready);
        places
            .filter_map(|(place, ready)| ready.then_some(place))
            .collect()
    }

    /// Hands the event forwarder what it has not got yet. When this is the last time, it may wait.
    pub(super) fn deliver(&mut self, last: bool) -> bool {
        while !self.forwarder.try_send(&mut self.outgoing) {
            if !last {
                return false;
            }
            std::thread::sleep(BUSY_DELAY);
        }
        true
    }

    /// Hands the address manager what it has not got yet.
    fn hand_over_commands(&mut self) -> bool {
        let addresses = self.addresses.as_mut();
        addresses.is_none_or(VrrpAddresses::hand_over)
    }
}
