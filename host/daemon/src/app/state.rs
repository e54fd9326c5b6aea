//! The main loop's state: the director and all that it drives, and putting a configuration in force.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use evenkeel_core::director::{Director, DirectorConfig, Input};
use evenkeel_core::model::{Daemon, DataPlaneKind, Service, ServiceKey};
use evenkeel_core::state::State;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::adopted::{found_in, inhibited};
use super::error::RunError;
use super::reload::Reloader;
use crate::calls::Calls;
use crate::connection_sync::Synchroniser;
use crate::counting::Counting;
use crate::driver::DataPlaneDriver;
use crate::forwarding::Forwarding;
use crate::kept::{Keeper, News};
use crate::network::Network;
use crate::own_limits::OwnLimits;
use crate::plane::Opened;
use crate::plugin_watch::PluginWatch;
use crate::prepare::{PluginIdentity, Prepared, Preparer, Rescanned};
use crate::prober::HealthEvent;
use crate::probers::Probers;
use crate::redundancy::{Receivers, Redundancy};
use crate::verdicts::VerdictQueues;
use crate::watcher::TableWatcher;

/// Health events that wait for the director before probers have to wait.
const MAX_HEALTH_EVENTS: usize = 1024;
/// How often schedulers are told how long checks take, if they want to know.
const MEASUREMENTS_INTERVAL: Duration = Duration::from_secs(1);

/// The main loop's state.
pub(super) struct App {
    pub(super) started: Instant,
    /// Log lines that were dropped.
    pub(super) log_dropped: Arc<AtomicU64>,
    pub(super) daemon: Daemon,
    pub(super) director: Director,
    pub(super) kernel: DataPlaneDriver,
    /// Keeps what must outlast the daemon.
    pub(super) keeper: Keeper,
    pub(super) network: Network,
    pub(super) forwarding: Forwarding,
    pub(super) probers: Probers,
    /// What this machine lacks for checks.
    pub(super) limits: Arc<OwnLimits>,
    _limits_watch: JoinSet<()>,
    pub(super) redundancy: Redundancy,
    pub(super) synchroniser: Synchroniser,
    /// What VRRP and its watchers tell.
    pub(super) receivers: Receivers,
    pub(super) counting: Counting,
    pub(super) kind: DataPlaneKind,
    /// Why this data plane.
    pub(super) why: String,
    /// How many are configured.
    pub(super) services: usize,
    pub(super) queues: VerdictQueues,
    /// The plugins that decide for some service, or are to.
    identities: Vec<Arc<PluginIdentity>>,
    /// How schedulers have answered.
    pub(super) calls: Calls,
    /// When schedulers are next told how long checks take.
    pub(super) measurements_due: Option<Instant>,
    /// The services in force whose checks may be suspended (`ha_suspend`).
    may_suspend: Vec<Service>,
    pub(super) health: mpsc::Receiver<HealthEvent>,
    pub(super) inputs: mpsc::UnboundedReceiver<Input>,
    pub(super) to_inputs: mpsc::UnboundedSender<Input>,
    pub(super) reloader: Reloader,
    pub(super) plugin_watch: PluginWatch,
    /// Whether `ready` has been logged and systemd told.
    pub(super) announced_ready: bool,
    _watcher: Option<TableWatcher>,
}

impl App {
    /// Starts the threads and tasks, and puts the first configuration in force. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start(
        preparer: Preparer,
        mut prepared: Prepared,
        daemon: Daemon,
        opened: Opened,
        log_dropped: Arc<AtomicU64>,
    ) -> Result<Self, RunError> {
        let Opened {
            mut plane,
            watch,
            adopted,
            in_use,
        } = opened;
        let (keeper, mut kept) = Keeper::start(&daemon.state_dir);
        plane.recall(&kept.counts);
        let kind = plane.kind();
        let now = Instant::now();
        let offloads = plane.supports_offload();
        if let Err(why) = &offloads
            && kind == DataPlaneKind::Nftables
        {
            info!(why, "established flows stay on the slow path");
        }
        let (to_inputs, inputs) = mpsc::unbounded_channel();
        let watcher = watch
            .map(|watch| TableWatcher::start(watch, to_inputs.clone()))
            .transpose()
            .map_err(|source| thread("kernel-watch", source))?;
        let kernel = DataPlaneDriver::start(plane, to_inputs.clone())
            .map_err(|source| thread("kernel", source))?;
        let (events, health) = mpsc::channel(MAX_HEALTH_EVENTS);
        let network = Network::start(to_inputs.clone(), offloads.is_ok())?;
        let (redundancy, receivers) = Redundancy::new(network.addresses());
        let limits = Arc::new(OwnLimits::new(Path::new("/proc")));
        let mut director = Director::new(kind, adopted.clone(), daemon.resync, now);
        director.recall(&kept.numbers, &in_use);
        let mut app = Self {
            started: now,
            log_dropped,
            kind,
            why: prepared.model.dataplane.why.clone(),
            director,
            kernel,
            keeper,
            network,
            forwarding: Forwarding::start(),
            probers: Probers::new(events, Arc::clone(&limits)),
            _limits_watch: limits.watch(),
            limits,
            redundancy,
            synchroniser: Synchroniser::default(),
            receivers,
            counting: Counting::start(kind, to_inputs.clone()),
            queues: VerdictQueues::new(to_inputs.clone(), daemon.sandbox.pick_time),
            identities: Vec::new(),
            calls: Calls::default(),
            measurements_due: None,
            may_suspend: Vec::new(),
            services: 0,
            daemon,
            health,
            inputs,
            to_inputs,
            plugin_watch: PluginWatch::start(preparer.plugin_places()),
            reloader: Reloader::new(preparer),
            announced_ready: false,
            _watcher: watcher,
        };
        for (service, new) in &mut prepared.schedulers {
            let state = kept.schedulers.remove(service);
            new.saved = state.and_then(|it| it.fits(new.plugin.manifest(), service));
        }
        app.configure(prepared, Some(&adopted));
        Ok(app)
    }

    /// Puts a configuration in force. `adopted`: what an earlier daemon has left, at the start.
    fn configure(&mut self, mut prepared: Prepared, adopted: Option<&State>) {
        let now = Instant::now();
        let checks = std::mem::take(&mut prepared.checks);
        let identities = std::mem::take(&mut prepared.identities);
        self.services = prepared.model.services.len();
        self.network.configure(&prepared.model);
        self.forwarding.configure(&prepared.model.services);
        self.redundancy.configure(&prepared.model.vrrp);
        let states = |instance: &str| self.redundancy.state(instance);
        self.synchroniser
            .configure(prepared.model.connection_sync.as_ref(), states);
        let services = prepared.model.services.iter();
        self.may_suspend = services.filter(|it| it.ha_suspend).cloned().collect();
        self.suspend_checks();
        let stay = inhibited(&prepared.model.services);
        let keys = prepared.model.services.iter().map(|it| it.key).collect();
        self.keeper.keep(News::Services(keys));
        let config = DirectorConfig {
            services: prepared.model.services,
            schedulers: prepared.schedulers,
            seconds: prepared.seconds,
            resync: prepared.model.daemon.resync,
            ipvs_timeouts: prepared.model.ipvs_timeouts,
        };
        self.director.configure(config, adopted, now);
        self.identify(identities);
        let roles = self.redundancy.roles(self.director.keys());
        self.director.set_roles(roles);
        if let Some(numbers) = self.director.changed_numbers() {
            self.keeper.keep(News::Numbers(numbers));
        }
        self.probers.configure(checks, |service, server| {
            let stays = stay.contains(&(*service, server));
            adopted.and_then(|adopted| found_in(adopted, service, server, stays, now))
        });
        // Where an address of the new configuration is, is not known yet.
        let elsewhere = self.redundancy.elsewhere(self.director.keys());
        let still = self.director.elsewhere() & &elsewhere;
        self.set_elsewhere(still, now);
        self.counting.listen(self.director.wants_counts(), now);
        self.counting.count_traffic(self.director.wants_traffic());
        self.measurements_due = self.director.wants_measurements().then_some(now);
        self.take_snapshots(now);
    }

    /// Other plugins may decide from now on, or soon: those that decide now stay until then.
    fn identify(&mut self, identities: Vec<Arc<PluginIdentity>>) {
        let director = &self.director;
        let decides = |it: &Arc<PluginIdentity>| {
            let mut deciding = director.keys().flat_map(|key| {
                let first = director.plugin(key).into_iter();
                first.chain(director.second_plugin(key))
            });
            deciding.any(|plugin| it.is(plugin))
        };
        // The same plugin may have another signature now.
        let new = |it: &Arc<PluginIdentity>| identities.iter().any(|new| new.is_same(it));
        self.identities.retain(|it| !new(it) && decides(it));
        self.identities.extend(identities);
        self.calls
            .retain(|service| director.plugin(service).is_some());
    }

    /// Which plugin decides for a service; `None` where its file is broken and another stands in.
    pub(super) fn identity(&self, service: &ServiceKey) -> Option<&Arc<PluginIdentity>> {
        let plugin = self.director.plugin(service)?;
        self.identities.iter().find(|it| it.is(plugin))
    }

    /// Which plugin a service's second scheduler is of; likewise.
    pub(super) fn second_identity(&self, service: &ServiceKey) -> Option<&Arc<PluginIdentity>> {
        let plugin = self.director.second_plugin(service)?;
        self.identities.iter().find(|it| it.is(plugin))
    }

    /// Puts a new configuration in force while the daemon runs.
    pub(super) fn reconfigure(&mut self, prepared: Prepared) {
        warn_of(&prepared);
        self.warn_of_restart(&prepared.model.daemon);
        info!(
            services = prepared.model.services.len(),
            "the new configuration is in force"
        );
        self.configure(prepared, None);
    }

    /// Uses other plugins while the configuration stays: where their files are others now.
    pub(super) fn use_plugins(&mut self, found: Rescanned) {
        let now = Instant::now();
        self.reloader.rescanned(found.problems);
        for (service, new) in found.schedulers {
            self.director.replace_scheduler(&service, new);
        }
        for (service, new) in found.seconds {
            self.director.replace_second(&service, new, now);
        }
        self.identify(found.identities);
        if let Some(checks) = found.checks {
            self.probers.configure(checks, |_, _| None);
            self.take_snapshots(now);
        }
        self.counting.listen(self.director.wants_counts(), now);
        self.counting.count_traffic(self.director.wants_traffic());
        let wanted = self.director.wants_measurements();
        self.measurements_due = wanted.then(|| self.measurements_due.unwrap_or(now));
    }

    /// Some settings cannot change while the daemon runs.
    fn warn_of_restart(&self, new: &Daemon) {
        let changed = [
            ("socket", self.daemon.socket != new.socket),
            ("table", self.daemon.table != new.table),
            ("cache_dir", self.daemon.cache_dir != new.cache_dir),
            ("state_dir", self.daemon.state_dir != new.state_dir),
            ("sandbox", self.daemon.sandbox != new.sandbox),
            (
                "plugin_sandbox",
                self.daemon.plugin_sandboxes != new.plugin_sandboxes,
            ),
        ];
        for (key, _) in changed.iter().filter(|(_, changed)| *changed) {
            warn!(
                key,
                "a change of this key takes effect when the daemon is started again"
            );
        }
    }

    /// Tells schedulers that want to know what checks measure.
    pub(super) fn tell_measurements(&mut self, now: Instant) {
        if self.measurements_due.is_some_and(|at| now >= at) {
            self.take_snapshots(now);
            self.measurements_due = Some(now + MEASUREMENTS_INTERVAL);
        }
    }

    /// Suspends those checks that may be and whose address is on the other director, and no others.
    pub(super) fn suspend_checks(&mut self) {
        self.probers
            .suspend(self.redundancy.suspended(&self.may_suspend));
    }

    /// Other virtual addresses are here than before: connections count where their address is.
    pub(super) fn follow_addresses(&mut self) {
        let roles = self.redundancy.roles(self.director.keys());
        self.director.set_roles(roles);
        let elsewhere = self.redundancy.elsewhere(self.director.keys());
        self.set_elsewhere(elsewhere, Instant::now());
    }

    fn set_elsewhere(&mut self, services: BTreeSet<ServiceKey>, now: Instant) {
        self.director.set_elsewhere(services, now);
        self.counting
            .set_elsewhere(self.director.servers_elsewhere());
    }

    /// Tells the director how every server is: new ones are not heard of otherwise until something changes.
    pub(super) fn take_snapshots(&mut self, now: Instant) {
        for input in self.probers.snapshots() {
            self.director.handle(input, now);
        }
    }
}

/// Logs what there is to say of a configuration.
pub(super) fn warn_of(prepared: &Prepared) {
    for warning in &prepared.warnings {
        warn!("{warning}");
    }
}

fn thread(name: &'static str, source: std::io::Error) -> RunError {
    RunError::Thread { name, source }
}
