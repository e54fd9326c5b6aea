//! What is likely to happen until the next plan: how many connections come, and how fast those that are
//! open end.

use std::collections::BTreeMap;

use crate::backends::{Backend, BackendId, Backends, Counts};

/// Averages reach back about so many plans.
const MEMORY: u32 = 16;

/// Averages per plan, from what has changed between plans. It needs no clock: what counts is how much
/// happens from one plan to the next, however long that is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forecast {
    servers: BTreeMap<BackendId, Past>,
    arrivals: f64,
    /// New connections between the last two plans.
    latest: u64,
    plans: u32,
}

/// One server's.
#[derive(Debug, Clone, Default)]
struct Past {
    last: Counts,
    plans: u32,
    /// Connections that ended (that stopped being active).
    ended: f64,
    /// Connections that were open.
    open: f64,
}

impl Forecast {
    /// Takes over the counts, once for each plan.
    pub(crate) fn observe(&mut self, backends: &Backends) {
        if self.servers.len() > backends.len() {
            self.servers.retain(|id, _| backends.get(*id).is_some());
        }
        let first = self.servers.is_empty();
        let mut came: u64 = 0;
        for backend in backends {
            if let Some(past) = self.servers.get_mut(&backend.id) {
                came = came.saturating_add(past.observe(backend.counts));
            } else {
                let past = Past {
                    last: backend.counts,
                    ..Past::default()
                };
                self.servers.insert(backend.id, past);
            }
        }
        if first {
            return;
        }
        self.latest = came;
        self.plans = (self.plans + 1).min(MEMORY);
        blend(&mut self.arrivals, came as f64, self.plans);
    }

    /// About how many connections come until the next plan: as many as lately; or as many as just now,
    /// if that is more than chance makes it (three standard deviations of a Poisson distribution).
    pub(crate) fn arrivals(&self) -> u64 {
        let latest = self.latest as f64;
        let chance = self.arrivals + 3.0 * self.arrivals.sqrt();
        ceil(if latest > chance {
            latest
        } else {
            self.arrivals
        })
    }

    /// The part of a server's open connections that ends while one connection arrives at the service.
    /// For servers of which nothing is known yet it is everybody's average.
    pub(crate) fn ending(&self, backend: &Backend) -> f64 {
        let (ended, open) = match self.servers.get(&backend.id) {
            Some(past) if past.plans > 0 => (past.ended, past.open),
            _ => self
                .servers
                .values()
                .fold((0.0, 0.0), |(e, o), past| (e + past.ended, o + past.open)),
        };
        if self.arrivals <= 0.0 {
            return 0.0;
        }
        // Connections so short that none is ever seen open: half a one on average is a guess.
        (ended / open.max(0.5) / self.arrivals).max(0.0)
    }
}

impl Past {
    /// How many connections came since the last time.
    fn observe(&mut self, now: Counts) -> u64 {
        let last = std::mem::replace(&mut self.last, now);
        // The host began to count anew: nothing can be told from these two.
        let Some(came) = now.total.checked_sub(last.total) else {
            return 0;
        };
        let ended = came.saturating_add(last.active.into());
        let ended = ended.saturating_sub(now.active.into());
        self.plans = (self.plans + 1).min(MEMORY);
        blend(&mut self.ended, ended as f64, self.plans);
        let open = f64::midpoint(last.active.into(), now.active.into());
        blend(&mut self.open, open, self.plans);
        came
    }
}

/// Moves an average of so many values (the new one included) towards the new value.
fn blend(average: &mut f64, value: f64, values: u32) {
    *average += (value - *average) / f64::from(values.max(1));
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and `as` saturates"
)]
fn ceil(value: f64) -> u64 {
    value.ceil() as u64
}
