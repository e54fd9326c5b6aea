//! From what the kernel holds to what is wanted: the fewest steps, in an order in which a service that stays is never
//! without its servers; and the steps back. Pure.

use std::fmt;
use std::net::SocketAddr;

use evenkeel_core::model::IpvsTimeouts;
use evenkeel_ipvs::{Destination, Key, Service};

use super::held::Held;
use super::rules::{Content, Place};
use super::service::same;

/// A change of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IpvsStep {
    AddService(Service),
    SetService {
        now: Service,
        then: Service,
    },
    /// With its destinations, which go with it.
    DeleteService(Held),
    Add(Key, Destination),
    Set {
        key: Key,
        now: Destination,
        then: Destination,
    },
    Delete(Key, Destination),
    /// When connections are forgotten.
    Timeouts {
        now: IpvsTimeouts,
        then: IpvsTimeouts,
    },
    /// iptables' rules.
    Rules {
        place: Place,
        now: Content,
        then: Content,
    },
}

impl fmt::Display for IpvsStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(f, "add service {}", service.key),
            Self::SetService { then, .. } => write!(f, "change service {}", then.key),
            Self::DeleteService(held) => write!(f, "remove service {}", held.service.key),
            Self::Add(key, it) => write!(f, "add {} to {key}", it.address),
            Self::Set { key, then, .. } => write!(f, "change {} of {key}", then.address),
            Self::Delete(key, it) => write!(f, "remove {} from {key}", it.address),
            Self::Timeouts { then, .. } => write!(f, "forget connections after {then:?}"),
            Self::Rules { place, .. } => write!(f, "change the chain {}", place.chain()),
        }
    }
}

impl IpvsStep {
    /// The steps that take it back.
    pub(super) fn back(&self) -> Vec<Self> {
        match self.clone() {
            Self::AddService(service) => vec![Self::DeleteService(Held {
                service,
                servers: [].into(),
            })],
            Self::SetService { now, then } => vec![Self::SetService {
                now: then,
                then: now,
            }],
            Self::DeleteService(held) => make(&held),
            Self::Add(key, destination) => vec![Self::Delete(key, destination)],
            Self::Set { key, now, then } => vec![Self::Set {
                key,
                now: then,
                then: now,
            }],
            Self::Delete(key, destination) => vec![Self::Add(key, destination)],
            Self::Timeouts { now, then } => vec![Self::Timeouts {
                now: then,
                then: now,
            }],
            Self::Rules { place, now, then } => vec![Self::Rules {
                place,
                now: then,
                then: Content::with(place, now.rules),
            }],
        }
    }
}

/// The steps that make a service.
fn make(held: &Held) -> Vec<IpvsStep> {
    let key = held.service.key;
    // The kernel puts each before the others, and goes through them from there.
    let servers = in_order(held).into_iter().map(|it| IpvsStep::Add(key, it));
    std::iter::once(IpvsStep::AddService(held.service.clone()))
        .chain(servers)
        .collect()
}

/// The destinations by their numbers: the order of the configuration, at first.
fn in_order(held: &Held) -> Vec<Destination> {
    let mut servers: Vec<_> = held.servers.values().collect();
    servers.sort_by_key(|server| server.id);
    servers.iter().map(|server| server.destination).collect()
}

/// The steps that take a service from what it is to what it is to be.
pub(super) fn between(now: Option<&Held>, then: Option<&Held>) -> Vec<IpvsStep> {
    match (now, then) {
        (None, None) => Vec::new(),
        (None, Some(then)) => make(then),
        (Some(now), None) => vec![IpvsStep::DeleteService(now.clone())],
        (Some(now), Some(then)) => change(now, then),
    }
}

fn change(now: &Held, then: &Held) -> Vec<IpvsStep> {
    let key = then.service.key;
    let there = |address: &SocketAddr| now.servers.get(address).map(|it| it.destination);
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for then in in_order(then) {
        match there(&then.address) {
            None => first.push(IpvsStep::Add(key, then)),
            Some(now) if same(&now, &then) => {}
            Some(now) => {
                // One that ceases to take connections does so when the others have begun to.
                let steps = if then.weight == 0 {
                    &mut last
                } else {
                    &mut first
                };
                steps.push(IpvsStep::Set { key, now, then });
            }
        }
    }
    if now.service != then.service {
        first.push(IpvsStep::SetService {
            now: now.service.clone(),
            then: then.service.clone(),
        });
    }
    first.append(&mut last);
    let gone = now
        .servers
        .iter()
        .filter(|(address, _)| !then.servers.contains_key(*address));
    first.extend(gone.map(|(_, it)| IpvsStep::Delete(key, it.destination)));
    first
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use evenkeel_core::state::BackendId;
    use evenkeel_ipvs::{Family, Flags, Forward, Granularity, Protocol};
    use proptest::prelude::*;

    use super::super::held::Server;
    use super::super::identity::tunnel;
    use super::*;

    fn service(scheduler: bool) -> Service {
        let key = Key::Address {
            protocol: Protocol::TCP,
            address: ([192, 0, 2, 1], 80).into(),
        };
        Service {
            key,
            scheduler: Some(if scheduler { "rr" } else { "wrr" }.into()),
            flags: Flags(0x4500_0000),
            timeout: 0,
            granularity: Granularity::single(Family::V4),
            engine: None,
        }
    }

    prop_compose! {
        fn held()(
            scheduler in any::<bool>(),
            servers in prop::collection::btree_map(1..6_u8, (0..3_u32, 1..9_u32), 0..6),
        ) -> Held {
            let servers = servers.into_iter().map(|(n, (weight, number))| {
                let id = BackendId::new(u32::from(n) * 10 + number).unwrap();
                let address = SocketAddr::from(([10, 0, 0, n], 80));
                let destination = Destination {
                    address, weight, forward: Forward::Masq, upper_threshold: 0, lower_threshold: 0, tunnel: Some(tunnel(id)),
                };
                (address, Server { id, destination })
            });
            Held { service: service(scheduler), servers: servers.collect() }
        }
    }

    type Simulated = BTreeMap<Key, (Service, BTreeMap<SocketAddr, Destination>)>;

    /// What the kernel would do; refuses what it would refuse.
    fn act(kernel: &mut Simulated, step: &IpvsStep) {
        match step.clone() {
            IpvsStep::AddService(it) => {
                assert!(kernel.insert(it.key, (it, BTreeMap::new())).is_none())
            }
            IpvsStep::SetService { then, .. } => {
                let key = then.key;
                kernel.get_mut(&key).unwrap().0 = then;
            }
            IpvsStep::DeleteService(it) => assert!(kernel.remove(&it.service.key).is_some()),
            IpvsStep::Add(key, it) => {
                assert!(
                    kernel
                        .get_mut(&key)
                        .unwrap()
                        .1
                        .insert(it.address, it)
                        .is_none()
                );
            }
            IpvsStep::Set { key, then, .. } => {
                assert!(
                    kernel
                        .get_mut(&key)
                        .unwrap()
                        .1
                        .insert(then.address, then)
                        .is_some()
                );
            }
            IpvsStep::Delete(key, it) => {
                assert!(
                    kernel
                        .get_mut(&key)
                        .unwrap()
                        .1
                        .remove(&it.address)
                        .is_some()
                );
            }
            IpvsStep::Timeouts { .. } | IpvsStep::Rules { .. } => {
                unreachable!("a service has none")
            }
        }
    }

    fn takes(kernel: &Simulated) -> bool {
        kernel
            .values()
            .any(|(_, servers)| servers.values().any(|it| it.weight > 0))
    }

    fn of(held: Option<&Held>) -> Simulated {
        let mut kernel = Simulated::new();
        for step in held.map(make).unwrap_or_default() {
            act(&mut kernel, &step);
        }
        kernel
    }

    proptest! {
        #[test]
        fn steps_lead_where_they_are_to_and_back(now in prop::option::of(held()), then in prop::option::of(held())) {
            let steps = between(now.as_ref(), then.as_ref());
            let mut kernel = of(now.as_ref());
            let (before, after) = (kernel.clone(), of(then.as_ref()));
            let always = takes(&before) && takes(&after);
            for step in &steps {
                act(&mut kernel, step);
                prop_assert!(takes(&kernel) || !always, "no server after {step}");
            }
            prop_assert_eq!(&kernel, &after);
            for step in steps.iter().rev() {
                step.back().iter().for_each(|step| act(&mut kernel, step));
            }
            prop_assert_eq!(&kernel, &before);
            prop_assert_eq!(between(then.as_ref(), then.as_ref()), []);
        }
    }
}
