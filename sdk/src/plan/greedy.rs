//! Plans for schedulers that always choose the server with the least cost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Plan;
use super::forecast::Forecast;
use super::spread::spread;
use crate::backends::{Backend, BackendId, Backends};

/// The most slots a table has, unless there are more servers than that.
const MOST: u64 = 1024;
/// The most connections that are placed, for a table that stands for more than it has slots.
const MOST_PLACED: u64 = 8 * MOST;
/// The most slots for the sake of weights.
const FOR_WEIGHTS: u64 = 256;
/// In so many steps connections end while the table is filled.
const STEPS: u32 = 8;

/// Makes plans by a rule of the kind "the server with the least cost gets the connection": places the
/// connections that are likely to come until the next plan, one after the other, by the rule, and gives
/// each server as many slots as it got.
///
/// ```
/// use evenkeel_sdk::{Backend, BackendId, Backends, Facts, Flow, Greedy, Plan, Scheduler, least};
///
/// /// The server with the fewest open connections.
/// struct Fewest(Greedy);
///
/// fn cost(backend: &Backend) -> u32 {
///     backend.counts.active
/// }
///
/// impl Scheduler for Fewest {
///     type Settings = ();
///     const FACTS: Facts = Facts::CONNECTIONS;
///
///     fn new((): ()) -> Result<Self, String> {
///         Ok(Self(Greedy::default()))
///     }
///
///     fn plan(&mut self, backends: &Backends) -> Plan {
///         self.0.plan(backends, cost)
///     }
///
///     fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
///         least(backends, cost)
///     }
/// }
/// # use evenkeel_sdk::testing::SchedulerTest;
/// # let mut test = SchedulerTest::<Fewest>::new(&[]).unwrap();
/// # test.backends(&[("a", 1), ("b", 1)]);
/// # test.loads(&[("a", 3), ("b", 1)]);
/// # assert_eq!(test.counts(), [("b".to_owned(), 2)].into());
/// ```
///
/// It keeps in mind what happened between the last plans (so [`Facts::CONNECTIONS`] are needed):
///
/// - how many connections came, which is about the number of slots: fewer, and a server that is behind
///   would be given more than it lacks; more, and it would wait longer than it must. A multiple of the
///   number of servers, so that equally loaded ones take plain turns, 1024 at most (or one for each
///   server), and changed only when it is no longer about right;
/// - how fast each server's connections end: a server whose connections end fast gets more slots than
///   one with as many that last, so that they have equal loads when the next plan comes, not when this
///   one was made.
///
/// Slots are spread out evenly, equally loaded servers take plain turns, and the same counts and
/// history make the same plan.
///
/// [`Facts::CONNECTIONS`]: crate::Facts::CONNECTIONS
#[derive(Debug, Clone, Default)]
pub struct Greedy {
    forecast: Forecast,
    /// The servers as they would be, kept to save allocations.
    scratch: Vec<Backend>,
    /// Connections placed for the last table.
    placed: u64,
}

impl Greedy {
    /// The plan by a cost that depends on the counts of a server; of equals, the server that has fewer
    /// slots of this plan, then the first in the configuration. Servers of weight 0 are left out.
    pub fn plan<C: Ord>(&mut self, backends: &Backends, cost: impl Fn(&Backend) -> C) -> Plan {
        self.plan_where(backends, |backend| Some(cost(backend)))
    }

    /// Like [`Self::plan`], where a server without a cost takes no connection for the time being. If no
    /// server has one, connections are refused.
    pub fn plan_where<C: Ord>(
        &mut self,
        backends: &Backends,
        cost: impl Fn(&Backend) -> Option<C>,
    ) -> Plan {
        self.forecast.observe(backends);
        self.rehearse(backends);
        self.placed = self.length();
        let mut counts = self.place(&cost);
        let most = MOST.max(self.scratch.len() as u64);
        if self.placed > most {
            for count in &mut counts {
                let share = (u64::from(*count) * most + self.placed / 2) / self.placed;
                *count = u32::try_from(share).unwrap_or(u32::MAX);
            }
        }
        let ids: Vec<BackendId> = self.scratch.iter().map(|backend| backend.id).collect();
        Plan::sequence(spread(&counts).into_iter().map(|place| ids[place]))
    }

    /// Copies the servers that take connections.
    fn rehearse(&mut self, backends: &Backends) {
        self.scratch.truncate(backends.taking().count());
        for (place, backend) in backends.taking().enumerate() {
            match self.scratch.get_mut(place) {
                Some(known) if is_same(known, backend) => {
                    known.weight = backend.weight;
                    known.counts = backend.counts;
                }
                Some(other) => other.clone_from(backend),
                None => self.scratch.push(backend.clone()),
            }
        }
    }

    /// How many connections to place: about as many as come, at least one for each server, and, as far as that is
    /// little, as many as the proportion of the weights needs. The last number is kept as long as it is about right.
    fn length(&self) -> u64 {
        let servers = self.scratch.len().max(1) as u64;
        let weights = self.scratch.iter().map(|b| u64::from(b.weight));
        let round = weights.clone().sum::<u64>() / weights.min().unwrap_or(1).max(1);
        let most = MOST_PLACED.max(servers);
        let wanted = self.forecast.arrivals().max(round.min(FOR_WEIGHTS));
        let wanted = wanted.next_multiple_of(servers).clamp(servers, most);
        let kept = self.placed.is_multiple_of(servers)
            && self.placed <= most
            && (wanted - wanted / 8..=wanted + wanted / 4).contains(&self.placed);
        if kept { self.placed } else { wanted }
    }

    /// Places the connections; how many each server of `scratch` got.
    fn place<C: Ord>(&mut self, cost: &impl Fn(&Backend) -> Option<C>) -> Vec<u32> {
        let mut counts = vec![0_u32; self.scratch.len()];
        let mut open: Vec<f64> = self
            .scratch
            .iter()
            .map(|backend| backend.counts.active.into())
            .collect();
        let ending: Vec<f64> = self
            .scratch
            .iter()
            .map(|backend| self.forecast.ending(backend))
            .collect();
        let steps = if ending.iter().all(|part| *part <= 0.0) {
            1
        } else {
            STEPS
        };
        let mut placed = 0;
        for step in 1..=steps {
            let until = self.placed * u64::from(step) / u64::from(steps);
            // Half of what ends in a step before it, half after it.
            let arrivals = (until - placed) as f64 * if step == 1 { 0.5 } else { 1.0 };
            for (place, backend) in self.scratch.iter_mut().enumerate() {
                // In place of exp(), which differs in the last bit between machines and WebAssembly.
                open[place] /= 1.0 + ending[place] * arrivals;
                backend.counts.active = round(open[place]);
            }
            let costs = self.scratch.iter().enumerate();
            let mut heap: BinaryHeap<_> = costs
                .filter_map(|(place, b)| Some(Reverse((cost(b)?, counts[place], place))))
                .collect();
            while placed < until {
                let Some(Reverse((_, _, place))) = heap.pop() else {
                    break;
                };
                placed += 1;
                counts[place] += 1;
                open[place] += 1.0;
                let backend = &mut self.scratch[place];
                backend.counts.active = backend.counts.active.saturating_add(1);
                if let Some(cost) = cost(backend) {
                    heap.push(Reverse((cost, counts[place], place)));
                }
            }
        }
        counts
    }
}

/// Whether all that a cost may look at is the same, apart from weight and counts.
fn is_same(a: &Backend, b: &Backend) -> bool {
    a.id == b.id && a.endpoint == b.endpoint && a.name == b.name && a.labels == b.labels
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and `as` saturates"
)]
fn round(value: f64) -> u32 {
    value.round() as u32
}

#[cfg(test)]
pub(crate) mod tests;
