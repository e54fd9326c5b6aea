//! A service as the kernel's IPVS holds it, and what that comes to. Pure.
//!
//! - A service is ours by its flags' high byte, which means nothing to the kernel and is kept by it.
//! - A backend's number is kept in the port and flags of its tunnel, which the kernel (5.3) keeps for every destination and uses for
//!   tunnels of other kinds than IP in IP only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::follow::KernelScheduler;
use evenkeel_core::mark;
use evenkeel_core::model::{self, Persistence, ServiceKey};
use evenkeel_core::state::{Backend, BackendId, ServiceState, Spread};
use evenkeel_ipvs::{
    Destination, Family, Flags, Forward, Granularity, Key, Protocol, Service, Tunnel, TunnelKind,
};

/// Where a service's flags say whose it is.
const OWNER: u32 = 0xff00_0000;
/// The high byte of a service of ours.
const OURS: u32 = 0x4500_0000;
/// The high byte of what belongs to a service that asks.
const HELPER: u32 = 0x4600_0000;
/// The scheduler of a service that refuses from its beginning.
const REFUSING: KernelScheduler = KernelScheduler::Wrr;
/// What the scheduler means by its flags.
const SCHEDULER: u32 = 0x38;
/// Bits of a backend's number in the tunnel's port.
const LOW: u32 = 16;

/// What a service's flags say of who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// We: it is a service.
    Service,
    /// We: it belongs to a service that asks.
    Helper,
    /// Someone else.
    Other,
}

/// Who made a service.
pub(super) fn owner(flags: Flags) -> Owner {
    match flags.0 & OWNER {
        OURS => Owner::Service,
        HELPER => Owner::Helper,
        _ => Owner::Other,
    }
}

/// A service in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The service, without [`Flags::HASHED`].
    pub(super) service: Service,
    /// Its destinations.
    pub(super) servers: BTreeMap<SocketAddr, Server>,
}

/// A destination in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    /// The number that it has, or is taken to have.
    pub(super) id: BackendId,
    pub(super) destination: Destination,
}

/// The kernel's name of a service.
pub(super) fn key(key: &ServiceKey) -> Key {
    let family = Family::of(key.addr);
    match key.protocol {
        model::Protocol::Fwmark(mark) => Key::Fwmark { mark, family },
        protocol => Key::Address {
            protocol: Protocol(protocol.number().into()),
            address: key.socket_addr(),
        },
    }
}

/// The service of this name; `None`: we have none of that protocol.
pub(super) fn service_key(key: &Key) -> Option<ServiceKey> {
    Some(match key {
        Key::Fwmark { mark, family } => ServiceKey {
            addr: match family {
                Family::V4 => [0; 4].into(),
                Family::V6 => [0_u8; 16].into(),
            },
            port: 0,
            protocol: model::Protocol::Fwmark(*mark),
        },
        Key::Address { protocol, address } => ServiceKey {
            addr: address.ip(),
            port: address.port(),
            protocol: match *protocol {
                Protocol::TCP => model::Protocol::Tcp,
                Protocol::UDP => model::Protocol::Udp,
                Protocol::SCTP => model::Protocol::Sctp,
                _ => return None,
            },
        },
    })
}

/// What a tunnel says that keeps this number.
pub(super) fn tunnel(id: BackendId) -> Tunnel {
    let [_, high, _, _] = id.get().to_be_bytes();
    Tunnel {
        kind: TunnelKind::Ipip,
        port: u16::try_from(id.get() & 0xffff).unwrap_or(0),
        flags: high.into(),
    }
}

/// The number that a tunnel keeps; `None`: it is not one of ours.
pub(super) fn number(tunnel: &Tunnel) -> Option<BackendId> {
    let id = BackendId::new(u32::from(tunnel.flags) << LOW | u32::from(tunnel.port))?;
    (tunnel.kind == TunnelKind::Ipip).then_some(id)
}

/// The kernel's form of a service that is wanted; `now` is what there is.
pub(super) fn wanted(name: &ServiceKey, state: &ServiceState, now: Option<&Held>) -> Held {
    let key = key(name);
    let family = key.family();
    let (scheduler, of_scheduler) = match KernelScheduler::of(&state.spread) {
        Some(scheduler) => {
            let scheduler = kept(scheduler, state, now);
            let flags = flags(scheduler, state.backends.values());
            (Some(scheduler.name().to_owned()), flags)
        }
        // Which scheduler refuses does not matter.
        None => now.map_or_else(
            || (Some(REFUSING.name().to_owned()), 0),
            |now| {
                let flags = now.service.flags.0 & SCHEDULER;
                (now.service.scheduler.clone(), flags)
            },
        ),
    };
    let persistent = state.persistence.map_or(0, |_| Flags::PERSISTENT.0);
    let secs = |it: Persistence| u32::try_from(it.timeout.as_secs()).unwrap_or(u32::MAX);
    let granularity = state.persistence.map_or_else(
        || Granularity::single(family),
        |it| Granularity::new(family, it.prefix),
    );
    let server = |(id, backend): (&BackendId, &Backend)| {
        let destination = destination(*id, backend);
        let id = *id;
        (backend.address, Server { id, destination })
    };
    Held {
        service: Service {
            key,
            scheduler,
            flags: Flags(OURS | persistent | of_scheduler),
            timeout: state.persistence.map_or(0, secs),
            granularity,
            engine: None,
        },
        servers: state.backends.iter().map(server).collect(),
    }
}

/// The scheduler there is, where it does the same. To take another one costs the service refused connections; without this, the first of
/// three servers with weights 2, 1 and 1 would cost them by leaving, and by coming back.
fn kept(scheduler: KernelScheduler, state: &ServiceState, now: Option<&Held>) -> KernelScheduler {
    let mut weights = state.backends.values().map(|it| it.weight);
    let first = weights.find(|weight| *weight > 0);
    let equal = weights.all(|weight| weight == 0 || Some(weight) == first);
    let there = now.and_then(|now| self::scheduler(&now.service));
    match (scheduler, there) {
        (KernelScheduler::Rr, Some(KernelScheduler::Wrr)) if equal => KernelScheduler::Wrr,
        _ => scheduler,
    }
}

/// What the daemon's answers about a service's connections find: for each backend a service of the answer's mark, with that backend alone.
pub(super) fn helpers(held: &Held, snat: bool) -> Vec<Held> {
    let family = held.service.key.family();
    let helper = |server: &Server| {
        let destination = Destination {
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            ..server.destination
        };
        let server = Server {
            destination,
            ..*server
        };
        let servers = [(destination.address, server)].into();
        helper(mark::verdict(Some(server.id), snat), family, servers)
    };
    held.servers.values().filter_map(helper).collect()
}

/// What an answer that refuses finds: a service without servers.
pub(super) fn refusal(family: Family) -> Option<Held> {
    helper(mark::verdict(None, false), family, BTreeMap::new())
}

fn helper(mark: u32, family: Family, servers: BTreeMap<SocketAddr, Server>) -> Option<Held> {
    let service = Service {
        key: Key::Fwmark {
            mark: mark.try_into().ok()?,
            family,
        },
        scheduler: Some(KernelScheduler::Rr.name().to_owned()),
        flags: Flags(HELPER),
        timeout: 0,
        granularity: Granularity::single(family),
        engine: None,
    };
    Some(Held { service, servers })
}

/// The backend to whom an answer of this mark sends connections; `None`: it is no answer's mark, or one of refusal.
pub(super) fn answered(key: &Key) -> Option<BackendId> {
    match key {
        Key::Fwmark { mark, .. } => {
            let id = BackendId::new(mark.get() & BackendId::MAX)?;
            let marks = [false, true].map(|snat| mark::verdict(Some(id), snat));
            marks.contains(&mark.get()).then_some(id)
        }
        Key::Address { .. } => None,
    }
}

fn destination(id: BackendId, backend: &Backend) -> Destination {
    Destination {
        address: backend.address,
        forward: match backend.forward {
            model::Forward::Nat => Forward::Masq,
            model::Forward::Dr => Forward::Route,
            model::Forward::Tun => Forward::Tunnel,
        },
        weight: backend.weight,
        upper_threshold: backend.upper_threshold,
        lower_threshold: backend.lower_threshold,
        tunnel: Some(tunnel(id)),
    }
}

/// The scheduler's flags. A hash goes past a server that takes no connection only when it is told to (`sh-fallback`, `mh-fallback`);
/// otherwise that server's clients are refused.
fn flags<'a>(scheduler: KernelScheduler, mut backends: impl Iterator<Item = &'a Backend>) -> u32 {
    let port = match scheduler {
        KernelScheduler::Rr | KernelScheduler::Wrr => return 0,
        KernelScheduler::Sh { port } | KernelScheduler::Mh { port } => port,
    };
    let port = if port { Flags::SCHEDULER_2.0 } else { 0 };
    let rests = |backend: &Backend| backend.weight == 0 || backend.upper_threshold > 0;
    if backends.any(rests) {
        port | Flags::SCHEDULER_1.0
    } else {
        port
    }
}

/// The kernel's scheduler, if it is one by which we follow plans.
fn scheduler(service: &Service) -> Option<KernelScheduler> {
    let port = service.flags.has(Flags::SCHEDULER_2);
    match service.scheduler.as_deref()? {
        "rr" => Some(KernelScheduler::Rr),
        "wrr" => Some(KernelScheduler::Wrr),
        "sh" => Some(KernelScheduler::Sh { port }),
        "mh" => Some(KernelScheduler::Mh { port }),
        _ => None,
    }
}

/// A persistence that nobody can want: so what is not as we would have made it differs from everything.
const FOREIGN: Persistence = Persistence {
    timeout: Duration::ZERO,
    prefix: 0,
};

/// What a service in the kernel comes to, apart from what other rules do with its connections. What we would not have made shows as
/// something that nobody can want.
pub(super) fn state(held: &Held) -> ServiceState {
    let service = &held.service;
    let backends: BTreeMap<BackendId, Backend> = held
        .servers
        .values()
        .map(|server| (server.id, backend(&server.destination)))
        .collect();
    let weights: BTreeMap<BackendId, u32> =
        backends.iter().map(|(id, it)| (*id, it.weight)).collect();
    let takes = weights.values().any(|weight| *weight > 0);
    let scheduler = scheduler(service).filter(|_| takes);
    // Weights without slots are what nobody can want, too.
    let spread = scheduler.map_or(Spread::Refuse, |it| it.spread(&weights));
    let family = service.key.family();
    let persistent = service.flags.has(Flags::PERSISTENT);
    let persistence = persistent.then(|| Persistence {
        timeout: Duration::from_secs(service.timeout.into()),
        prefix: service.granularity.bits().unwrap_or(0),
    });
    let sound = service.engine.is_none()
        && (persistent || service.granularity == Granularity::single(family))
        && (persistent || service.timeout == 0);
    let known = match scheduler {
        Some(it) => flags(it, backends.values()),
        None => service.flags.0 & SCHEDULER,
    };
    let persistent = if persistent { Flags::PERSISTENT.0 } else { 0 };
    let sound = sound && service.flags.0 == OURS | known | persistent;
    ServiceState {
        snat: false,
        backends,
        spread,
        persistence: if sound { persistence } else { Some(FOREIGN) },
        ask: None,
    }
}

fn backend(destination: &Destination) -> Backend {
    let forward = match destination.forward {
        Forward::Masq => Some(model::Forward::Nat),
        Forward::Route => Some(model::Forward::Dr),
        Forward::Tunnel => Some(model::Forward::Tun),
        Forward::Local | Forward::Bypass | Forward::Other(_) => None,
    };
    let kind = destination.tunnel.unwrap_or_default().kind;
    let sound = forward.is_some() && kind == TunnelKind::Ipip;
    Backend {
        address: destination.address,
        forward: forward.unwrap_or_default(),
        weight: destination.weight,
        upper_threshold: destination.upper_threshold,
        // Above the upper one, which cannot be wanted.
        lower_threshold: if sound {
            destination.lower_threshold
        } else {
            u32::MAX
        },
    }
}

/// Whether the kernel's destination is as wanted. One that was read from a kernel before 5.3 says nothing of tunnels.
pub(super) fn same(now: &Destination, then: &Destination) -> bool {
    let tunnel = now.tunnel.and(then.tunnel);
    Destination { tunnel, ..*then } == *now
}

#[cfg(test)]
mod tests;
