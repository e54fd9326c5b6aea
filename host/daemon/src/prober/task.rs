//! A check that is made once for all servers that have it: of one service, or of several that share a machine.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use evenkeel_core::health::Outcome;
use evenkeel_core::model::CheckTiming;
use evenkeel_core::signals::Signals;
use evenkeel_runtime::{Checker, Target};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::once;
use super::server::{CheckedServer, Taken};
use super::spec::ProbeCheck;
use crate::check_budget::CheckBudget;
use crate::own_limits::OwnLimits;
use crate::punctuality::Begun;

/// When two checks are one: the same checker, which is one for each plugin with its settings, at the same target, at the
/// same times. A plugin may look at the server's name, unless the configuration says that it is one check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sameness {
    checker: usize,
    target: SocketAddr,
    timing: CheckTiming,
    shared: Option<String>,
    name: Option<String>,
}

/// The checks that are under way.
#[derive(Default)]
pub(crate) struct SharedChecks {
    running: Mutex<HashMap<Sameness, Weak<RunningCheck>>>,
}

impl SharedChecks {
    /// Makes this check, the server's one at `index`, with those of other servers that are the same.
    pub(super) fn join(
        &self,
        check: ProbeCheck,
        server: &Arc<CheckedServer>,
        index: usize,
        limits: &Arc<OwnLimits>,
    ) -> Member {
        let sameness = Sameness {
            checker: Arc::as_ptr(&check.checker).cast::<()>() as usize,
            target: check.target,
            timing: check.timing,
            name: check.shared.is_none().then(|| server.name.clone()),
            shared: check.shared.clone(),
        };
        let mut running = self.running.lock();
        let known = running.get(&sameness).and_then(Weak::upgrade);
        let check = known.unwrap_or_else(|| {
            if running.len() == running.capacity() {
                // Before it grows: those that have ended.
                running.retain(|_, it| it.strong_count() > 0);
            }
            let started = Arc::new(RunningCheck::start(check, server.name.clone(), limits));
            running.insert(sameness, Arc::downgrade(&started));
            started
        });
        drop(running);
        check.task.members.lock().push((Arc::clone(server), index));
        check.task.joined.notify_one();
        Member {
            check,
            server: Arc::clone(server),
            index,
        }
    }
}

/// A server's part in a check, until this is dropped.
pub(super) struct Member {
    check: Arc<RunningCheck>,
    server: Arc<CheckedServer>,
    index: usize,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.check.task.members.lock();
        members
            .retain(|(server, index)| !(Arc::ptr_eq(server, &self.server) && *index == self.index));
    }
}

/// Ends its task when its last member has gone.
struct RunningCheck {
    task: Arc<CheckTask>,
    abort: AbortHandle,
}

impl Drop for RunningCheck {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl RunningCheck {
    fn start(check: ProbeCheck, name: String, limits: &Arc<OwnLimits>) -> Self {
        let task = Arc::new(CheckTask {
            budget: limits.budget(&check.plugin),
            limits: Arc::clone(limits),
            checker: check.checker,
            plugin: check.plugin,
            target: check.target,
            timing: check.timing,
            name,
            members: Mutex::default(),
            joined: Notify::new(),
            lacked: AtomicBool::new(false),
            session: Mutex::new(None),
        });
        let running = tokio::spawn(Arc::clone(&task).run());
        Self {
            task,
            abort: running.abort_handle(),
        }
    }
}

struct CheckTask {
    /// Of all checks by this plugin.
    budget: Arc<CheckBudget>,
    limits: Arc<OwnLimits>,
    checker: Arc<dyn Checker>,
    plugin: String,
    target: SocketAddr,
    timing: CheckTiming,
    /// What the plugin is told that the server is called.
    name: String,
    /// Who gets its verdict, and which of their checks it is.
    members: Mutex<Vec<(Arc<CheckedServer>, usize)>>,
    joined: Notify,
    /// Whether this machine lacked something for the last check.
    lacked: AtomicBool,
    /// What the checker keeps from one check to the next.
    session: Mutex<Option<Vec<u8>>>,
}

impl CheckTask {
    async fn run(self: Arc<Self>) {
        loop {
            let Some(next) = self.poll_at() else {
                self.joined.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                // A new member may be in a hurry.
                () = self.joined.notified() => continue,
            }

            let turn = self.budget.turn().await;
            self.log_wait(turn.waited);
            let began = Instant::now().into_std();
            let begun = Begun {
                due: next,
                waited: turn.waited,
                interval: self.timing.interval,
            };
            self.limits.begun(begun, began);
            let members = self.members.lock().clone();
            for (server, index) in &members {
                server.machine().start(*index, began);
            }
            let failed = |(outcome, _): &(Outcome, _)| matches!(outcome, Outcome::Unknown(_));
            let (outcome, signals) = turn.run(self.check_once(), failed).await;
            if self.record(&members, &outcome, &signals).await.is_err() {
                return; // The daemon is ending.
            }
        }
    }

    /// When the first of the members wants to know.
    fn poll_at(&self) -> Option<std::time::Instant> {
        let members = self.members.lock();
        let times = members.iter().filter_map(|(server, index)| {
            let machine = server.machine();
            machine.check(*index).map(|check| check.poll_at())
        });
        times.min()
    }

    async fn check_once(&self) -> (Outcome, Signals) {
        let target = Target {
            name: self.name.clone(),
            address: self.target,
            session: self.session.lock().clone(),
        };
        let (plugin, timeout) = (&self.plugin, self.timing.timeout);
        let found = once::run(&*self.checker, plugin, target, timeout, &self.limits).await;
        if let Some(session) = found.session {
            *self.session.lock() = Some(session).filter(|it| !it.is_empty());
        }
        (found.outcome, found.signals)
    }

    /// Tells the members' machines and the log, and then the daemon what is new.
    async fn record(
        &self,
        members: &[(Arc<CheckedServer>, usize)],
        outcome: &Outcome,
        signals: &Signals,
    ) -> Result<(), mpsc::error::SendError<()>> {
        // The same for all, so that they want to know at the same time again.
        let random = fastrand::u64(..);
        let taken: Vec<Taken> = members
            .iter()
            .map(|(server, index)| server.take(*index, outcome, signals, random))
            .collect();
        // What is no news of a server's is told of the first of them.
        if let (Some((server, _)), Some(first)) = (members.first(), taken.first()) {
            self.log(server, outcome, first);
        }
        for ((server, _), taken) in members.iter().zip(&taken) {
            if taken.is_news {
                server.report().await?;
            }
        }
        Ok(())
    }

    fn log(&self, server: &CheckedServer, outcome: &Outcome, taken: &Taken) {
        let lacks = matches!(outcome, Outcome::Shortage(_));
        let lacked = self.lacked.swap(lacks, Ordering::Relaxed);
        match outcome {
            Outcome::Shortage(what) => self.log_shortage(server, what),
            _ => {
                let (before, after) = &taken.plugin_error;
                let before = before.as_deref().filter(|_| !lacked);
                self.log_plugin(server, before, after.as_deref());
            }
        }
        if let Outcome::Unhealthy(reason) = outcome
            && !taken.is_news
        {
            let (service, address) = (&server.service_name, server.address);
            let (server, plugin) = (&server.name, &self.plugin);
            tracing::debug!(service, server, %address, plugin, reason, "check failed");
        }
    }

    /// A check had to wait for longer than it usually takes from one to the next.
    fn log_wait(&self, waited: Duration) {
        if waited <= self.timing.interval {
            return;
        }
        let plugin = &self.plugin;
        let what = format!(
            "checker plugin {plugin} takes more processor time than half of this machine's, or fails after much of it"
        );
        if self.limits.is_news(&what, Instant::now().into_std()) {
            let first = self
                .members
                .lock()
                .first()
                .map(|(server, _)| Arc::clone(server));
            let Some(first) = first else { return };
            let (service, server) = (&first.service_name, &first.name);
            tracing::warn!(service, server, ?waited, "checks come late: {what}");
        }
    }

    /// What this machine lacks concerns every server, so that it is told for one of them.
    fn log_shortage(&self, server: &CheckedServer, what: &str) {
        let (service, address) = (&server.service_name, server.address);
        let server = &server.name;
        if self.limits.is_news(what, Instant::now().into_std()) {
            tracing::warn!(service, server, %address, "cannot check servers, and they stay as they are: {what}");
        } else {
            tracing::debug!(service, server, %address, "cannot be checked: {what}");
        }
    }

    /// A plugin that goes on failing is named once.
    fn log_plugin(&self, server: &CheckedServer, before: Option<&str>, after: Option<&str>) {
        let (service, address) = (&server.service_name, server.address);
        let (server, plugin) = (&server.name, &self.plugin);
        match (before, after) {
            (None, Some(error)) => {
                tracing::warn!(service, server, %address, plugin, error, "checker plugin failed: the server stays as it is");
            }
            (Some(_), None) => {
                tracing::info!(service, server, %address, plugin, "checker plugin works again");
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}
