//! Processor time of checks: what the checks of one plugin may take, so that the others come to their turn.
//!
//! Measured is the time of the thread while a check computes; a check that waits for its server costs nothing. The checks
//! of a plugin that takes too much wait in a queue, in their order, and their servers stay as they are meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_core::debt::{Debt, Terms};
use nix::time::{ClockId, clock_gettime};
use parking_lot::Mutex;
use tokio::time::Instant;

/// What the checks of all servers by one plugin may take at once before they have to wait.
const CREDIT: Duration = Duration::from_millis(500);
/// A check that ends in the plugin's failure has told nothing: it counts for so many.
const FAILURE: u32 = 5;

/// What one plugin's checks may take, and have taken.
#[derive(Debug)]
pub(crate) struct CheckBudget {
    terms: Terms,
    /// Held by the check that is next, the others wait in their order.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    debt: Debt,
    /// What a check is expected to take: as much as the last ones.
    expected: Duration,
}

/// A check that may begin.
pub(crate) struct Turn {
    budget: Arc<CheckBudget>,
    /// What was charged for it.
    charged: Duration,
    /// How long it had to wait.
    pub(crate) waited: Duration,
}

impl CheckBudget {
    /// Half of this machine's processors, and at least half of one.
    pub(crate) fn new(processors: usize) -> Self {
        let processors = u32::try_from(processors).unwrap_or(u32::MAX).max(1);
        let each_second = Duration::from_millis(500).saturating_mul(processors);
        Self {
            terms: Terms {
                each_second,
                credit: CREDIT,
            },
            turn: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// Waits until the next check may begin. Cancel-safe.
    pub(crate) async fn turn(self: &Arc<Self>) -> Turn {
        let asked = Instant::now();
        let turn = self.turn.lock().await;
        let charged = loop {
            let now = Instant::now();
            let wait = {
                let mut state = self.state.lock();
                let wait = state.debt.next(self.terms, now.into_std());
                if wait.is_none() {
                    let expected = state.expected;
                    state.debt.charge(expected, self.terms, now.into_std());
                    break expected;
                }
                wait
            };
            if let Some(at) = wait {
                tokio::time::sleep_until(at.into()).await;
            }
        };
        drop(turn);
        Turn {
            budget: Arc::clone(self),
            charged,
            waited: asked.elapsed(),
        }
    }
}

impl Turn {
    /// Runs the check, and charges what it takes. `failed`: whether the plugin has failed.
    pub(crate) async fn run<T>(
        self,
        check: impl Future<Output = T>,
        failed: impl FnOnce(&T) -> bool,
    ) -> T {
        let (outcome, took) = Metered {
            future: Box::pin(check),
            took: Duration::ZERO,
        }
        .await;
        let took = if failed(&outcome) {
            took * FAILURE
        } else {
            took
        };
        let (mut state, terms) = (self.budget.state.lock(), self.budget.terms);
        let now = Instant::now().into_std();
        state.debt.give_back(self.charged, terms, now);
        state.debt.charge(took, terms, now);
        // As much as the dearest of the last ones, which is forgotten in time.
        state.expected = took.max(state.expected * 7 / 8);
        outcome
    }
}

/// Measures the processor time of a future.
struct Metered<F> {
    future: Pin<Box<F>>,
    took: Duration,
}

impl<F: Future> Future for Metered<F> {
    type Output = (F::Output, Duration);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let before = processor_time();
        let polled = self.future.as_mut().poll(context);
        self.took += processor_time().saturating_sub(before);
        polled.map(|outcome| (outcome, self.took))
    }
}

/// Of this thread.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(for_: Duration) {
        let before = processor_time();
        while processor_time().saturating_sub(before) < for_ {}
    }

    async fn check(budget: &Arc<CheckBudget>, computes: Duration, fails: bool) -> Duration {
        let turn = budget.turn().await;
        let waited = turn.waited;
        turn.run(async { spin(computes) }, |()| fails).await;
        waited
    }

    #[tokio::test(start_paused = true)]
    async fn checks_that_only_wait_never_wait_for_their_turn() {
        let budget = Arc::new(CheckBudget::new(1));
        let start = Instant::now();
        for _ in 0..1_000 {
            let turn = budget.turn().await;
            let waits = tokio::time::sleep(Duration::from_secs(1));
            turn.run(waits, |()| false).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn checks_that_compute_too_much_wait_and_those_that_fail_wait_longer() {
        let computes = Duration::from_millis(20);
        let mut took = Vec::new();
        for fails in [false, true] {
            let budget = Arc::new(CheckBudget::new(1));
            let start = Instant::now();
            for _ in 0..100 {
                check(&budget, computes, fails).await;
            }
            took.push(start.elapsed());
        }
        // 2 s of computing, of which half a second a second, less the credit; and 10 s.
        assert!(took[0] >= Duration::from_secs(2), "{took:?}");
        assert!(took[1] >= Duration::from_secs(17), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn hundreds_that_come_at_once_are_let_in_a_few_at_a_time_and_in_their_order() {
        let budget = Arc::new(CheckBudget::new(1));
        check(&budget, Duration::from_millis(50), true).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..30 {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tasks.spawn(async move {
                let turn = budget.turn().await;
                order.lock().push(n);
                turn.run(async { spin(Duration::from_millis(10)) }, |()| true)
                    .await;
            });
        }
        tokio::task::yield_now().await;
        assert!(order.lock().len() < 10, "{:?}", order.lock());
        while tasks.join_next().await.is_some() {}
        assert_eq!(*order.lock(), (0..30).collect::<Vec<_>>());
    }
}
