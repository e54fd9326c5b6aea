//! What happens when a timer of an instance expires.

use std::time::{Duration, Instant};

use super::data::Instance;
use crate::vrrp::timer::InstanceTimer;
use crate::vrrp::{Output, State};

impl Instance {
    /// Does all that is due. `stopping`: the daemon ends.
    ///
    /// Each timer that has expired is taken out of the table, and is started again only for later than `now`:
    /// afterwards
    /// [`Self::poll_at`] is later than `now`.
    pub(in crate::vrrp) fn poll(&mut self, now: Instant, stopping: bool, out: &mut Vec<Output>) {
        while let Some(due) = self.timers.next()
            && let Some(timer) = self.timers.pop(now)
        {
            self.expired(timer, due, now, stopping, out);
        }
    }

    fn expired(
        &mut self,
        timer: InstanceTimer,
        due: Instant,
        now: Instant,
        stopping: bool,
        out: &mut Vec<Output>,
    ) {
        match timer {
            InstanceTimer::Mismatch => {
                self.mismatches.expire(now);
                self.await_mismatch();
            }
            InstanceTimer::Unknown => self.unknown_too_long = true,
            // What is not known yet counts as failed from now on: the router looks at it after this.
            InstanceTimer::Startup => {}
            InstanceTimer::MasterDown => self.master_is_silent(due, now),
            InstanceTimer::Advert => {
                self.send(self.priority, now, out);
                // From the time that it was due at, so that delays do not add up; but not two at once.
                let interval = self.spec.advert_interval;
                let next = due + interval;
                let next = if next > now { next } else { now + interval };
                self.start_timer(InstanceTimer::Advert, next);
            }
            InstanceTimer::HandOver => self.nobody_took_over(stopping, out),
            InstanceTimer::AnnounceRepeat
            | InstanceTimer::AnnounceEarly
            | InstanceTimer::AnnounceRefresh => {
                let config = self.spec.announce;
                let Self {
                    announcements,
                    timers,
                    ..
                } = self;
                let rounds = announcements.expired(timer, now, &config, timers);
                if self.state == State::Master && self.held {
                    self.announce(rounds, out);
                }
            }
        }
    }

    /// The master was not heard for long enough; but where this router was not run for an interval after that (its
    /// machine was paused, or moved), its adverts may have been lost, and one of the next two will come.
    fn master_is_silent(&mut self, due: Instant, now: Instant) {
        if now >= due + self.interval() && !std::mem::replace(&mut self.listens_again, true) {
            let next = now + 2 * self.interval() + self.skew();
            self.start_timer(InstanceTimer::MasterDown, next);
        } else {
            let because = self.silence(now);
            self.wants_to_be_master(because);
        }
    }

    /// What has become of the master.
    fn silence(&self, now: Instant) -> String {
        if let Some((who, at)) = self.handed_over
            && at >= self.listening_since
        {
            return format!("{who} gave up being master (priority 0)");
        }
        let silent = now.saturating_duration_since(self.listening_since);
        let silent = in_milliseconds(silent);
        match self.master {
            Some(it) if self.lower_since.is_some() => {
                let (addr, priority) = (it.addr, it.priority);
                format!("{addr} is master with the lower priority {priority}")
            }
            Some(it) => format!("no advert from {} for {silent}", it.addr),
            None => format!("no master was heard for {silent}"),
        }
    }

    fn nobody_took_over(&mut self, stopping: bool, out: &mut Vec<Output>) {
        if stopping {
            let text = "no other router has taken over; the addresses go all the same";
            self.event(true, text.to_owned(), out);
            self.release(out);
        } else {
            self.set_hold_reason(None);
            self.left_over = true;
            self.wants_to_be_master(
                "it gave the addresses up, and no other router has taken over".to_owned(),
            );
        }
    }
}

/// For people: to the millisecond.
fn in_milliseconds(time: Duration) -> String {
    format!(
        "{:?}",
        Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    )
}
