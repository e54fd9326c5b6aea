//! The main loop: takes in what happens, lets the director decide, and has done what it wants.

use std::time::{Duration, Instant};

use evenkeel_core::director::Input;
use evenkeel_core::state::Change;
use evenkeel_core::sync::ApplyOutcome;
use evenkeel_vrrp::VrrpEvent;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::reload::{Outcome, Wanted};
use super::signals::Signals;
use super::state::App;
use crate::control::Request;
use crate::heap;
use crate::kept::{News, SchedulerState};
use crate::prober::HealthEvent;

/// How long the end of the daemon waits for the kernel at most.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Inputs taken in at once before the director is asked what to do about them.
const MAX_INPUTS: usize = 4096;

impl App {
    /// Runs until a signal ends it. Which arm of the `select!` may be cancelled and why: see [`crate::app`].
    pub(super) async fn serve(
        mut self,
        mut signals: Signals,
        mut requests: mpsc::Receiver<Request>,
    ) {
        let mut batch = Vec::new();
        loop {
            let wake = self.advance(Instant::now());
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hangup.recv() => self.reload(Wanted::Reload),
                () = self.plugin_watch.changed() => self.reload(Wanted::Rescan),
                Some(event) = self.health.recv() => self.take_health(event),
                Some(event) = self.receivers.events.recv() => self.take_vrrp(event),
                Some((what, reading)) = self.receivers.readings.recv() => {
                    self.redundancy.tracked(what, reading);
                }
                _ = self.inputs.recv_many(&mut batch, MAX_INPUTS) => {
                    let now = Instant::now();
                    for input in batch.drain(..) {
                        self.take(input, now);
                    }
                }
                outcome = self.reloader.finished() => self.end_reload(outcome),
                Some(request) = requests.recv() => self.answer(request),
                () = sleep_until(wake) => {}
            }
        }
        self.leave().await;
    }

    /// Does what is due. Returns when something is due again although nothing happens.
    fn advance(&mut self, now: Instant) -> Option<tokio::time::Instant> {
        self.redundancy.alive(now);
        self.tell_measurements(now);
        if self.counting.due(self.services, now) {
            self.kernel.count();
        }
        if self.keeper.due(now) {
            self.kernel.beyond(self.keeper.taker());
        }
        for effect in self.director.effects(now) {
            self.carry_out(effect);
        }
        if self.director.settled() {
            self.kernel.settled();
            self.redundancy.ready();
            self.announce_ready();
        }
        let wake = [
            self.director.poll_at(),
            self.measurements_due,
            self.counting.poll_at(),
            self.redundancy.poll_at(),
            self.keeper.poll_at(),
        ];
        wake.into_iter().flatten().min().map(Into::into)
    }

    /// Logs, and tells systemd (`Type=notify`), once, that the kernel holds what is configured.
    fn announce_ready(&mut self) {
        if std::mem::replace(&mut self.announced_ready, true) {
            return;
        }
        if self.director.is_refused() {
            info!("ready: the kernel holds what is configured, but for what it refuses");
        } else {
            info!("ready: the kernel holds what is configured");
        }
        heap::give_back_soon();
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            warn!(%error, "cannot tell systemd that the daemon is ready");
        }
    }

    fn take(&mut self, input: Input, now: Instant) {
        // Before the director learns of it: what is settled works.
        if let Input::Applied {
            changes,
            outcome: ApplyOutcome::Done,
            ..
        } = &input
        {
            if changes.iter().any(has_queue) {
                self.queues.beat();
            }
            self.keeper.kernel_changed(now);
        }
        self.director.handle(input, now);
    }

    /// One event, and those that came with it: a switch that fails takes many servers at once.
    fn take_health(&mut self, first: HealthEvent) {
        let now = Instant::now();
        let mut next = Some(first);
        while let Some(event) = next {
            let input = Input::Health {
                service: event.service,
                server: event.server,
                health: event.health,
            };
            self.director.handle(input, now);
            next = self.health.try_recv().ok();
        }
    }

    /// Takes in what the driver of VRRP says.
    fn take_vrrp(&mut self, event: VrrpEvent) {
        if let VrrpEvent::Notify {
            group: false,
            name,
            state,
            ..
        } = &event
        {
            self.synchroniser.role_changed(name, *state);
        }
        if self.redundancy.handle(event) {
            self.suspend_checks();
            self.follow_addresses();
        }
    }

    /// Begins it, or has it follow what is under way.
    fn reload(&mut self, wanted: Wanted) {
        if self.reloader.is_free_for(wanted) {
            let schedulers = match wanted {
                Wanted::Reload => self.director.in_force(),
                Wanted::Rescan => self.director.tried_last(),
            };
            self.reloader.begin(wanted, schedulers);
        }
    }

    fn end_reload(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Reload(outcome) => {
                let problem = match *outcome {
                    Ok(prepared) => {
                        self.reconfigure(prepared);
                        None
                    }
                    Err(problem) => {
                        error!(
                            "the new configuration is refused, and the one in force stays:\n{problem}"
                        );
                        Some(problem.to_string())
                    }
                };
                self.reloader.reloaded(problem);
                heap::give_back_soon();
            }
            Outcome::Rescan(found) => self.use_plugins(found),
        }
        if let Some(places) = self.reloader.places() {
            self.plugin_watch.look_at(places);
        }
        if let Some(wanted) = self.reloader.next() {
            self.reload(wanted);
        }
    }

    /// Hands over to the other director and leaves the kernel as it can go on without us.
    async fn leave(mut self) {
        info!(
            "ending; the kernel's rules and the services' addresses stay, and traffic goes on \
             (`evenkeel flush` removes them)"
        );
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Stopping]) {
            warn!(%error, "cannot tell systemd that the daemon is ending");
        }
        self.keep_states().await;
        self.leave_plans().await;
        for (of, command) in self.director.last_commands() {
            self.redundancy.run(&of, command, true);
        }
        // Nothing else is decided any more, and the probers go on until the other director has taken over.
        self.redundancy.stop(self.receivers.events).await;
        self.synchroniser.finish().await;
        self.kernel.beyond(self.keeper.taker());
        let totals = tokio::time::timeout(LEAVE_TIMEOUT, self.kernel.counters()).await;
        if let Ok(totals) = totals {
            let totals = totals.into_iter().map(|(id, it)| (id, it.connections));
            self.keeper.keep(News::Totals(totals.collect()));
        }
        self.keeper.finish().await;
    }

    /// Keeps what schedulers hand to the next start, as far as they say it soon.
    async fn keep_states(&mut self) {
        let last = self.director.last_states();
        let asked = tokio::task::spawn_blocking(move || {
            let states = last.into_iter().filter_map(|it| {
                let state = it.ask()?;
                let plugin = it.plugin;
                Some((it.service, SchedulerState { plugin, state }))
            });
            states.collect::<Vec<_>>()
        });
        match tokio::time::timeout(LEAVE_TIMEOUT, asked).await {
            Ok(Ok(states)) => {
                for (service, state) in states {
                    self.keeper.keep(News::Scheduler(service, state));
                }
            }
            Ok(Err(_)) | Err(_) => warn!(
                "the schedulers do not say in time what they would hand to the next start: it has what they said last"
            ),
        }
    }

    /// Puts plans into the kernel that hold for longer than the next moment, after what is under way.
    async fn leave_plans(&mut self) {
        self.director.leave();
        let end = tokio::time::Instant::now() + LEAVE_TIMEOUT;
        loop {
            for effect in self.director.effects(Instant::now()) {
                self.carry_out(effect);
            }
            if !self.director.changes_kernel() {
                return;
            }
            match tokio::time::timeout_at(end, self.inputs.recv()).await {
                Ok(Some(input)) => self.director.handle(input, Instant::now()),
                Ok(None) => return,
                Err(_) => {
                    warn!(
                        waited = ?LEAVE_TIMEOUT,
                        "the kernel takes long to change: plans that were made for the moment may stay in it"
                    );
                    return;
                }
            }
        }
    }
}

/// Whether it puts a service into the kernel whose connections wait in a queue for the scheduler's verdict.
fn has_queue(change: &Change) -> bool {
    matches!(change, Change::Put(_, service) if service.queue.is_some())
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
