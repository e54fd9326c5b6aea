//! `evenkeel run`: wires the director to the outside world.
//!
//! ```text
//!   SIGHUP --> prepare (blocking thread) --+
//!   probers (a task each) -- health -------+                      +--> blocking threads (scheduler plugins) --+
//!   control socket (a task) -- questions --+--> App, one task: ---+--> kernel thread (data plane) ------------+--> inputs
//!   address manager (a thread) ------------+    the Director      +--> address manager (rtnetlink)            |
//!   kernel-watch thread -- "touched" ------+         ^-------------------------------------------------------+
//!   counting thread (conntrack) -- counts -+         |
//!   queue threads (a service each) <-- instances ----+--- failures --> inputs
//!
//!   redundancy: VRRP's thread, watchers, notify scripts; told of quorums and of being ready, says which addresses are here
//! ```

mod adopted;
mod answers;
mod reload;

use std::time::Instant;

use anyhow::Context as _;
use evenkeel_core::model::{Daemon, DataPlaneKind, Service, ServiceKey, Tracked};
use evenkeel_core::state::{Change, State};
use evenkeel_core::vrrp::Reading;
use evenkeel_runtime::{Failure, PluginError};
use evenkeel_vrrp::VrrpEvent;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::connection_sync::Synchroniser;
use crate::control::{Asked, ControlSocket};
use crate::counting::Counting;
use crate::director::{Director, Effect, Input, Job};
use crate::kernel::{Kernel, Watcher};
use crate::lock::Lock;
use crate::network::Network;
use crate::pickers::Pickers;
use crate::plane::{self, Opened};
use crate::prepare::{ConfigSource, PrepareError, Prepared, Preparer};
use crate::probers::Probers;
use crate::redundancy::{Receivers, Redundancy};
use adopted::{found_in, inhibited};
use reload::{Reload, finished, warn_of};

/// Health events that wait for the director before probers have to wait.
const HEALTH_BACKLOG: usize = 1024;
/// Questions that wait for the director.
const QUESTIONS_BACKLOG: usize = 16;
/// How long the end of the daemon waits for the kernel at most.
const LEAVING: std::time::Duration = std::time::Duration::from_secs(2);
/// How often schedulers are told how long checks take, if they want to know.
const LATENCY: std::time::Duration = std::time::Duration::from_secs(1);
/// Inputs taken in at once before the director is asked what to do about them.
const INPUT_BATCH: usize = 4096;

/// Balances until told to end.
///
/// # Errors
/// When the daemon cannot start; what fails later is logged and tried again.
pub async fn run(source: ConfigSource) -> anyhow::Result<()> {
    // From here on: a reload that is asked for during the start is not to end the daemon.
    let signals = Signals::listen()?;
    let config = source.config.clone();
    let (mut preparer, prepared) = tokio::task::spawn_blocking(move || {
        let mut preparer = Preparer::new(source)?;
        let prepared = preparer.prepare(|_| None)?;
        Ok::<_, PrepareError>((preparer, prepared))
    })
    .await
    .context("the configuration's thread")??;
    warn_of(&prepared);
    let daemon = prepared.model.daemon.clone();
    let lock = Lock::take()?;
    let opened = plane::open(&prepared.model.dataplane, &daemon)?;
    preparer.runs(opened.plane.kind());
    let adopted = opened.adopted.services.len();
    let control = ControlSocket::bind(&daemon.socket)?;
    info!(
        config = %config.display(),
        services = prepared.model.services.len(),
        adopted,
        version = env!("CARGO_PKG_VERSION"),
        "started"
    );
    let (questions, asked) = mpsc::channel(QUESTIONS_BACKLOG);
    let serving = tokio::spawn(control.serve(questions));
    App::start(preparer, prepared, daemon, opened)?
        .serve(signals, asked)
        .await;
    serving.abort();
    // Dropped only now: the next daemon waits until this one does nothing any more.
    let _ = serving.await;
    drop(lock);
    Ok(())
}

struct App {
    started: Instant,
    daemon: Daemon,
    director: Director,
    kernel: Kernel,
    network: Network,
    probers: Probers,
    redundancy: Redundancy,
    synchroniser: Synchroniser,
    receivers: Receivers,
    counting: Counting,
    kind: DataPlaneKind,
    /// Why this data plane.
    why: String,
    /// How many are configured.
    services: usize,
    pickers: Pickers,
    /// When schedulers are next told how long checks take.
    look_at_latency: Option<Instant>,
    /// The services in force whose checks may rest (`ha_suspend`).
    may_rest: Vec<Service>,
    health: mpsc::Receiver<crate::prober::HealthEvent>,
    inputs: mpsc::UnboundedReceiver<Input>,
    to_inputs: mpsc::UnboundedSender<Input>,
    /// Away while a reload is being prepared.
    preparer: Option<Preparer>,
    config: String,
    reload: Option<Reload>,
    reload_again: bool,
    reload_problem: Option<String>,
    said_ready: bool,
    _watcher: Option<Watcher>,
}

impl App {
    fn start(
        preparer: Preparer,
        prepared: Prepared,
        daemon: Daemon,
        opened: Opened,
    ) -> anyhow::Result<Self> {
        let Opened {
            mut plane,
            watch,
            adopted,
        } = opened;
        let kind = plane.kind();
        let now = Instant::now();
        let offloads = plane.offloads();
        if let Err(why) = &offloads
            && kind == DataPlaneKind::Nftables
        {
            info!(why, "established flows go the long way");
        }
        let (to_inputs, inputs) = mpsc::unbounded_channel();
        let watcher = match watch {
            Some(watch) => Some(Watcher::start(watch, to_inputs.clone())?),
            None => None,
        };
        let (events, health) = mpsc::channel(HEALTH_BACKLOG);
        let network = Network::start(to_inputs.clone(), offloads.is_ok())?;
        let (redundancy, receivers) = Redundancy::new(network.addresses());
        let mut app = Self {
            started: now,
            kind,
            why: prepared.model.dataplane.why.clone(),
            director: Director::new(kind, adopted.clone(), daemon.resync, now),
            kernel: Kernel::start(plane, to_inputs.clone())?,
            network,
            probers: Probers::new(events),
            redundancy,
            synchroniser: Synchroniser::default(),
            receivers,
            counting: Counting::start(kind, to_inputs.clone()),
            pickers: Pickers::new(to_inputs.clone()),
            look_at_latency: None,
            may_rest: Vec::new(),
            services: 0,
            daemon,
            health,
            inputs,
            to_inputs,
            config: preparer.file().display().to_string(),
            preparer: Some(preparer),
            reload: None,
            reload_again: false,
            reload_problem: None,
            said_ready: false,
            _watcher: watcher,
        };
        app.configure(prepared, Some(&adopted));
        Ok(app)
    }

    fn configure(&mut self, mut prepared: Prepared, adopted: Option<&State>) {
        let now = Instant::now();
        let checks = std::mem::take(&mut prepared.checks);
        self.services = prepared.model.services.len();
        self.network.configure(&prepared.model);
        self.redundancy.configure(&prepared.model.vrrp);
        let states = |instance: &str| self.redundancy.state(instance);
        self.synchroniser
            .configure(prepared.model.connection_sync.as_ref(), states);
        let services = prepared.model.services.iter();
        self.may_rest = services.filter(|it| it.ha_suspend).cloned().collect();
        self.rest_checks();
        let stay = inhibited(&prepared.model.services);
        self.director.configure(prepared, adopted, now);
        self.probers.configure(checks, |service, server| {
            let stays = stay.contains(&(*service, server));
            adopted.and_then(|adopted| found_in(adopted, service, server, stays, now))
        });
        self.counting.listen(self.director.wants_counts(), now);
        self.look_at_latency = self.director.wants_latency().then_some(now);
        self.take_snapshots(now);
    }

    /// Tells schedulers that want to know how long checks take.
    fn tell_latency(&mut self, now: Instant) {
        if self.look_at_latency.is_some_and(|at| now >= at) {
            self.take_snapshots(now);
            self.look_at_latency = Some(now + LATENCY);
        }
    }

    /// Lets those checks rest that are to rest, and no others.
    fn rest_checks(&mut self) {
        self.probers
            .suspend(self.redundancy.suspended(&self.may_rest));
    }

    /// Tells the director how every server is: new ones are not heard of otherwise until something changes.
    fn take_snapshots(&mut self, now: Instant) {
        for input in self.probers.snapshots() {
            self.director.handle(input, now);
        }
    }

    async fn serve(mut self, mut signals: Signals, mut asked: mpsc::Receiver<Asked>) {
        let mut batch = Vec::new();
        loop {
            let now = Instant::now();
            self.tell_latency(now);
            if self.counting.due(self.services, now) {
                self.kernel.count();
            }
            for effect in self.director.effects(now) {
                self.carry_out(effect);
            }
            if self.director.settled() {
                self.network.ready();
                self.redundancy.ready();
                self.say_ready();
            }
            let wake = [
                self.director.poll_at(),
                self.look_at_latency,
                self.counting.poll_at(),
            ];
            let wake = wake.into_iter().flatten().min().map(Into::into);
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hangup.recv() => self.begin_reload(),
                Some(event) = self.health.recv() => self.take_health(event),
                Some(event) = self.receivers.events.recv() => {
                    self.hear(event);
                }
                Some((what, reading)) = self.receivers.readings.recv() => {
                    self.redundancy.tracked(what, reading);
                }
                _ = self.inputs.recv_many(&mut batch, INPUT_BATCH) => {
                    let now = Instant::now();
                    for input in batch.drain(..) {
                        self.take(input, now);
                    }
                }
                outcome = finished(&mut self.reload) => self.end_reload(outcome),
                Some(question) = asked.recv() => self.answer(question),
                () = sleep_until(wake) => {}
            }
        }
        info!(
            "ending; the kernel's rules and the services' addresses stay, and traffic goes on (`evenkeel flush` removes them)"
        );
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Stopping]) {
            warn!(%error, "cannot tell systemd that the daemon is ending");
        }
        self.leave_plans().await;
        // Nothing else is decided any more, and the probers go on until the other director has taken over.
        self.redundancy.stop(self.receivers.events).await;
        self.synchroniser.finish().await;
    }

    /// Takes in what the driver of VRRP says.
    fn hear(&mut self, event: VrrpEvent) {
        if let VrrpEvent::Notify {
            group: false,
            name,
            state,
            ..
        } = &event
        {
            self.synchroniser.follow(name, *state);
        }
        if self.redundancy.handle(event) {
            self.rest_checks();
        }
    }

    /// Puts plans into the kernel that hold for longer than the next moment.
    async fn leave_plans(&mut self) {
        self.director.leave();
        let effects = self.director.effects(Instant::now());
        let steps: Vec<Effect> = effects
            .into_iter()
            .filter(|it| matches!(it, Effect::Kernel(_)))
            .collect();
        let mut under_way = !steps.is_empty();
        for step in steps {
            self.carry_out(step);
        }
        let end = tokio::time::Instant::now() + LEAVING;
        while under_way {
            match tokio::time::timeout_at(end, self.inputs.recv()).await {
                Ok(Some(Input::Applied { .. } | Input::Read(_))) | Ok(None) => under_way = false,
                Ok(Some(_)) => {}
                Err(_) => return,
            }
        }
    }

    /// Tells systemd (`Type=notify`), once, that the kernel holds what is configured.
    fn say_ready(&mut self) {
        if !std::mem::replace(&mut self.said_ready, true) {
            info!("ready: the kernel holds what is configured");
            if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
                warn!(%error, "cannot tell systemd that the daemon is ready");
            }
        }
    }

    fn take(&mut self, input: Input, now: Instant) {
        // Before the director learns of it: what is settled works.
        if matches!(&input, Input::Applied { changes, done: true } if changes.iter().any(asks)) {
            self.pickers.beat();
        }
        self.director.handle(input, now);
    }

    /// One event, and those that came with it: a switch that fails takes many servers at once.
    fn take_health(&mut self, first: crate::prober::HealthEvent) {
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

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Quorum { service, reached } => {
                let reading = if reached { Reading::Up } else { Reading::Down };
                self.redundancy.tracked(Tracked::Service(service), reading);
            }
            Effect::Kernel(step) => self.kernel.step(step),
            Effect::Kill(backend) => self.kernel.kill(backend),
            Effect::Ask { service, job } => self.ask_scheduler(service, job),
            Effect::Pick(picking) => self.pickers.pick(picking),
            Effect::StopPicking { service, for_good } => self.pickers.stop(&service, for_good),
        }
    }

    fn ask_scheduler(&self, service: ServiceKey, job: Job) {
        let inputs = self.to_inputs.clone();
        tokio::spawn(async move {
            let number = job.number;
            let plugin = job.plugin();
            let done = match tokio::task::spawn_blocking(move || job.run()).await {
                Ok(done) => done,
                Err(error) => Err(PluginError {
                    plugin: plugin.manifest().name.clone(),
                    version: plugin.manifest().version.clone(),
                    failure: Failure::Trap(format!("the host failed: {error}")),
                }),
            };
            // Nobody listens any more when the daemon is ending.
            let _ = inputs.send(Input::Answered {
                service,
                number,
                done,
            });
        });
    }
}

/// Whether it makes the kernel ask about a service's connections.
fn asks(change: &Change) -> bool {
    matches!(change, Change::Put(_, service) if service.ask.is_some())
}

/// The signals that mean something to the daemon.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
