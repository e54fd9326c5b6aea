//! What is measured while a workload is played.

use std::time::Duration;

use evenkeel_core::movement::{self, Weights};
use evenkeel_core::state::Spread;

use super::outcome::{Change, Imbalance, Moved, Sample, ServerOutcome, Times};
use super::pool::Pool;
use super::workload::Workload;

/// Points of a chart.
const SAMPLES: u32 = 150;

/// What is known so far.
pub(super) struct Measure {
    step: Duration,
    pub(super) servers: Vec<Counted>,
    pub(super) samples: Vec<Sample>,
    pub(super) changes: Vec<Change>,
    pub(super) connections: u64,
    pub(super) refused: u64,
    /// Connections of clients that had been there before, and those of them that went where the one before went.
    pub(super) returning: [u64; 2],
    /// Of each client.
    last: Vec<Option<u32>>,
    waits: Vec<Duration>,
    durations: Vec<Duration>,
    /// Connections since the weights changed last.
    since_change: u64,
}

/// Of one server.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) connections: u64,
    /// What it would have had by its weight.
    pub(super) due: f64,
    pub(super) failed: u64,
    pub(super) lost: u64,
    pub(super) peak: u32,
    sum: u64,
}

impl Measure {
    pub(super) fn new(workload: &Workload) -> Self {
        let clients = usize::try_from(workload.clients.count).unwrap_or_default();
        Self {
            step: (workload.duration / SAMPLES).max(Duration::from_millis(1)),
            servers: vec![Counted::default(); workload.servers.len()],
            samples: Vec::new(),
            changes: Vec::new(),
            connections: 0,
            refused: 0,
            returning: [0; 2],
            last: vec![None; clients],
            waits: Vec::new(),
            durations: Vec::new(),
            since_change: 0,
        }
    }

    /// From one sample to the next.
    pub(super) fn step(&self) -> Duration {
        self.step
    }

    /// There are more servers.
    pub(super) fn grow(&mut self, pool: &Pool) {
        self.servers.resize(pool.servers.len(), Counted::default());
    }

    /// A client is refused.
    pub(super) fn refused(&mut self, client: u32) {
        self.connections += 1;
        self.since_change += 1;
        self.refused += 1;
        if let Some(last) = usize::try_from(client)
            .ok()
            .and_then(|it| self.last.get_mut(it))
        {
            *last = None;
        }
    }

    /// A client's connection goes to that server.
    pub(super) fn placed(&mut self, client: u32, server: usize) {
        self.connections += 1;
        self.since_change += 1;
        let number = u32::try_from(server).ok();
        if let Some(last) = usize::try_from(client)
            .ok()
            .and_then(|it| self.last.get_mut(it))
        {
            if last.is_some() {
                self.returning[0] += 1;
                self.returning[1] += u64::from(*last == number);
            }
            *last = number;
        }
        self.of(server, |it| it.connections += 1);
    }

    /// It is served after a wait.
    pub(super) fn served(&mut self, wait: Duration, service: Duration) {
        self.waits.push(wait);
        self.durations.push(wait.saturating_add(service));
    }

    /// It is reset.
    pub(super) fn failed(&mut self, server: usize) {
        self.of(server, |it| it.failed += 1);
    }

    /// So many connections end with their server.
    pub(super) fn lost(&mut self, server: usize, connections: u32) {
        self.of(server, |it| it.lost += u64::from(connections));
    }

    fn of(&mut self, server: usize, change: impl FnOnce(&mut Counted)) {
        if let Some(counted) = self.servers.get_mut(server) {
            change(counted);
        }
    }

    /// How the connections are distributed now.
    pub(super) fn sample(&mut self, pool: &Pool) {
        let active = pool.servers.iter().map(|server| server.counts.active);
        for (counted, active) in self.servers.iter_mut().zip(active.clone()) {
            counted.peak = counted.peak.max(active);
            counted.sum += u64::from(active);
        }
        let taking = pool
            .servers
            .iter()
            .filter(|server| server.weight() > 0 && server.works);
        let loads: Vec<(u32, u32)> = taking
            .map(|server| (server.counts.active, server.weight()))
            .collect();
        self.samples.push(Sample {
            active: active.collect(),
            imbalance: imbalance(&loads),
        });
    }

    /// Weights are about to change: what came until now was due by those before.
    pub(super) fn pool_changes(&mut self, pool: &Pool) {
        let all: f64 = pool
            .servers
            .iter()
            .map(|server| f64::from(server.weight()))
            .sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "far fewer connections than 2^52"
        )]
        let came = std::mem::take(&mut self.since_change) as f64;
        for (counted, server) in self.servers.iter_mut().zip(&pool.servers) {
            if all > 0.0 {
                counted.due += came * f64::from(server.weight()) / all;
            }
        }
    }

    /// The servers have changed, and with them the plan.
    pub(super) fn changed(
        &mut self,
        at: Duration,
        what: String,
        before: Option<(Spread, Weights)>,
        after: Option<(Spread, Weights)>,
    ) {
        let moves = before.zip(after).and_then(|(before, after)| {
            movement::moves((&before.0, &before.1), (&after.0, &after.1))
        });
        let percent = |share: evenkeel_core::model::Share| f64::from(share.hundredths()) / 100.0;
        self.changes.push(Change {
            at_seconds: at.as_secs_f64(),
            what,
            moved: moves.map(|moves| Moved {
                with_reason_percent: percent(moves.explained),
                others_percent: percent(moves.unexplained),
            }),
        });
    }

    /// That was all.
    pub(super) fn finish(&mut self, pool: &Pool) {
        self.grow(pool);
        self.pool_changes(pool);
    }

    /// What came of each server.
    pub(super) fn of_servers(&self, pool: &Pool) -> Vec<ServerOutcome> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "far fewer connections than 2^52"
        )]
        let percent = |part: f64| 100.0 * part / (self.connections.max(1) as f64);
        let samples = u64::try_from(self.samples.len()).unwrap_or(u64::MAX).max(1);
        let servers = pool.servers.iter().zip(&self.servers);
        servers
            .map(|(server, counted)| ServerOutcome {
                name: server.spec.name.clone(),
                weight: server.spec.weight,
                connections: counted.connections,
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "far fewer connections than 2^52"
                )]
                share_percent: percent(counted.connections as f64),
                by_weight_percent: percent(counted.due),
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "far fewer connections than 2^52"
                )]
                active_mean: counted.sum as f64 / samples as f64,
                active_peak: counted.peak,
                failed: counted.failed,
                lost: counted.lost,
            })
            .collect()
    }

    /// Waits for a place, and the time from a connection's beginning to its end.
    pub(super) fn times(&mut self) -> [Option<Times>; 2] {
        [&mut self.waits, &mut self.durations].map(|times| percentiles(times))
    }
}

/// How uneven servers are loaded, each with so many connections and its weight; `None`: there are no connections.
fn imbalance(loads: &[(u32, u32)]) -> Option<Imbalance> {
    let (mut connections, mut weights) = (0.0, 0.0);
    for (active, weight) in loads {
        connections += f64::from(*active);
        weights += f64::from(*weight);
    }
    let mean = connections / weights;
    if connections <= 0.0 || weights <= 0.0 {
        return None;
    }
    let relative = |(active, weight): &(u32, u32)| f64::from(*active) / f64::from(*weight) / mean;
    let share = |(_, weight): &(u32, u32)| f64::from(*weight) / weights;
    let variance: f64 = loads
        .iter()
        .map(|it| share(it) * (relative(it) - 1.0).powi(2))
        .sum();
    Some(Imbalance {
        max_over_mean: loads.iter().map(relative).fold(0.0, f64::max),
        variation: variance.sqrt(),
    })
}

fn percentiles(times: &mut [Duration]) -> Option<Times> {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1);
    let ms = |time: &Duration| time.as_secs_f64() * 1e3;
    Some(Times {
        p50_ms: ms(at(50)?),
        p99_ms: ms(at(99)?),
        max_ms: ms(times.last()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_in_proportion_to_weights_are_even() {
        let even = imbalance(&[(30, 3), (10, 1)]).unwrap();
        assert!((even.max_over_mean - 1.0).abs() < 1e-9 && even.variation < 1e-9);
        let uneven = imbalance(&[(30, 1), (10, 1)]).unwrap();
        assert!((uneven.max_over_mean - 1.5).abs() < 1e-9, "{uneven:?}");
        assert!((uneven.variation - 0.5).abs() < 1e-9, "{uneven:?}");
        assert_eq!(imbalance(&[]), None);
        assert_eq!(imbalance(&[(0, 5)]), None);
    }

    #[test]
    fn percentiles_are_times_that_there_were() {
        let mut times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let of = percentiles(&mut times).unwrap();
        assert_eq!([of.p50_ms, of.p99_ms, of.max_ms], [100.0, 198.0, 200.0]);
        assert_eq!(
            percentiles(&mut [Duration::ZERO]).map(|it| it.p99_ms),
            Some(0.0)
        );
        assert!(percentiles(&mut []).is_none());
    }
}
