//! A server that is checked: its machine, what is told of it, and the log.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_core::health::{Outcome, ServerHealth, ServerMachine, Transition};
use evenkeel_core::model::ServiceKey;
use evenkeel_core::signals::Signals;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::spec::{HealthEvent, ProbeSpec};

/// One server of one service.
pub(super) struct CheckedServer {
    pub(super) service_name: String,
    service: ServiceKey,
    pub(super) name: String,
    pub(super) address: SocketAddr,
    machine: Mutex<ServerMachine>,
    events: mpsc::Sender<HealthEvent>,
    /// Its prober is gone: a check that is still under way says nothing any more.
    left: AtomicBool,
}

/// What has come of a check for a server.
pub(super) struct Taken {
    /// Whether the daemon is to be told.
    pub(super) is_news: bool,
    /// How the plugin had failed before, and has now.
    pub(super) plugin_error: (Option<String>, Option<String>),
}

impl CheckedServer {
    pub(super) fn new(spec: ProbeSpec, events: mpsc::Sender<HealthEvent>) -> Self {
        let checks = spec.checks.into_iter();
        let machine = ServerMachine::new(
            spec.required,
            checks.map(|check| (check.plugin, check.timing)),
            spec.initial.as_ref(),
            Instant::now().into_std(),
            || fastrand::u64(..),
        );
        Self {
            service_name: spec.service_name,
            service: spec.service,
            name: spec.server_name,
            address: spec.server,
            machine: Mutex::new(machine),
            events,
            left: AtomicBool::new(false),
        }
    }

    /// Never held across an await.
    pub(super) fn machine(&self) -> MutexGuard<'_, ServerMachine> {
        self.machine.lock()
    }

    /// Nothing is told of it any more.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Release);
    }

    /// Takes in how its check has ended.
    pub(super) fn take(
        &self,
        index: usize,
        outcome: &Outcome,
        signals: &Signals,
        random: u64,
    ) -> Taken {
        let reached = !matches!(outcome, Outcome::Unknown(_) | Outcome::Shortage(_));
        let now = Instant::now().into_std();
        let mut machine = self.machine();
        if reached {
            machine.set_signals(index, signals.clone());
        }
        let before = plugin_error(&machine, index);
        let transition = machine.finish(index, now, outcome.clone(), random);
        let after = plugin_error(&machine, index);
        let health = transition.map(|_| machine.health());
        drop(machine);

        let changed = transition.zip(health);
        let changed = changed.filter(|_| !self.left.load(Ordering::Acquire));
        if let Some((transition, health)) = &changed {
            self.log(*transition, health);
        }
        Taken {
            is_news: changed.is_some(),
            plugin_error: (before, after),
        }
    }

    /// Sends how the server is once there is room. Another check of it may have changed that meanwhile, so look only
    /// then, and let no other event overtake this one.
    pub(super) async fn report(&self) -> Result<(), mpsc::error::SendError<()>> {
        let permit = self.events.reserve().await?;
        if self.left.load(Ordering::Acquire) {
            return Ok(());
        }
        let machine = self.machine();
        permit.send(HealthEvent {
            service: self.service,
            server: self.address,
            health: machine.health(),
        });
        Ok(())
    }

    fn log(&self, transition: Transition, health: &ServerHealth) {
        let (service, server, address) = (&self.service_name, &self.name, self.address);
        let reason = health.reason.as_deref().unwrap_or_default();
        match transition {
            Transition::Up => {
                tracing::info!(service, server, %address, share = health.share, "server is up");
            }
            Transition::Down => {
                tracing::warn!(service, server, %address, reason, "server is down");
            }
            Transition::Share => {
                tracing::info!(service, server, %address, share = health.share, reason, "server gets another share of its weight");
            }
        }
    }
}

fn plugin_error(machine: &ServerMachine, index: usize) -> Option<String> {
    machine.check(index)?.health().plugin_error.clone()
}
