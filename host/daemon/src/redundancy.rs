//! The other director: VRRP's driver, what it watches and whom it tells.
//!
//! ```text
//!  watchers (scripts, files, processes) --readings--+
//!  director (quorums, ready) -----------------------+--> Vrrp (a thread of its own) --events--> App
//!  control socket (resign, resume) -----------------+                                     |
//!                                       notify scripts, the log, checks that rest <-------+
//! ```

mod roles;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_addresses::AddressManager;
use evenkeel_core::model::{self, ServiceKey, Tracked};
use evenkeel_core::scheduler::DirectorRole;
use evenkeel_core::vrrp::{Command, Notified, Reading};
use evenkeel_vrrp::{Notifier, Vrrp, VrrpEvent, VrrpStatus, Watchers};
use tokio::sync::mpsc;
use tracing::error;

use crate::vrrp_log;
use roles::Roles;

/// How often the driver hears that the main loop moves. It wants to at least once a second.
const ALIVE_INTERVAL: Duration = Duration::from_millis(500);
/// How long the end waits for what the driver has said last.
const LAST_EVENTS_TIMEOUT: Duration = Duration::from_secs(1);

/// VRRP, as far as one is configured.
pub(crate) struct Redundancy {
    addresses: AddressManager,
    config: model::Vrrp,
    /// Whether there has been a configuration yet.
    configured: bool,
    /// There once an instance is configured.
    driver: Option<Vrrp>,
    /// Why it is not there although it should be.
    problem: Option<String>,
    to_events: mpsc::UnboundedSender<VrrpEvent>,
    /// When the driver is told again that the main loop moves.
    alive_due: Option<Instant>,
    watchers: Watchers,
    notifier: Notifier,
    /// How everything tracked is, for a driver that is started later.
    readings: BTreeMap<Tracked, Reading>,
    ready: bool,
    /// The virtual addresses that are on this director; `None`: not known yet.
    here: Option<BTreeSet<IpAddr>>,
    roles: Roles,
}

/// What the daemon has to receive.
pub(crate) struct Receivers {
    /// Of the driver.
    pub(crate) events: mpsc::UnboundedReceiver<VrrpEvent>,
    /// Of the watchers.
    pub(crate) readings: mpsc::UnboundedReceiver<(Tracked, Reading)>,
}

impl Redundancy {
    /// Nothing is configured yet. Call it inside a tokio runtime.
    pub(crate) fn new(addresses: AddressManager) -> (Self, Receivers) {
        let (to_events, events) = vrrp_log::relay();
        let (to_readings, readings) = mpsc::unbounded_channel();
        let redundancy = Self {
            addresses,
            config: model::Vrrp::default(),
            configured: false,
            driver: None,
            problem: None,
            to_events,
            alive_due: None,
            watchers: Watchers::start(to_readings),
            notifier: Notifier::start(),
            readings: BTreeMap::new(),
            ready: false,
            here: None,
            roles: Roles::default(),
        };
        (redundancy, Receivers { events, readings })
    }

    /// What is configured now.
    pub(crate) fn configure(&mut self, config: &model::Vrrp) {
        let first = !std::mem::replace(&mut self.configured, true);
        if first && config.instances.is_empty() {
            // A daemon with VRRP before this one may have left something.
            self.addresses.flush_vrrp();
        }
        if *config == self.config && (self.driver.is_some() || config.instances.is_empty()) {
            return;
        }
        self.roles.configure(&self.config, config);
        self.config = config.clone();
        match &self.driver {
            Some(driver) => driver.configure(config.clone()),
            None if config.instances.is_empty() => {}
            None => self.start(),
        }
        self.watchers.configure(config);
        let tracked: BTreeSet<&Tracked> = config
            .instances
            .iter()
            .flat_map(|instance| &instance.track)
            .map(|track| &track.what)
            .collect();
        self.readings
            .retain(|what, _| matches!(what, Tracked::Service(_)) || tracked.contains(what));
    }

    fn start(&mut self) {
        let driver = match Vrrp::start(self.config.clone(), &self.addresses, self.to_events.clone())
        {
            Ok(driver) => driver,
            Err(error) => {
                error!(%error, "VRRP cannot start: this director will not become master");
                self.problem = Some(error.to_string());
                return;
            }
        };
        self.problem = None;
        for (what, reading) in &self.readings {
            driver.tracked(what.clone(), *reading);
        }
        if self.ready {
            driver.ready();
        }
        self.driver = Some(driver);
    }

    /// The data plane holds what is configured: this director may become master.
    pub(crate) fn ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true)
            && let Some(driver) = &self.driver
        {
            driver.ready();
        }
    }

    /// The main loop moves.
    pub(crate) fn alive(&mut self, now: Instant) {
        if let Some(driver) = &self.driver
            && self.alive_due.is_none_or(|at| now >= at)
        {
            driver.alive();
            self.alive_due = Some(now + ALIVE_INTERVAL);
        }
    }

    /// When to call [`Self::alive`] although nothing happens.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.alive_due
    }

    /// How something tracked is.
    pub(crate) fn tracked(&mut self, what: Tracked, reading: Reading) {
        if self.readings.insert(what.clone(), reading) == Some(reading) {
            return;
        }
        if let Some(driver) = &self.driver {
            driver.tracked(what, reading);
        }
    }

    /// Does what an operator wants.
    ///
    /// # Errors
    /// As text, when there is no such instance or group.
    pub(crate) fn command(&self, name: Option<String>, command: Command) -> Result<(), String> {
        let Some(driver) = &self.driver else {
            return Err(self.problem.clone().map_or_else(
                || "no VRRP instance is configured".to_owned(),
                |problem| format!("VRRP does not run: {problem}"),
            ));
        };
        let Some(name) = name else {
            driver.command(None, command);
            return Ok(());
        };
        // A group's members do everything together, so that any of them stands for all.
        let group = self.config.groups.iter().find(|group| group.name == name);
        let instance = match group.and_then(|group| group.members.first()) {
            Some(first) => first.clone(),
            None => name,
        };
        let mut names = self.config.instances.iter().map(|known| &known.name);
        if names.any(|known| *known == instance) {
            driver.command(Some(instance), command);
            return Ok(());
        }
        let known: Vec<&str> = self
            .config
            .instances
            .iter()
            .map(|known| known.name.as_str())
            .chain(self.config.groups.iter().map(|group| group.name.as_str()))
            .collect();
        Err(format!(
            "no VRRP instance or sync group {instance:?}; there is: {}",
            known.join(", ")
        ))
    }

    /// Takes in what the driver says. Returns whether other addresses are here than before, or are about to be.
    pub(crate) fn handle(&mut self, event: VrrpEvent) -> bool {
        match event {
            // Written already.
            VrrpEvent::Log(_) => {}
            VrrpEvent::Notify {
                group,
                name,
                state,
                priority,
            } => {
                if !group {
                    self.roles.told(&self.config, &name, state);
                }
                let mut instances = self.config.instances.iter();
                let mut groups = self.config.groups.iter();
                let notify = if group {
                    groups.find(|it| it.name == name).map(|it| &it.notify)
                } else {
                    instances.find(|it| it.name == name).map(|it| &it.notify)
                };
                if let Some(notify) = notify {
                    self.notifier.tell(notify, group, &name, state, priority);
                }
                // Its addresses come, and clients with them, before it is known that they are here.
                return !group && state == Notified::Master;
            }
            VrrpEvent::Here(addresses) => {
                return self.here.replace(addresses) != self.here;
            }
        }
        false
    }

    /// Has a command of a service, or of one of its servers, run. `last`: since the daemon ends.
    pub(crate) fn run(&mut self, of: &str, command: Vec<String>, last: bool) {
        self.notifier.run(of, command, last);
    }

    /// Of the services whose checks may rest, which ones' do: those whose address is an instance's and not here.
    pub(crate) fn suspended(&self, may_rest: &[model::Service]) -> BTreeSet<ServiceKey> {
        let here = self.here.as_ref();
        let keys = may_rest.iter().map(|service| &service.key);
        self.not_among(|addr| here.is_some_and(|here| here.contains(addr)), keys)
    }

    /// Of these services, those whose address is on another director: an instance's, and neither here nor about to be,
    /// since the instance has become master. None before it is known which addresses are here: an earlier daemon may
    /// have left them.
    pub(crate) fn elsewhere<'a>(
        &self,
        services: impl Iterator<Item = &'a ServiceKey>,
    ) -> BTreeSet<ServiceKey> {
        match &self.here {
            Some(here) => {
                let coming = self.coming();
                let is_here = |addr: &IpAddr| here.contains(addr) || coming.contains(addr);
                self.not_among(is_here, services)
            }
            None => BTreeSet::new(),
        }
    }

    /// The addresses of those instances that have told that they are master.
    fn coming(&self) -> BTreeSet<IpAddr> {
        let instances = self.config.instances.iter();
        let masters = instances.filter(|it| self.roles.get(&it.name) == Some(Notified::Master));
        let addresses = masters.flat_map(|instance| &instance.addresses);
        addresses.map(|address| address.addr).collect()
    }

    /// This director's role for each of these services whose address is an instance's. Backup until it is known which
    /// addresses are here.
    pub(crate) fn roles<'a>(
        &self,
        services: impl Iterator<Item = &'a ServiceKey>,
    ) -> BTreeMap<ServiceKey, DirectorRole> {
        let services: Vec<&ServiceKey> = services.collect();
        let ours = self.not_among(|_| false, services.iter().copied());
        let role = |key: &ServiceKey| match &self.here {
            Some(here) if here.contains(&key.addr) => DirectorRole::Master,
            Some(_) | None => DirectorRole::Backup,
        };
        ours.into_iter().map(|key| (key, role(&key))).collect()
    }

    /// Those services whose address is an instance's and not here.
    fn not_among<'a>(
        &self,
        is_here: impl Fn(&IpAddr) -> bool,
        services: impl Iterator<Item = &'a ServiceKey>,
    ) -> BTreeSet<ServiceKey> {
        let instances = self.config.instances.iter();
        let addresses = instances.flat_map(|instance| &instance.addresses);
        let virtual_ones: BTreeSet<IpAddr> = addresses.map(|address| address.addr).collect();
        services
            .filter(|key| virtual_ones.contains(&key.addr) && !is_here(&key.addr))
            .copied()
            .collect()
    }

    /// The state of an instance, once it has told one.
    pub(crate) fn state(&self, instance: &str) -> Option<Notified> {
        self.roles.get(instance)
    }

    /// How VRRP is; `None` where none is configured.
    pub(crate) fn status(&self) -> Option<VrrpStatus> {
        self.driver.as_ref().map(Vrrp::status)
    }

    /// What is configured.
    pub(crate) fn config(&self) -> &model::Vrrp {
        &self.config
    }

    /// Why VRRP does not run although it is configured.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Hands over to the other director, and runs the notify scripts of that.
    pub(crate) async fn stop(mut self, mut events: mpsc::UnboundedReceiver<VrrpEvent>) {
        if let Some(driver) = self.driver.take() {
            let mut stopping = std::pin::pin!(driver.stop());
            loop {
                tokio::select! {
                    () = &mut stopping => break,
                    Some(event) = events.recv() => {
                        self.handle(event);
                    }
                }
            }
        }
        // Nobody sends any more, so that they have an end.
        self.to_events = mpsc::unbounded_channel().0;
        while let Ok(Some(event)) = tokio::time::timeout(LAST_EVENTS_TIMEOUT, events.recv()).await {
            self.handle(event);
        }
        self.notifier.finish().await;
    }
}
