//! What is known of the services, as plain values. What a status page makes of them, and in which words, is the
//! driver's: so its form can stay as it is whatever becomes of these types.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::second::SecondScheduler;
use super::second_report::SecondReport;
use super::server::RealServer;
use super::service::VirtualService;
use crate::approximate::{self, KernelScheduler};
use crate::connections::Counts;
use crate::health::ServerHealth;
use crate::manifest::Decision;
use crate::metrics::Metric;
use crate::model::{DataPlaneKind, Forward, Persistence, ServerRole, ServiceKey};
use crate::pool::Duty;
use crate::slow_start;
use crate::state::{BackendId, Selector, ServiceState, Spread, Subject};
use crate::sync::KernelSync;

/// A virtual service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceReport {
    /// The service.
    pub key: ServiceKey,
    /// Its name.
    pub name: String,
    /// The scheduler plugin's name.
    pub scheduler: String,
    /// The scheduler plugin's version.
    pub scheduler_version: String,
    /// What is wrong with the scheduler.
    pub scheduler_problem: Option<String>,
    /// What the scheduler counts and gauges under names of its own.
    pub scheduler_metrics: BTreeMap<String, Metric>,
    /// How connections are spread meanwhile.
    pub scheduler_meanwhile: Option<String>,
    /// Why the scheduler's last plan was refused, although the scheduler goes on: the one before stays.
    pub plan_refused: Option<String>,
    /// How many plans were taken in since the service came: the number of the last good one. 0: none was yet.
    pub plan: u64,
    /// When that was; `None`: there is none.
    pub planned_at: Option<Instant>,
    /// Why another scheduler, which was to take over, did not.
    pub successor_problem: Option<String>,
    /// The scheduler that is tried beside it.
    pub second: Option<SecondReport>,
    /// Why the kernel refuses the service, which is there as it was before, or not at all.
    pub kernel_problem: Option<String>,
    /// Which slot of the plan a new connection takes; `None` where new connections are refused.
    pub selector: Option<Selector>,
    /// Where the plan is one of groups: each group and who is led to it, a line for each.
    pub groups: Vec<String>,
    /// How many slots the plan in force has.
    pub slots: usize,
    /// How the data plane follows the plan, where it cannot to the letter: a sentence.
    pub followed: Option<String>,
    /// Whether the service is one of full NAT.
    pub snat: bool,
    /// How the scheduler's decisions are followed.
    pub decision: Decision,
    /// Whether the verdicts on its connections are being given, and the kernel is to ask for them.
    pub queue_served: bool,
    /// How its clients are remembered.
    pub persistence: Option<Persistence>,
    /// Whether the servers that are up are enough for its quorum.
    pub quorum: bool,
    /// The real servers, in the order of the configuration.
    pub servers: Vec<ServerReport>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerReport {
    /// Its number.
    pub id: BackendId,
    /// Its name.
    pub name: String,
    /// Where connections are sent.
    pub address: SocketAddr,
    /// How they get there.
    pub forward: Forward,
    /// The weight as configured.
    pub weight: u32,
    /// The weight as used: less what the checkers take from it. 0 while down.
    pub effective_weight: u32,
    /// Whether it takes connections.
    pub state: ServerState,
    /// What its checks say; `None`: it has none.
    pub health: Option<ServerHealth>,
    /// Its connections, while they are counted.
    pub counts: Counts,
    /// Whether it takes no new connections because of its upper threshold.
    pub full: bool,
    /// What it is in its service.
    pub role: ServerRole,
    /// What part of its weight it has, in percent, while it has just come back.
    pub slow_start: Option<u32>,
}

/// Whether a real server takes connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// It does.
    Up,
    /// It has failed.
    Down,
    /// Up, but without new connections: its weight is 0.
    Drain,
    /// Up, but without new connections: it is at its upper threshold.
    Full,
    /// Up, but without new connections: it is a backup or sorry server that is not needed, or gives way to the sorry
    /// server.
    Standby,
    /// It has failed, and gets connections all the same, since all have.
    Forced,
}

pub(super) fn service(
    service: &VirtualService,
    kind: DataPlaneKind,
    sync: &KernelSync,
) -> ServiceReport {
    let spec = &service.spec;
    let state = sync.wanted().services.get(&spec.key);
    let spread = state.map(|state| &state.spread);
    let name = |id: BackendId| {
        let server = service.servers.iter().find(|it| it.id == id);
        server.map_or_else(|| id.to_string(), |it| it.spec.name.clone())
    };
    let (selector, groups) = match spread {
        Some(Spread::Slots { selector, .. }) => (Some(*selector), Vec::new()),
        Some(Spread::Groups(groups)) => (None, groups.lines(name)),
        Some(Spread::Refuse) | None => (None, Vec::new()),
    };
    let slots = spread.map_or(0, Spread::len);
    ServiceReport {
        key: spec.key,
        name: spec.name.clone(),
        scheduler: service.supervisor.name().to_owned(),
        scheduler_version: service.supervisor.version().to_owned(),
        scheduler_problem: service.problem.clone(),
        scheduler_metrics: service.supervisor.metrics(),
        scheduler_meanwhile: service
            .problem
            .as_ref()
            .map(|_| service.meanwhile().to_owned()),
        plan_refused: service.plan_refused.clone(),
        plan: service.plans,
        planned_at: service.planned_at,
        successor_problem: service.refused.as_ref().map(|it| it.problem.clone()),
        second: service.second.as_deref().map(SecondScheduler::report),
        kernel_problem: sync.refusal(&Subject::Service(spec.key)).map(str::to_owned),
        selector,
        groups,
        slots,
        followed: state.and_then(|held| followed(service, kind, held)),
        snat: spec.snat,
        decision: service.supervisor.decision(),
        queue_served: service.queue_served,
        persistence: spec.persistence,
        quorum: service.quorum.reached(),
        servers: service.servers.iter().map(server).collect(),
    }
}

/// How IPVS follows the plan.
fn followed(service: &VirtualService, kind: DataPlaneKind, held: &ServiceState) -> Option<String> {
    if kind != DataPlaneKind::Ipvs {
        return None;
    }
    let scheduler = KernelScheduler::of(&held.spread)?;
    let fidelity = approximate::fidelity(&service.wanted(kind).spread, &held.spread);
    Some(format!(
        "the plan is followed by IPVS's {}: {fidelity}",
        scheduler.name()
    ))
}

fn server(server: &RealServer) -> ServerReport {
    let weight = if server.up() || server.duty == Duty::Forced {
        server.weight().div_ceil(server.scale.max(1))
    } else {
        0
    };
    let state = match (server.up(), weight) {
        (false, _) if server.duty == Duty::Forced => ServerState::Forced,
        (false, _) => ServerState::Down,
        (true, 0) if server.duty == Duty::Waits => ServerState::Standby,
        (true, 0) if server.full => ServerState::Full,
        (true, 0) => ServerState::Drain,
        (true, _) => ServerState::Up,
    };
    ServerReport {
        id: server.id,
        name: server.spec.name.clone(),
        address: server.spec.address,
        forward: server.spec.forward,
        weight: server.spec.weight,
        effective_weight: weight,
        state,
        health: server.health.clone(),
        counts: server.counts(),
        full: server.full,
        role: server.spec.role,
        slow_start: server.steps.map(|steps| steps * 100 / slow_start::STEPS),
    }
}
