//! In turn, without servers that connections fail to; shows what it is told as gauges.
use evenkeel_sdk::{Backends, Facts, Plan, Scheduler, gauge, register_scheduler, settings};

settings! {
    /// What can be configured.
    pub struct Settings {
        /// So many connections may fail.
        bearable: u32 = 5,
    }
}

/// The scheduler.
pub struct ByFacts {
    bearable: u32,
}

impl Scheduler for ByFacts {
    type Settings = Settings;
    const FACTS: Facts = Facts::CONNECTIONS.and(Facts::TRAFFIC);

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            bearable: settings.bearable,
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        for backend in backends {
            let name = &backend.name;
            gauge(
                &format!("{name}-per-minute"),
                backend.counts.per_minute.into(),
            );
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            let show = |what: &str, number: u64| gauge(&format!("{name}-{what}"), number as f64);
            show("failed", backend.counts.failed);
            if let Some(traffic) = backend.counts.traffic {
                show("to-backend", traffic.to_backend);
                show("to-clients", traffic.to_clients);
            }
        }
        let bearable = backends
            .taking()
            .filter(|it| it.counts.failed <= self.bearable.into());
        Plan::sequence(bearable)
    }
}

register_scheduler!(
    ByFacts,
    "by-facts",
    "in turn, without servers that connections fail to"
);

#[cfg(test)]
mod tests {
    use evenkeel_sdk::Counts;
    use evenkeel_sdk::testing::SchedulerTest;

    use super::*;

    #[test]
    fn a_server_that_too_many_connections_fail_to_gets_no_more() {
        let mut test = SchedulerTest::<ByFacts>::new(&[]).unwrap();
        test.backends(&[("a", 1), ("b", 1)]);
        assert_eq!(test.slots(), ["a", "b"]);
        let failed = |failed| Counts {
            failed,
            ..Counts::default()
        };
        test.counts_of("a", failed(5));
        assert_eq!(test.slots(), ["a", "b"]);
        test.counts_of("a", failed(6));
        assert_eq!(test.slots(), ["b"]);
    }
}
