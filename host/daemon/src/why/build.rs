//! The answer, of what the director and the kernel say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::director::{Decides, NextConnection};
use evenkeel_core::merge;
use evenkeel_core::model::{DataPlaneKind, SecondRole, ServiceKey};
use evenkeel_core::state::BackendId;

use super::look_up::{ClientEntries, Entry};
use super::question::Client;
use super::report::{
    CanaryWhy, ConnectionWhy, NextWhy, PluginWhy, RememberedWhy, ServerWhy, ServiceWhy, ToldWhy,
    Why,
};
use crate::driver::RememberedBy;
use crate::prepare::PluginIdentity;
use crate::status::service::{listen, state_name};

/// What there is to answer from.
pub(crate) struct Sources {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) kind: DataPlaneKind,
    /// A service was asked for by name: the one in `services`.
    pub(crate) named: bool,
    pub(crate) services: Vec<(Decides, Option<Arc<PluginIdentity>>)>,
    pub(crate) entries: ClientEntries,
    /// Of nftables: which services remember the client.
    pub(crate) remembered: RememberedBy,
}

/// What is known of the client in one service.
#[derive(Default)]
struct OfClient {
    connections: Vec<Entry>,
    /// Where it is remembered to have gone, and for how long.
    remembered: Option<(Server, Duration)>,
}

/// How a server is named.
#[derive(Clone, Copy)]
enum Server {
    Number(BackendId),
    Address(std::net::SocketAddr),
}

/// Puts it together.
pub(crate) fn build(sources: Sources) -> Why {
    let Sources {
        now,
        client,
        kind,
        named,
        services,
        entries,
        remembered,
    } = sources;
    let mut known: BTreeMap<ServiceKey, OfClient> = BTreeMap::new();
    for entry in entries.connections {
        known
            .entry(entry.service)
            .or_default()
            .connections
            .push(entry);
    }
    for (entry, expires) in entries.remembered {
        let found = (Server::Address(entry.server), expires);
        known.entry(entry.service).or_default().remembered = Some(found);
    }
    for (key, it) in remembered {
        let found = (Server::Number(it.backend), it.expires);
        known.entry(key).or_default().remembered = Some(found);
    }
    let alone = services.len() == 1;
    let mut answers: Vec<ServiceWhy> = services
        .into_iter()
        .filter_map(|(decides, plugin)| {
            let of_client = known.remove(&decides.report.key);
            // Where nothing is known of the client, one service alone is meant.
            let wanted = of_client.is_some() || alone;
            wanted.then(|| {
                service(
                    &decides,
                    plugin.as_deref(),
                    of_client.unwrap_or_default(),
                    now,
                )
            })
        })
        .collect();
    if !named {
        answers.extend(known.into_iter().map(|(key, it)| not_configured(key, it)));
    }
    Why {
        client: client.to_string(),
        dataplane: kind.to_string(),
        services: answers,
        more: entries.more,
        problem: entries.problem,
    }
}

fn service(
    decides: &Decides,
    plugin: Option<&PluginIdentity>,
    of_client: OfClient,
    now: Instant,
) -> ServiceWhy {
    let report = &decides.report;
    let (protocol, listen) = listen(report.key);
    let name = |server: Server| {
        let mut servers = report.servers.iter();
        let found = servers.find(|it| match server {
            Server::Number(id) => it.id == id,
            Server::Address(address) => it.address == address,
        });
        found.map(|it| it.name.clone())
    };
    let remembered = of_client.remembered.map(|(server, expires)| RememberedWhy {
        server: name(server),
        expires_seconds: expires.as_secs_f64(),
    });
    let connections = of_client.connections.into_iter();
    ServiceWhy {
        service: report.name.clone(),
        listen,
        protocol,
        connections: connections
            .map(|entry| {
                let server = entry
                    .backend
                    .map_or(Server::Address(entry.server), Server::Number);
                connection(&entry, name(server))
            })
            .collect(),
        next: Some(next(decides, remembered.as_ref(), name)),
        remembered,
        plugin: Some(PluginWhy {
            name: report.scheduler.clone(),
            version: report.scheduler_version.clone(),
            sha256: plugin.and_then(|it| it.sha256).map(|it| it.to_string()),
            decision: report.decision.to_string(),
            problem: report.scheduler_problem.clone(),
            plan_refused: report.plan_refused.clone(),
        }),
        canary: canary(decides),
        plan: report.plan,
        plan_seconds: report
            .planned_at
            .map(|at| now.saturating_duration_since(at).as_secs_f64()),
        slots: report.slots,
        elsewhere: decides.elsewhere,
        servers: servers(decides),
    }
}

/// A service that was configured once: its connections go on.
fn not_configured(key: ServiceKey, of_client: OfClient) -> ServiceWhy {
    let (protocol, listen) = listen(key);
    ServiceWhy {
        service: listen.clone(),
        listen,
        protocol,
        connections: of_client
            .connections
            .iter()
            .map(|it| connection(it, None))
            .collect(),
        remembered: of_client.remembered.map(|(_, expires)| RememberedWhy {
            server: None,
            expires_seconds: expires.as_secs_f64(),
        }),
        next: None,
        plugin: None,
        canary: None,
        plan: 0,
        plan_seconds: None,
        slots: 0,
        elsewhere: false,
        servers: Vec::new(),
    }
}

/// The canary whose plan is followed.
fn canary(decides: &Decides) -> Option<CanaryWhy> {
    let second = decides.report.second.as_ref()?;
    let SecondRole::Canary(canary) = second.role else {
        return None;
    };
    let (slots, all_slots) = second.slots;
    let slot = match decides.next {
        NextConnection::Hashed(slot, _) => Some(slot),
        _ => None,
    };
    (slots > 0).then(|| CanaryWhy {
        name: second.scheduler.clone(),
        version: second.version.clone(),
        slots,
        all_slots,
        decides: slot.map(|slot| merge::is_canarys(slot, canary.share)),
    })
}

fn connection(entry: &Entry, server: Option<String>) -> ConnectionWhy {
    ConnectionWhy {
        client: entry.client.to_string(),
        server,
        address: entry.server.to_string(),
        id: entry.backend.map(BackendId::get),
        state: entry.state.clone(),
    }
}

fn next(
    decides: &Decides,
    remembered: Option<&RememberedWhy>,
    name: impl Fn(Server) -> Option<String>,
) -> NextWhy {
    let plain = |how: &str| NextWhy {
        how: how.to_owned(),
        groups: Vec::new(),
        server: None,
        slot: None,
        ipvs_scheduler: None,
    };
    // A server that has gone is chosen anew.
    if let Some(server) = remembered.and_then(|it| it.server.clone()) {
        return NextWhy {
            server: Some(server),
            ..plain("remembered")
        };
    }
    match &decides.next {
        NextConnection::Refused => plain("refused"),
        NextConnection::Asked => plain("asked"),
        NextConnection::Hashed(slot, id) => NextWhy {
            server: name(Server::Number(*id)),
            slot: Some(*slot),
            ..plain("hash")
        },
        NextConnection::Led(led) => NextWhy {
            groups: led.through.clone(),
            server: led.to.and_then(|(_, id)| name(Server::Number(id))),
            slot: led.to.map(|(slot, _)| slot),
            ..plain("groups")
        },
        NextConnection::HashedByPort => plain("hash-port"),
        NextConnection::Turn => plain("turn"),
        NextConnection::Drawn => plain("random"),
        NextConnection::Ipvs(scheduler) => NextWhy {
            ipvs_scheduler: Some(scheduler.name().to_owned()),
            ..plain("ipvs")
        },
    }
}

fn servers(decides: &Decides) -> Vec<ServerWhy> {
    let all: usize = decides.slots.values().sum();
    let asks = decides.facts.any();
    let of = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    let servers = decides.report.servers.iter();
    servers
        .map(|server| ServerWhy {
            name: server.name.clone(),
            address: server.address.to_string(),
            id: server.id.get(),
            weight: server.effective_weight,
            health: state_name(server.state).to_owned(),
            share_percent: match decides.slots.get(&server.id) {
                Some(slots) => 100.0 * of(*slots) / of(all),
                None => 0.0,
            },
            told: decides
                .told
                .get(&server.id)
                .filter(|_| asks)
                .map(|facts| ToldWhy {
                    active: facts.counts.active,
                    inactive: facts.counts.inactive,
                    per_minute: facts.per_minute,
                    failed: facts.failed,
                    bytes: facts.traffic.map(|it| [it.to_backend, it.to_clients]),
                    latency_us: facts
                        .latency
                        .map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX)),
                    signals: (facts.signals.iter())
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                }),
        })
        .collect()
}
