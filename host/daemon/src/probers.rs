//! The probers of all servers, kept over reloads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use evenkeel_core::health::{ServerHealth, Standing};
use evenkeel_core::model::ServiceKey;
use tokio::sync::mpsc;

use crate::director::Input;
use crate::prepare::{ReadyCheck, ServerChecks};
use crate::prober::{HealthEvent, ProbeCheck, ProbeSpec, Prober};

type Id = (ServiceKey, SocketAddr);

/// See the module's documentation.
pub(crate) struct Probers {
    servers: BTreeMap<Id, Checked>,
    /// Services whose checks rest.
    suspended: BTreeSet<ServiceKey>,
    events: mpsc::Sender<HealthEvent>,
}

struct Checked {
    server: ServerChecks,
    work: Work,
}

enum Work {
    Running(Prober),
    /// With what was known when the checks were suspended.
    Resting(Option<Standing>, ServerHealth),
}

impl Work {
    fn resting(prober: &Prober) -> Self {
        Self::Resting(prober.standing(), prober.snapshot())
    }

    fn standing(&self) -> Option<Standing> {
        match self {
            Self::Running(prober) => prober.standing(),
            Self::Resting(standing, _) => standing.clone(),
        }
    }
}

impl Probers {
    /// None yet. What they notice is sent to `events`.
    pub(crate) fn new(events: mpsc::Sender<HealthEvent>) -> Self {
        Self {
            servers: BTreeMap::new(),
            suspended: BTreeSet::new(),
            events,
        }
    }

    /// Starts and ends probers so that these checks are run and no others. A server whose checks changed keeps its standing; one
    /// that is new starts with what `found` knows of it.
    pub(crate) fn configure(
        &mut self,
        wanted: Vec<ServerChecks>,
        found: impl Fn(&ServiceKey, SocketAddr) -> Option<Standing>,
    ) {
        let mut old = std::mem::take(&mut self.servers);
        for server in wanted {
            let id = (server.service, server.server);
            let initial = match old.remove(&id) {
                Some(checked) if checked.server.checks == server.checks => {
                    self.servers.insert(id, checked);
                    continue;
                }
                Some(checked) => checked.work.standing(),
                None => found(&server.service, server.server),
            };
            let prober = self.start(&server, initial);
            let work = if self.suspended.contains(&id.0) {
                Work::resting(&prober)
            } else {
                Work::Running(prober)
            };
            self.servers.insert(id, Checked { server, work });
        }
    }

    /// Lets the checks of these services rest, and no others. Their servers stay as they were last found.
    pub(crate) fn suspend(&mut self, services: BTreeSet<ServiceKey>) {
        if services == self.suspended {
            return;
        }
        self.suspended = services;
        let mut servers = std::mem::take(&mut self.servers);
        for (id, checked) in &mut servers {
            match (&checked.work, self.suspended.contains(&id.0)) {
                (Work::Running(prober), true) => {
                    checked.work = Work::resting(prober);
                }
                (Work::Resting(standing, _), false) => {
                    checked.work = Work::Running(self.start(&checked.server, standing.clone()));
                }
                (Work::Running(_), false) | (Work::Resting(..), true) => {}
            }
        }
        self.servers = servers;
    }

    /// The services whose checks rest.
    pub(crate) fn suspended(&self) -> &BTreeSet<ServiceKey> {
        &self.suspended
    }

    /// How every server is now.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = Input> {
        self.servers
            .iter()
            .map(|((service, server), checked)| Input::Health {
                service: *service,
                server: *server,
                health: match &checked.work {
                    Work::Running(prober) => prober.snapshot(),
                    Work::Resting(_, health) => health.clone(),
                },
            })
    }

    fn start(&self, server: &ServerChecks, initial: Option<Standing>) -> Prober {
        let spec = ProbeSpec {
            service_name: server.service_name.clone(),
            service: server.service,
            server_name: server.server_name.clone(),
            server: server.server,
            checks: server.checks.iter().map(probe_check).collect(),
            initial,
        };
        Prober::start(spec, self.events.clone())
    }
}

fn probe_check(check: &ReadyCheck) -> ProbeCheck {
    ProbeCheck {
        checker: std::sync::Arc::clone(&check.checker),
        plugin: check.plugin.clone(),
        target: check.target,
        timing: check.timing,
    }
}
