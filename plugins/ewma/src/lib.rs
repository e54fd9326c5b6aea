//! Peak EWMA: of two servers drawn by weight the one with the lesser cost, which is the peak of its
//! latency, decaying with time, times its open connections.
use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Facts, Flow, Greedy, Plan, Ratio, Scheduler, draw,
    draw_another, now, random, register_scheduler, settings,
};

mod peak;

use peak::Peak;

/// Latencies above this are as bad as this.
const LONGEST: Duration = Duration::from_secs(3600);

settings! {
    /// What can be configured.
    pub struct Settings {
        /// How slowly a peak of latency is forgotten: after that time 37% of it are left, after three
        /// times that 5%.
        decay: Duration = Duration::from_secs(10),
        /// Latencies below this count as this: what is faster does not tell servers apart.
        floor: Duration = Duration::from_millis(1),
    }
}

/// The scheduler.
pub struct PeakEwma {
    settings: Settings,
    peaks: BTreeMap<BackendId, Peak>,
    /// The average of the peaks, for servers that were not measured yet.
    usual: Duration,
    greedy: Greedy,
}

impl PeakEwma {
    /// Takes over all latencies, as they are at that time.
    fn observe(&mut self, backends: &Backends, now: Duration) {
        if self.peaks.len() > backends.len() {
            self.peaks.retain(|id, _| backends.get(*id).is_some());
        }
        let mut sum = Duration::ZERO;
        let mut known = 0;
        for backend in backends.taking() {
            if let Some(peak) = self.peak(backend, now) {
                sum = sum.saturating_add(peak);
                known += 1;
            }
        }
        self.usual = sum.checked_div(known).unwrap_or(self.settings.floor);
    }

    /// The peak of one server's latency; none if it was not measured yet.
    fn peak(&mut self, backend: &Backend, now: Duration) -> Option<Duration> {
        let latency = backend.counts.latency?;
        let latency = latency.max(self.settings.floor).min(LONGEST);
        let peak = self.peaks.entry(backend.id).or_default();
        Some(peak.observe(latency, now, self.settings.decay))
    }

    /// Peak of latency times connections, the new one included, for the weight.
    fn cost(backend: &Backend, peak: Duration) -> Ratio {
        let micros = u32::try_from(peak.as_micros()).unwrap_or(u32::MAX).max(1);
        let connections = u64::from(backend.counts.active) + 1;
        Ratio::new(
            u64::from(micros).saturating_mul(connections),
            backend.weight,
        )
    }

    /// The decision at that time for two random numbers: the second server, if its cost is less.
    fn choose(
        &mut self,
        backends: &Backends,
        now: Duration,
        (first, second): (u64, u64),
    ) -> Option<BackendId> {
        let first = draw(backends, first)?;
        let Some(second) = draw_another(backends, first.id, second) else {
            return Some(first.id);
        };
        let usual = self.usual;
        let mut cost = |backend| Self::cost(backend, self.peak(backend, now).unwrap_or(usual));
        let better = cost(second) < cost(first);
        Some(if better { second.id } else { first.id })
    }
}

impl Scheduler for PeakEwma {
    type Settings = Settings;
    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS.and(Facts::LATENCY);

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.decay.is_zero() {
            return Err("decay must be more than nothing".to_owned());
        }
        if settings.floor > LONGEST {
            return Err("floor is longer than an hour".to_owned());
        }
        Ok(Self {
            usual: settings.floor,
            settings,
            peaks: BTreeMap::new(),
            greedy: Greedy::default(),
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.observe(backends, now());
        let (peaks, usual) = (&self.peaks, self.usual);
        let plan = self.greedy.plan(backends, |backend| {
            let known = backend.counts.latency.and(peaks.get(&backend.id));
            Self::cost(backend, known.map_or(usual, Peak::value))
        });
        // What decays makes other plans even if nothing happens.
        if self.peaks.values().any(Peak::is_decaying) {
            plan.refresh((self.settings.decay / 8).max(Duration::from_millis(100)))
        } else {
            plan
        }
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        self.choose(backends, now(), (random(), random()))
    }
}

register_scheduler!(
    PeakEwma,
    "ewma",
    "the lesser of two decaying peaks of latency times open connections"
);

#[cfg(test)]
mod tests;
