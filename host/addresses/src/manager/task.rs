//! The address manager's task: what it is told, when it looks.
//!
//! All state is in [`ManagerTask`], so each arm of its `select!` may be cancelled: channels keep what was not taken,
//! changes that were noticed are in the table of timers.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::announcer::ServiceAnnouncer;
use super::log::{self, LogLine, Outbox};
use super::services::ServiceOwner;
use super::vrrp::{self, VrrpOwner};
use crate::desired::{Desired, awaiting};
use crate::error::AddressError;
use crate::events::MachineEvents;
use crate::reconciler::{Outcome, Reconciler};
use crate::reports::{ManagerCommand, ManagerReport, VrrpCommand};
use crate::timers::{HANDOVER_DELAY, RESYNC, RETRY_DELAY, SettleTime, Timer, Timers};
use crate::view::NetworkView;

pub(super) struct ManagerTask {
    pub(super) commands: mpsc::UnboundedReceiver<ManagerCommand>,
    pub(super) outbox: Outbox,
    pub(super) reconciler: Reconciler,
    pub(super) events: MachineEvents,
    pub(super) timers: Timers,
    pub(super) settle: SettleTime,
    /// When the first change was noticed that was not looked at yet.
    pub(super) changed: Option<Instant>,
    pub(super) services: ServiceOwner,
    announcer: ServiceAnnouncer,
    pub(super) vrrp: Option<VrrpOwner>,
    /// As told.
    pub(super) view: Option<NetworkView>,
    /// Problems that are nobody's, as told.
    pub(super) orphans: Vec<String>,
}

impl ManagerTask {
    /// # Errors
    /// [`AddressError::Socket`].
    pub(super) fn open(
        commands: mpsc::UnboundedReceiver<ManagerCommand>,
        outbox: Outbox,
    ) -> Result<Self, AddressError> {
        Ok(Self {
            commands,
            outbox,
            // First the events, so that no change is missed.
            events: MachineEvents::open(false)?,
            reconciler: Reconciler::open()?,
            timers: Timers::default(),
            settle: SettleTime::SERVICES,
            changed: None,
            services: ServiceOwner::default(),
            announcer: ServiceAnnouncer::default(),
            vrrp: None,
            view: None,
            orphans: Vec::new(),
        })
    }

    /// Ends when nobody can ask for anything any more; then nothing is changed.
    pub(super) async fn run(mut self) {
        self.pass().await;
        loop {
            let handed_over = self.outbox.hand_over();
            let handover = (!handed_over).then(|| Instant::now() + HANDOVER_DELAY);
            self.timers.set(Timer::Handover, handover);
            let next = self.timers.next();
            tokio::select! {
                biased;
                commands = vrrp_commands(&mut self.vrrp) => self.take_vrrp(commands).await,
                command = self.commands.recv() => match command {
                    Some(command) => self.take(command).await,
                    None => return,
                },
                // Before the events: they may come without end.
                timer = expired(next) => self.on_timer(timer).await,
                () = self.events.next() => self.notice(),
            }
        }
    }

    /// The machine has changed: it is looked at when no more changes come.
    fn notice(&mut self) {
        let now = Instant::now();
        let first = *self.changed.get_or_insert(now);
        let end = first + self.settle.at_most;
        let settled = (now + self.settle.quiet).min(end);
        self.timers.set(Timer::Settle, Some(settled));
    }

    async fn on_timer(&mut self, timer: Timer) {
        self.timers.set(timer, None);
        match timer {
            // Every turn of the loop hands over.
            Timer::Handover => {}
            Timer::Refresh => self.refresh().await,
            Timer::Announce => self.announce(),
            Timer::Settle | Timer::Retry | Timer::Resync => {
                self.reconciler.stale = true;
                self.pass().await;
            }
        }
    }

    /// Sets lifetimes anew.
    async fn refresh(&mut self) {
        let requests = vrrp::refreshes(&self.desired(), &self.reconciler.machine);
        let results = self.reconciler.netlink().send(requests).await;
        if results.iter().any(Result::is_err) {
            self.reconciler.stale = true;
            self.pass().await;
        }
        self.plan_refresh();
    }

    /// Announces some of the services' addresses that are due.
    fn announce(&mut self) {
        let now = Instant::now().into_std();
        if let Some(problem) = self.announcer.work(now) {
            let text = format!("the network is not told where services' addresses are: {problem}");
            self.outbox.log([LogLine::warning(text)]);
        }
        let next = self.announcer.due(now).map(Instant::from_std);
        self.timers.set(Timer::Announce, next);
    }

    fn plan_refresh(&mut self) {
        let interval = self.vrrp.as_ref().and_then(VrrpOwner::refresh_interval);
        let next = interval.map(|interval| {
            let latest = Instant::now() + interval;
            let planned = self.timers.get(Timer::Refresh);
            planned.map_or(latest, |planned| planned.min(latest))
        });
        self.timers.set(Timer::Refresh, next);
    }

    /// What should be on this machine.
    pub(super) fn desired(&self) -> Desired {
        let mut desired = Desired::default();
        let services = self.services.addresses.as_deref();
        if let Some(services) = services {
            desired.claim_services(services);
        }
        if let Some(vrrp) = &self.vrrp {
            vrrp.claim(&mut desired, &awaiting(services.unwrap_or_default()));
        }
        desired
    }

    /// Brings the machine in line with what is wanted, and tells what came of it.
    pub(super) async fn pass(&mut self) {
        if self.reconciler.stale {
            self.timers.set(Timer::Settle, None);
            self.changed = None;
        }
        let desired = self.desired();
        let vrrp = &mut self.vrrp;
        let requested = vrrp.as_ref().map(VrrpOwner::requested).unwrap_or_default();
        let outcome = self
            .reconciler
            .reconcile(&desired, &mut |outcome| {
                if let Some(vrrp) = vrrp {
                    vrrp.tell_done(outcome);
                }
            })
            .await;
        self.tell(&desired, &outcome, &requested);
        let now = Instant::now();
        if !self.reconciler.stale && desired.active.services {
            let machine = &self.reconciler.machine;
            self.announcer.look(machine, &outcome, now.into_std());
            self.announce();
        }
        let pending = self.reconciler.stale || outcome.is_partial() || !self.orphans.is_empty();
        let retry = pending.then_some(now + RETRY_DELAY);
        self.timers.set(Timer::Retry, retry);
        self.timers.set(Timer::Resync, Some(now + RESYNC));
        self.plan_refresh();
    }

    fn tell(&mut self, desired: &Desired, outcome: &Outcome, requested: &BTreeSet<String>) {
        let machine = &self.reconciler.machine;
        if let Some(vrrp) = &mut self.vrrp {
            vrrp.tell_rest(desired, outcome, machine);
        }
        if !self.reconciler.stale {
            let view = NetworkView {
                addresses: machine.own_addresses(),
                offloadable: machine.offloadable(),
            };
            if self.view.as_ref() != Some(&view) {
                self.view = Some(view.clone());
                self.outbox.report(ManagerReport::Network(view));
            }
        }
        self.services.tell(outcome, &mut self.outbox);
        self.outbox.log(log::lines(outcome, requested));
        let mut orphans = outcome.orphans.clone();
        orphans.extend(outcome.failures(None));
        let new = orphans.iter().filter(|text| !self.orphans.contains(text));
        let new: Vec<LogLine> = new.map(|text| LogLine::warning(text.clone())).collect();
        self.outbox.log(new);
        self.orphans = orphans;
        if let Some(error) = &outcome.unseen {
            self.cannot_look(error);
        }
    }

    pub(super) fn cannot_look(&mut self, error: &AddressError) {
        let text = format!("cannot look after addresses: {error}");
        self.outbox.log([LogLine::warning(text)]);
    }
}

async fn vrrp_commands(vrrp: &mut Option<VrrpOwner>) -> Option<VecDeque<VrrpCommand>> {
    match vrrp {
        Some(vrrp) => vrrp.commands.recv().await,
        None => std::future::pending().await,
    }
}

async fn expired(next: Option<(Instant, Timer)>) -> Timer {
    match next {
        Some((at, timer)) => {
            tokio::time::sleep_until(at).await;
            timer
        }
        None => std::future::pending().await,
    }
}
