//! The probers of all servers, kept over reloads.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use evenkeel_core::health::Standing;
use evenkeel_core::model::ServiceKey;
use tokio::sync::mpsc;

use crate::director::Input;
use crate::prepare::{ReadyCheck, ServerChecks};
use crate::prober::{HealthEvent, ProbeCheck, ProbeSpec, Prober};

type Id = (ServiceKey, SocketAddr);

/// See the module's documentation.
pub(crate) struct Probers {
    running: BTreeMap<Id, (Vec<ReadyCheck>, Prober)>,
    events: mpsc::Sender<HealthEvent>,
}

impl Probers {
    /// None yet. What they notice is sent to `events`.
    pub(crate) fn new(events: mpsc::Sender<HealthEvent>) -> Self {
        Self {
            running: BTreeMap::new(),
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
        let mut old = std::mem::take(&mut self.running);
        for server in wanted {
            let id = (server.service, server.server);
            let initial = match old.remove(&id) {
                Some((checks, prober)) if checks == server.checks => {
                    self.running.insert(id, (checks, prober));
                    continue;
                }
                Some((_, prober)) => prober.standing(),
                None => found(&server.service, server.server),
            };
            let spec = ProbeSpec {
                service_name: server.service_name,
                service: server.service,
                server_name: server.server_name,
                server: server.server,
                checks: server.checks.iter().map(probe_check).collect(),
                initial,
            };
            self.running.insert(
                id,
                (server.checks, Prober::start(spec, self.events.clone())),
            );
        }
    }

    /// How every server is now.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = Input> {
        self.running
            .iter()
            .map(|((service, server), (_, prober))| Input::Health {
                service: *service,
                server: *server,
                health: prober.snapshot(),
            })
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
