//! The probers of all servers, kept over reloads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_core::director::Input;
use evenkeel_core::health::{InitialHealth, ServerHealth};
use evenkeel_core::metrics::Metric;
use evenkeel_core::model::ServiceKey;
use tokio::sync::mpsc;

use crate::check_now::Job;
use crate::own_limits::OwnLimits;
use crate::prepare::{ReadyCheck, ServerChecks};
use crate::prober::{HealthEvent, ProbeCheck, ProbeSpec, Prober, SharedChecks};

type Id = (ServiceKey, SocketAddr);

/// A prober for each server that is checked.
pub(crate) struct Probers {
    servers: BTreeMap<Id, Checked>,
    /// Services whose checks are suspended.
    suspended: BTreeSet<ServiceKey>,
    events: mpsc::Sender<HealthEvent>,
    /// Those that are under way.
    shared: SharedChecks,
    limits: Arc<OwnLimits>,
}

struct Checked {
    server: ServerChecks,
    state: ProbeState,
}

enum ProbeState {
    Running(Prober),
    /// With what was known when the checks were suspended.
    Suspended(Option<InitialHealth>, ServerHealth),
}

impl ProbeState {
    fn suspended(prober: &Prober) -> Self {
        Self::Suspended(prober.handover(), prober.snapshot())
    }

    fn handover(&self) -> Option<InitialHealth> {
        match self {
            Self::Running(prober) => prober.handover(),
            Self::Suspended(initial, _) => initial.clone(),
        }
    }
}

impl Probers {
    /// None yet. What they notice is sent to `events`.
    pub(crate) fn new(events: mpsc::Sender<HealthEvent>, limits: Arc<OwnLimits>) -> Self {
        Self {
            servers: BTreeMap::new(),
            suspended: BTreeSet::new(),
            events,
            shared: SharedChecks::default(),
            limits,
        }
    }

    /// Starts and ends probers so that these checks are run and no others. A server whose checks changed keeps its
    /// health; one that is new starts with what `found` knows of it.
    pub(crate) fn configure(
        &mut self,
        wanted: Vec<ServerChecks>,
        found: impl Fn(&ServiceKey, SocketAddr) -> Option<InitialHealth>,
    ) {
        let mut old = std::mem::take(&mut self.servers);
        for server in wanted {
            let id = (server.service, server.server);
            let initial = match old.remove(&id) {
                Some(checked) if checked.server.is_checked_as(&server) => {
                    self.servers.insert(id, checked);
                    continue;
                }
                Some(checked) => checked.state.handover(),
                None => found(&server.service, server.server),
            };
            let prober = self.start(&server, initial);
            let state = if self.suspended.contains(&id.0) {
                ProbeState::suspended(&prober)
            } else {
                ProbeState::Running(prober)
            };
            self.servers.insert(id, Checked { server, state });
        }
    }

    /// Suspends the checks of these services, and no others. Their servers stay as they were last found.
    pub(crate) fn suspend(&mut self, services: BTreeSet<ServiceKey>) {
        if services == self.suspended {
            return;
        }
        self.suspended = services;
        let mut servers = std::mem::take(&mut self.servers);
        for (id, checked) in &mut servers {
            match (&checked.state, self.suspended.contains(&id.0)) {
                (ProbeState::Running(prober), true) => {
                    checked.state = ProbeState::suspended(prober);
                }
                (ProbeState::Suspended(initial, _), false) => {
                    checked.state =
                        ProbeState::Running(self.start(&checked.server, initial.clone()));
                }
                (ProbeState::Running(_), false) | (ProbeState::Suspended(..), true) => {}
            }
        }
        self.servers = servers;
    }

    /// What is to be run to check a server once; `None`: no such server is checked.
    pub(crate) fn job(&self, service: &ServiceKey, server: SocketAddr) -> Option<Job> {
        let server = &self.servers.get(&(*service, server))?.server;
        Some(Job {
            service: server.service_name.clone(),
            server: server.server_name.clone(),
            address: server.server.to_string(),
            required: server.required,
            checks: server.checks.iter().map(probe_check).collect(),
        })
    }

    /// The services whose checks are suspended.
    pub(crate) fn suspended(&self) -> &BTreeSet<ServiceKey> {
        &self.suspended
    }

    /// What each checker counts and gauges, by the name of its plugin. Those with nothing are left out.
    pub(crate) fn metrics(&self) -> Vec<(String, BTreeMap<String, Metric>)> {
        let checks = self.servers.values().flat_map(|it| &it.server.checks);
        let mut seen = BTreeSet::new();
        checks
            .filter(|check| seen.insert(Arc::as_ptr(&check.checker).cast::<()>()))
            .map(|check| (check.plugin.clone(), check.checker.metrics().all()))
            .filter(|(_, metrics)| !metrics.is_empty())
            .collect()
    }

    /// How every server is now.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = Input> {
        self.servers
            .iter()
            .map(|((service, server), checked)| Input::Health {
                service: *service,
                server: *server,
                health: match &checked.state {
                    ProbeState::Running(prober) => prober.snapshot(),
                    ProbeState::Suspended(_, health) => health.clone(),
                },
            })
    }

    fn start(&self, server: &ServerChecks, initial: Option<InitialHealth>) -> Prober {
        let spec = ProbeSpec {
            service_name: server.service_name.clone(),
            service: server.service,
            server_name: server.server_name.clone(),
            server: server.server,
            required: server.required,
            checks: server.checks.iter().map(probe_check).collect(),
            initial,
            limits: Arc::clone(&self.limits),
        };
        Prober::start(spec, &self.events, &self.shared)
    }
}

fn probe_check(check: &ReadyCheck) -> ProbeCheck {
    ProbeCheck {
        shared: check.shared.clone(),
        checker: Arc::clone(&check.checker),
        plugin: check.plugin.clone(),
        target: check.target,
        timing: check.timing,
    }
}
