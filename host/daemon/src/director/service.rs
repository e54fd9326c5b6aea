//! One virtual service as the director keeps it: its configuration, its servers' health, and its scheduler's last good plan.

use evenkeel_core::desired::{self, Usable};
use evenkeel_core::health::ServerHealth;
use evenkeel_core::model::{Server, Service};
use evenkeel_core::quorum::Quorum;
use evenkeel_core::state::{BackendId, ServiceState, Spread};
use evenkeel_runtime::Backend;

use super::Effect;
use super::seat::Seat;

/// See the module's documentation.
pub(crate) struct VirtualService {
    pub(crate) spec: Service,
    pub(crate) seat: Seat,
    pub(crate) servers: Vec<RealServer>,
    /// The last plan that could be used, laid out.
    pub(crate) last_good: Option<Spread>,
    /// The servers that the plan under way is made for.
    pub(crate) asked_about: Vec<Usable>,
    /// What is wrong with the scheduler.
    pub(crate) problem: Option<String>,
    pub(crate) quorum: Quorum,
}

/// A real server of a virtual service.
pub(crate) struct RealServer {
    pub(crate) spec: Server,
    pub(crate) id: BackendId,
    /// `None`: it has no checks and is always taken as up.
    pub(crate) health: Option<ServerHealth>,
}

impl RealServer {
    pub(crate) fn up(&self) -> bool {
        self.health.as_ref().is_none_or(|health| health.up)
    }

    /// The weight now: the configured one, less what the checkers take from it.
    pub(crate) fn weight(&self) -> u32 {
        self.health
            .as_ref()
            .map_or(self.spec.weight, |health| health.weight(self.spec.weight))
    }
}

impl VirtualService {
    /// Whether it has its quorum, as its servers are now.
    pub(crate) fn quorum_now(&mut self) -> Effect {
        self.quorum.update(&self.spec, live_weight(&self.servers));
        Effect::Quorum {
            service: self.spec.name.clone(),
            reached: self.quorum.reached(),
        }
    }

    /// What the kernel should hold.
    pub(crate) fn wanted(&self) -> ServiceState {
        desired::service_state(
            self.spec.snat,
            &usable(&self.servers),
            self.last_good.as_ref(),
        )
    }

    /// Takes in a health report. Returns whether anything changed for the kernel, or `None` when there is no such server.
    pub(crate) fn set_health(
        &mut self,
        address: std::net::SocketAddr,
        health: ServerHealth,
    ) -> Option<HealthChange> {
        let server = self
            .servers
            .iter_mut()
            .find(|server| server.spec.address == address)?;
        let before = (server.up(), server.weight());
        server.health = Some(health);
        let after = (server.up(), server.weight());
        Some(HealthChange {
            id: server.id,
            went_down: before.0 && !after.0,
            takes_less: after.1 < before.1,
            changed: before != after,
        })
    }
}

/// The sum of the weights of the servers that are up.
pub(super) fn live_weight(servers: &[RealServer]) -> u64 {
    servers
        .iter()
        .filter(|server| server.up())
        .map(|server| u64::from(server.weight()))
        .sum()
}

/// The servers that are up.
pub(super) fn usable(servers: &[RealServer]) -> Vec<Usable> {
    servers
        .iter()
        .filter(|server| server.up())
        .map(|server| Usable {
            id: server.id,
            address: server.spec.address,
            weight: server.weight(),
        })
        .collect()
}

/// The same as the scheduler sees them.
pub(super) fn backends(servers: &[RealServer]) -> Vec<Backend> {
    servers
        .iter()
        .filter(|server| server.up())
        .map(|server| Backend {
            id: server.id,
            name: server.spec.name.clone(),
            address: server.spec.address,
            weight: server.weight(),
            facts: evenkeel_runtime::BackendFacts::default(),
            labels: server
                .spec
                .labels
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
        .collect()
}

/// What a health report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HealthChange {
    pub(crate) id: BackendId,
    pub(crate) went_down: bool,
    pub(crate) takes_less: bool,
    pub(crate) changed: bool,
}
