//! Drives the health machines: one task per check, which sleeps, asks the checker plugin and records its verdict.
//!
//! ```text
//!  Prober (one per service and server; dropping it ends its checks, as far as no other has them)
//!    |- check 0 --\
//!    |- check 1 ---+--> ServerMachine (behind a lock held for an instant) --transition--> mpsc --> daemon
//!    '- ...      --/            '--> snapshot() --> status
//!
//!  once.rs: one run of a check, which is made by others, too
//!  task.rs: what probers check alike is checked once, and the verdict goes to each of their machines
//! ```
//!
//! A task awaits its own checker only, so a check that hangs or traps delays no other one. Cancel safety: a task may
//! be dropped at any await; an unfinished check then leaves no trace but its start.

pub(crate) mod once;
mod server;
mod spec;
mod task;

use std::sync::Arc;

use evenkeel_core::health::{InitialHealth, ServerHealth};
use tokio::sync::mpsc;

use server::CheckedServer;
pub(crate) use spec::{HealthEvent, ProbeCheck, ProbeSpec};
use task::Member;
pub(crate) use task::SharedChecks;

/// The checks of one real server, under way until this is dropped.
pub(crate) struct Prober {
    server: Arc<CheckedServer>,
    /// Its part in each check; a check ends with its last member.
    _members: Vec<Member>,
}

impl Prober {
    /// Starts the checks; call it inside a tokio runtime. The first ones come at random within two seconds, or the time
    /// to warm up. Events wait for room in the channel; while they do, servers that are checked alike are not checked,
    /// and others are. Checks that another prober has made to start in `shared` are made once for both.
    #[must_use]
    pub(crate) fn start(
        spec: ProbeSpec,
        events: &mpsc::Sender<HealthEvent>,
        shared: &SharedChecks,
    ) -> Self {
        let limits = Arc::clone(&spec.limits);
        let checks = spec.checks.clone();
        let server = Arc::new(CheckedServer::new(spec, events.clone()));
        let members = checks.into_iter().enumerate();
        let members = members
            .map(|(index, check)| shared.join(check, &server, index, &limits))
            .collect();
        Self {
            server,
            _members: members,
        }
    }

    /// How the server is now.
    #[must_use]
    pub(crate) fn snapshot(&self) -> ServerHealth {
        self.server.machine().health()
    }

    /// What a prober that replaces this one should start from. `None` while the server is still new.
    #[must_use]
    pub(crate) fn handover(&self) -> Option<InitialHealth> {
        self.server.machine().handover()
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.server.leave();
    }
}

#[cfg(test)]
mod tests;
