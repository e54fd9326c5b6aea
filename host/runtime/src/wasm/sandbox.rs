//! What one instance may use: processor time, memory, tables, instances.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use wasmtime::{ResourceLimiter, UpdateDeadline};

use super::confines::{Account, Confines};

/// How many linear memories or tables an instance may have. A component of another language has a handful.
const MEMORIES: usize = 100;

/// Where a limit is configured, for all plugins or for one.
const PLACE: &str = "in [sandbox] or [[plugin_sandbox]]";

/// Counts an instance's memory and tables; remembers the last thing it denied.
#[derive(Debug)]
pub(super) struct Limits {
    memory_left: usize,
    memory: usize,
    /// Taken in the present call.
    grown: usize,
    account: Account,
    table_elements_left: usize,
    table_elements: usize,
    instances: usize,
    denied: Option<String>,
}

impl Limits {
    pub(super) fn new(sandbox: &Confines) -> Self {
        Self {
            memory_left: sandbox.memory,
            memory: sandbox.memory,
            grown: 0,
            account: sandbox.enter(),
            table_elements_left: sandbox.table_elements,
            table_elements: sandbox.table_elements,
            instances: sandbox.instances,
            denied: None,
        }
    }

    /// A new call begins: what was denied before is not what ends it.
    pub(super) fn begin(&mut self) {
        self.denied = None;
        self.grown = 0;
    }

    /// Why the processor time of a call was used up, if it went into memory: into half of what is allowed.
    pub(super) fn hoards(&self) -> Option<String> {
        let (grown, limit) = (self.grown >> 10, self.memory >> 10);
        (self.grown >= self.memory / 2).then(|| {
            format!("{grown} KiB of memory taken in one call, until its processor time was used up; {limit} KiB allowed")
        })
    }

    /// What was denied since the call began.
    pub(super) fn denied(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// How many instances, memories or tables a component may have, for the error of a component that has more.
    pub(super) fn counts(&self) -> String {
        format!(
            "{} core instances (`instances` {PLACE}), {MEMORIES} memories, {MEMORIES} tables",
            self.instances
        )
    }
}

impl ResourceLimiter for Limits {
    // Denied by `false`, not by a trap: a guest that can do without (Python's MemoryError) goes on.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = desired.saturating_sub(current);
        let Some(left) = self.memory_left.checked_sub(wanted) else {
            let (asked, limit) = (
                (self.memory - self.memory_left + wanted) >> 10,
                self.memory >> 10,
            );
            self.denied = Some(format!(
                "{asked} KiB of memory wanted, {limit} KiB allowed (`memory` {PLACE})"
            ));
            return Ok(false);
        };
        if let Err(reason) = self.account.take(wanted) {
            self.denied = Some(reason);
            return Ok(false);
        }
        self.memory_left = left;
        // What it begins with is not its call's doing.
        if current > 0 {
            self.grown = self.grown.saturating_add(wanted);
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = desired.saturating_sub(current);
        let Some(left) = self.table_elements_left.checked_sub(wanted) else {
            let asked = (self.table_elements - self.table_elements_left).saturating_add(wanted);
            let limit = self.table_elements;
            self.denied = Some(format!(
                "{asked} table elements wanted, {limit} allowed (`table_elements` {PLACE})"
            ));
            return Ok(false);
        };
        self.table_elements_left = left;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        MEMORIES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

/// Processor time of the calling thread so far, in nanoseconds.
fn thread_time() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0, |time| {
        u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
    })
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// `Meter::last` between the pieces of a call, and until a synchronous call has seen a tick.
const NOT_RUNNING: u64 = u64::MAX;

/// A guest's time between two ticks counts up to this, or up to a quarter of its limit if that is more.
const LONGEST_GAP: Duration = Duration::from_millis(4);

/// Measures the processor time of one call at a time. Time in which the thread did not run, because the machine is
/// busy or the call waits for the network, does not count.
///
/// On a virtual machine the thread's clock goes on while the hypervisor runs another machine in the processor's place.
/// A guest that computes runs into every tick; one whose processor was away sees one tick after a long gap. So a gap
/// counts up to a quarter of the limit, and no guest is ended for one that is not its doing.
#[derive(Debug)]
pub(super) struct Meter {
    /// Of the present call.
    limit: AtomicU64,
    /// Of the present call, until `last`.
    spent: AtomicU64,
    /// The thread's time at the last tick, or when the present piece of the call began.
    last: AtomicU64,
}

impl Meter {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit: AtomicU64::new(nanos(limit)),
            spent: AtomicU64::new(0),
            last: AtomicU64::new(NOT_RUNNING),
        }
    }

    /// The next calls may take so long.
    pub(super) fn set_limit(&self, limit: Duration) {
        self.limit.store(nanos(limit), Ordering::Relaxed);
    }

    /// What the present call may take.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_nanos(self.limit.load(Ordering::Relaxed))
    }

    /// A new call begins.
    pub(super) fn begin(&self) {
        self.spent.store(0, Ordering::Relaxed);
        self.last.store(NOT_RUNNING, Ordering::Relaxed);
    }

    /// Charges what passed since the last look. Returns what the call has spent.
    fn charge(&self, now: u64) -> u64 {
        let last = self.last.swap(now, Ordering::Relaxed);
        let longest = (self.limit.load(Ordering::Relaxed) / 4).max(nanos(LONGEST_GAP));
        // A synchronous call has no `last` before its first tick. Reading the clock only from there on costs at most
        // one tick of precision and spares nearly all calls the system call.
        let passed = if last == NOT_RUNNING {
            0
        } else {
            now.saturating_sub(last).min(longest)
        };
        let before = self.spent.fetch_add(passed, Ordering::Relaxed);
        before.saturating_add(passed)
    }

    /// Called for each tick of the epoch that the guest runs into, at the thread's time `now`. Whether its time is over.
    fn is_over(&self, now: u64) -> bool {
        self.charge(now) >= self.limit.load(Ordering::Relaxed)
    }

    /// What to do at a tick in a synchronous call.
    pub(super) fn tick(&self) -> UpdateDeadline {
        if self.is_over(thread_time()) {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Continue(1)
        }
    }

    /// What to do at a tick in an asynchronous call: let others run. `yield_now`, and not a mere wake-up, so that
    /// tokio looks after its timers and sockets in between.
    pub(super) fn tick_yielding(&self) -> UpdateDeadline {
        if self.is_over(thread_time()) {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
        }
    }
}

/// A future whose every piece of work is charged to a [`Meter`].
pub(super) struct Metered<F> {
    meter: Arc<Meter>,
    future: Pin<Box<F>>,
}

impl<F: Future> Metered<F> {
    pub(super) fn new(meter: Arc<Meter>, future: F) -> Self {
        meter.begin();
        Self {
            meter,
            future: Box::pin(future),
        }
    }

    /// Runs it on this thread to its end. For calls that wait for nothing but their own turn.
    pub(super) fn run(self) -> F::Output {
        let mut this = std::pin::pin!(self);
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            if let Poll::Ready(output) = this.as_mut().poll(&mut context) {
                return output;
            }
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.meter.last.store(thread_time(), Ordering::Relaxed);
        let poll = self.future.as_mut().poll(context);
        self.meter.charge(thread_time());
        poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A meter of 50 ms that has seen its first tick at the time 0.
    fn running() -> Meter {
        let meter = Meter::new(Duration::from_millis(50));
        meter.begin();
        assert!(!meter.is_over(0));
        meter
    }

    #[test]
    fn a_guest_that_computes_is_ended_when_its_time_is_over() {
        let meter = running();
        let ended = (1..).find(|tick| meter.is_over(tick * 5 * MS));
        assert_eq!(ended, Some(10));
    }

    #[test]
    fn a_processor_that_was_taken_away_is_not_the_guests_doing() {
        let meter = running();
        assert!(!meter.is_over(5 * MS));
        assert!(!meter.is_over(905 * MS), "900 ms in which nothing ran");
        assert!(!meter.is_over(910 * MS));
    }

    #[test]
    fn a_guest_that_only_sees_late_ticks_is_ended_all_the_same() {
        let meter = running();
        let ended = (1..).find(|tick| meter.is_over(tick * 100 * MS));
        assert_eq!(ended, Some(4));
    }

    #[test]
    fn the_shortest_limit_of_a_pick_ends_at_the_first_tick_after_it() {
        let meter = Meter::new(Duration::from_millis(1));
        meter.begin();
        assert!(!meter.is_over(7 * MS));
        assert!(meter.is_over(8 * MS));
    }

    #[test]
    fn a_new_call_begins_with_nothing_spent() {
        let meter = running();
        assert!((1..5).any(|tick| meter.is_over(tick * 100 * MS)));
        meter.begin();
        assert!(!meter.is_over(1000 * MS));
        assert!(!meter.is_over(1005 * MS));
    }
}
