//! A scheduler that does what no scheduler should, so that tests can see the host bear it.
use std::hint::black_box;
use std::time::Duration;

use evenkeel_sdk::{
    BackendId, Backends, Plan, Run, Scheduler, Selector, Table, choice, register_scheduler,
    settings, warn,
};

choice! {
    /// What it does when it is asked for a plan.
    pub enum How {
        /// Never answers.
        Spin = "spin",
        /// Takes memory without end.
        Allocate = "allocate",
        /// Panics.
        Panic = "panic",
        /// Calls itself until the stack is used up.
        Recurse = "recurse",
        /// Names a server that it was not given.
        BadBackend = "bad-backend",
        /// Answers with a slot for every number there is.
        HugePlan = "huge-plan",
        /// Answers with a run of no slots.
        ZeroWidth = "zero-width",
        /// Behaves (every server in turn) for `after` plans, and then does `then`.
        Late = "late",
        /// Logs without end before it answers (a million messages), then behaves.
        LogFlood = "log-flood",
        /// Has 65,536 slots of a run each, in another order each time, and wants to be asked again after 20 ms.
        Churn = "churn",
        /// Refuses its settings.
        RefuseSettings = "refuse-settings",
        /// Behaves.
        Behave = "behave",
    }
}

settings! {
    /// What can be configured.
    pub struct Settings {
        /// What it does when it is asked for a plan.
        how: How,
        /// With "late": how many plans it behaves for.
        #[range(0..=1_000_000)]
        after: u32 = 1,
        /// With "late": what it does then.
        then: How = How::Panic,
    }
}

/// The scheduler.
pub struct Misbehave {
    settings: Settings,
    plans: u32,
}

impl Scheduler for Misbehave {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.how == How::RefuseSettings {
            return Err("these settings are refused, as they ask for".into());
        }
        Ok(Self { settings, plans: 0 })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.plans += 1;
        let good = Plan::sequence(backends.taking());
        let how = match self.settings.how {
            How::Late if self.plans > self.settings.after => self.settings.then,
            How::Late => How::Behave,
            how => how,
        };
        match how {
            How::Spin => spin(),
            How::Allocate => allocate(),
            How::Panic => panic!("misbehaving on purpose"),
            How::Recurse => {
                black_box(recurse(0));
                good
            }
            How::BadBackend => Plan::sequence([BackendId::new(0x00ff_fff0)]),
            How::HugePlan => raw(backends, u32::MAX),
            How::ZeroWidth => raw(backends, 0),
            How::Churn => churn(backends, self.plans),
            How::LogFlood => {
                (0..1_000_000).for_each(|i| warn!("message {i} of a flood"));
                good
            }
            How::Late | How::RefuseSettings | How::Behave => good,
        }
    }
}

/// A table that the SDK's constructors would not make.
fn raw(backends: &Backends, width: u32) -> Plan {
    let runs = backends
        .iter()
        .map(|backend| Run {
            id: backend.id,
            width,
        })
        .collect();
    Plan::Table(Table {
        runs,
        selector: Selector::Sequence,
        refresh: None,
    })
}

/// The largest change of a plan that there can be, as often as it may be.
fn churn(backends: &Backends, turn: u32) -> Plan {
    let mut servers: Vec<BackendId> = backends.taking().map(|server| server.id).collect();
    if let Some(first) = usize::try_from(turn)
        .ok()
        .and_then(|it| it.checked_rem(servers.len()))
    {
        servers.rotate_left(first);
    }
    let run = |id: &BackendId| Run { id: *id, width: 1 };
    Plan::Table(Table {
        runs: servers.iter().cycle().take(65_536).map(run).collect(),
        selector: Selector::Sequence,
        refresh: Some(Duration::from_millis(20)),
    })
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn allocate() -> ! {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 20]);
        black_box(&kept);
    }
}

/// Its own result keeps the compiler from making a loop of it.
#[expect(unconditional_recursion, reason = "the point of it")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    black_box(recurse(depth + 1)) + frame[1]
}

register_scheduler!(Misbehave, "misbehave", "does what no scheduler should");

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_sdk::testing::SchedulerTest;

    #[test]
    fn late_behaves_first_and_misbehaves_then() {
        let settings = [
            ("how", "late".into()),
            ("after", 2.into()),
            ("then", "zero-width".into()),
        ];
        let mut test = SchedulerTest::<Misbehave>::new(&settings).unwrap();
        test.backends(&[("a", 1), ("b", 1)]);
        assert_eq!(test.slots(), ["a", "b"]);
        assert_eq!(test.slots(), ["a", "b"]);
        assert!(
            test.plan()
                .as_table()
                .unwrap()
                .runs
                .iter()
                .all(|run| run.width == 0)
        );
    }

    #[test]
    fn bad_backend_names_a_server_that_it_was_not_given() {
        let mut test = SchedulerTest::<Misbehave>::new(&[("how", "bad-backend".into())]).unwrap();
        test.backends(&[("a", 1)]);
        assert_eq!(test.slots(), ["#16777200"]);
    }

    #[test]
    fn refuse_settings_refuses_them() {
        assert!(SchedulerTest::<Misbehave>::new(&[("how", "refuse-settings".into())]).is_err());
    }
}
