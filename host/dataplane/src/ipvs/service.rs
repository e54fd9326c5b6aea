//! A service as the kernel's IPVS holds it, made of what is wanted; and what one in the kernel comes to. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::approximate::KernelScheduler;
use evenkeel_core::model::{self, Persistence, ServiceKey};
use evenkeel_core::state::{Backend, BackendId, ServiceState, Spread};
use evenkeel_ipvs::{Destination, Flags, Forward, Granularity, Service, TunnelKind};

use super::held::{Held, Server};
use super::identity::{OURS, key, tunnel};

/// The scheduler of a service that refuses from its beginning.
const REFUSING: KernelScheduler = KernelScheduler::Wrr;
/// What the scheduler means by its flags.
const SCHEDULER: u32 = 0x38;
/// A service that is wanted, as the kernel is to hold it; `now` is what there is.
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

/// The scheduler there is, where it does the same. To take another one costs the service refused connections; without
/// this, the first of three servers with weights 2, 1 and 1 would cost them by leaving, and by coming back.
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

/// The scheduler's flags. A hash goes past a server that takes no connection only when it is told to (`sh-fallback`,
/// `mh-fallback`); otherwise that server's clients are refused.
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

/// The kernel's scheduler, if it is one by which we approximate plans.
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

/// What a service in the kernel comes to, apart from what other rules do with its connections. What we would not have
/// made shows as something that nobody can want.
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
        backends: backends.into(),
        spread,
        persistence: if sound { persistence } else { Some(FOREIGN) },
        queue: None,
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
