//! A scheduler that decides each connection, and at some time does what no scheduler should, so that tests can see the
//! host bear it.
use std::hint::black_box;
use std::time::Duration;

use evenkeel_sdk::{
    BackendId, Backends, Decision, Flow, Plan, Scheduler, choice, now, register_scheduler, settings,
};

choice! {
    /// What it does with a connection.
    pub enum How {
        /// Never answers.
        Spin = "spin",
        /// Panics.
        Panic = "panic",
        /// Names a server that it was not given.
        BadBackend = "bad-backend",
        /// Refuses it.
        Refuse = "refuse",
        /// Takes its time (processor time), and answers.
        Slow = "slow",
        /// Answers.
        Behave = "behave",
    }
}

settings! {
    /// What can be configured.
    pub struct Settings {
        /// What it does with a connection.
        how: How = How::Behave,
        /// How many connections it behaves for before that.
        #[range(0..=1_000_000)]
        after: u32 = 0,
        /// How long "slow" takes.
        time: Duration = Duration::from_millis(5),
    }
}

/// The scheduler.
pub struct MisbehavePick {
    settings: Settings,
    picks: u32,
}

impl Scheduler for MisbehavePick {
    type Settings = Settings;

    const DECISIONS: &'static [Decision] = &[Decision::PerConnection];

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self { settings, picks: 0 })
    }

    /// None: so the host's own takes its place while `pick` is out of order.
    fn plan(&mut self, _: &Backends) -> Plan {
        Plan::PerConnection
    }

    /// The first server, where a plan would take turns.
    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        self.picks = self.picks.saturating_add(1);
        if self.picks > self.settings.after {
            match self.settings.how {
                How::Spin => loop {
                    black_box(());
                },
                How::Panic => panic!("misbehave-pick does"),
                How::BadBackend => return Some(BackendId::new(0x00ab_cdef)),
                How::Refuse => return None,
                How::Slow => {
                    let start = now();
                    while now() - start < self.settings.time {
                        black_box(());
                    }
                }
                How::Behave => {}
            }
        }
        let first = backends.taking().next();
        first.map(|backend| backend.id)
    }
}

register_scheduler!(
    MisbehavePick,
    "misbehave-pick",
    "decides each connection, and does not always behave"
);
