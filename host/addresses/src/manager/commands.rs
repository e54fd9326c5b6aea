//! What the address manager does when it is told something.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::model::Vrrp;

use super::log::LogLine;
use super::task::ManagerTask;
use super::vrrp::{self, VrrpOwner};
use crate::events::MachineEvents;
use crate::flush::flush_vrrp;
use crate::macvlan;
use crate::owner::Presence;
use crate::reports::{ManagerCommand, VrrpAttachment, VrrpCommand};
use crate::timers::{SettleTime, Timer};

/// Attempts at the first look for VRRP, and the wait between them.
const MAX_FIRST_LOOKS: usize = 20;
const FIRST_LOOK_DELAY: Duration = Duration::from_millis(100);

impl ManagerTask {
    /// Does what the daemon wants, and whatever else it wants by then.
    pub(super) async fn take(&mut self, first: ManagerCommand) {
        self.carry_out(first).await;
        self.carry_out_waiting().await;
        self.pass().await;
    }

    async fn carry_out_waiting(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.carry_out(command).await;
        }
    }

    async fn carry_out(&mut self, command: ManagerCommand) {
        match command {
            ManagerCommand::Services(addresses) => {
                self.services.addresses = Some(addresses);
                self.reconciler.stale = true;
            }
            ManagerCommand::AttachVrrp(attachment) => self.attach(attachment),
            ManagerCommand::FlushVrrp => self.flush_vrrp().await,
        }
    }

    fn attach(&mut self, attachment: VrrpAttachment) {
        match VrrpOwner::new(attachment) {
            Ok(vrrp) => {
                self.vrrp = Some(vrrp);
                self.settle = SettleTime::VRRP;
            }
            Err(error) => {
                let text = format!("virtual addresses cannot be managed: {error}");
                self.outbox.log([LogLine::error(text)]);
            }
        }
    }

    fn detach(&mut self) {
        self.vrrp = None;
        self.settle = SettleTime::SERVICES;
        self.timers.set(Timer::Refresh, None);
    }

    async fn flush_vrrp(&mut self) {
        match flush_vrrp().await {
            Ok(flushed) => {
                let removed = flushed.removed.into_iter();
                self.outbox.log(removed.map(|what| {
                    LogLine::info(format!("removed {what}: VRRP is no longer configured"))
                }));
                let failures = flushed.failures.into_iter();
                self.outbox.log(failures.map(|failure| {
                    LogLine::warning(format!("what VRRP has left stays: {failure}"))
                }));
            }
            Err(error) => {
                let text = format!("cannot look for what VRRP has left: {error}");
                self.outbox.log([LogLine::warning(text)]);
            }
        }
        self.reconciler.stale = true;
    }

    /// Does what VRRP wants, all of it in one go: a sync group moves as one. `None`: it wants nothing any more.
    pub(super) async fn take_vrrp(&mut self, commands: Option<VecDeque<VrrpCommand>>) {
        let Some(commands) = commands else {
            self.detach();
            return;
        };
        let mut stop = None;
        for command in commands {
            match command {
                VrrpCommand::Configure(config) => {
                    // Which of its addresses have to wait was told before it.
                    self.carry_out_waiting().await;
                    self.configure_vrrp(config).await;
                }
                VrrpCommand::Hold(instance) => self.request(&instance, Presence::Held),
                VrrpCommand::Release(instance) => {
                    // There is time to see what goes with it, since another router has the addresses already.
                    self.reconciler.stale = true;
                    self.request(&instance, Presence::Absent);
                }
                VrrpCommand::Stop(done) => {
                    stop = Some(done);
                    break;
                }
            }
        }
        self.pass().await;
        if let Some(done) = stop {
            self.remove_idle_macvlans().await;
            self.detach();
            // Nobody waits any more.
            let _ = done.send(());
        }
    }

    fn request(&mut self, instance: &str, presence: Presence) {
        if let Some(vrrp) = &mut self.vrrp {
            vrrp.request(instance, presence);
        }
    }

    async fn configure_vrrp(&mut self, config: Arc<Vrrp>) {
        let Some(vrrp) = &mut self.vrrp else { return };
        let first = vrrp.configure(config);
        let mut routing = self.reconciler.routing || vrrp.has_routing();
        self.reconciler.stale = true;
        if first {
            // Another process may have left routes that are configured no longer.
            let before = std::mem::replace(&mut self.reconciler.routing, true);
            self.look_at_last().await;
            self.reconciler.routing = before;
            let desired = self.desired();
            if let Some(vrrp) = &mut self.vrrp {
                vrrp.find(&desired, &self.reconciler.machine);
            }
        }
        let machine = &self.reconciler.machine;
        routing |= !machine.routes.is_empty() || !machine.rules.is_empty();
        if routing && !self.reconciler.routing {
            self.reconciler.routing = true;
            self.reconciler.stale = true;
            match MachineEvents::open(true) {
                Ok(events) => self.events = events,
                Err(error) => {
                    let text = format!("changes of routes will be noticed late: {error}");
                    self.outbox.log([LogLine::warning(text)]);
                }
            }
        }
    }

    /// Looks until that succeeds: what is decided now is not decided again. But not for ever.
    async fn look_at_last(&mut self) {
        for _ in 0..MAX_FIRST_LOOKS {
            self.reconciler.look().await;
            match self.reconciler.take_error() {
                None => return,
                Some(error) => self.cannot_look(&error),
            }
            tokio::time::sleep(FIRST_LOOK_DELAY).await;
        }
    }

    async fn remove_idle_macvlans(&mut self) {
        let machine = &self.reconciler.machine;
        let idle = vrrp::idle_macvlans(&self.desired(), machine);
        let failed = macvlan::remove(self.reconciler.netlink(), machine, &idle).await;
        self.outbox
            .log(failed.into_iter().map(|(interface, error)| {
                let why = error.desc();
                LogLine::warning(format!(
                    "cannot remove the macvlan interface {interface}: {why}"
                ))
            }));
    }
}
