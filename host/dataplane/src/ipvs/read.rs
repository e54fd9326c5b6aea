//! What is in the kernel, told apart by who made it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use evenkeel_core::model::{IpvsTimeouts, ServiceKey};
use evenkeel_core::state::BackendId;
use evenkeel_ipvs::{Client, Destination, Flags, Key, Service};

use super::held::{Held, Server, Services};
use super::helper::backend_of_verdict;
use super::identity::{self, Owner};
use super::timeouts;

/// All of IPVS.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) services: Services,
    /// What belongs to queued services.
    pub(super) helpers: BTreeMap<Key, Held>,
    /// Others' services.
    pub(super) others: BTreeSet<Key>,
    /// When connections are forgotten.
    pub(super) timeouts: IpvsTimeouts,
}

/// Reads all of it; `known` is what was there when it was last looked at.
pub(super) fn read(client: &mut Client, known: &Services) -> Result<Found, evenkeel_ipvs::Error> {
    let mut found = Found {
        timeouts: timeouts::read(client)?,
        ..Found::default()
    };
    let mut raw: BTreeMap<ServiceKey, (Service, Vec<Destination>)> = BTreeMap::new();
    for entry in client.services()? {
        let service = plain(entry.service);
        let key = service.key;
        let destinations = destinations(client, &key)?;
        let owner = owner(&service, &destinations);
        let name = identity::service_key(&key).filter(|_| owner == Owner::Service);
        if let Some(name) = name {
            raw.insert(name, (service, destinations));
        } else if owner == Owner::Helper {
            // One that refuses has none; what someone has put there is to be seen.
            let id = backend_of_verdict(&key).or(BackendId::new(BackendId::MAX));
            let servers = destinations
                .into_iter()
                .filter_map(|destination| {
                    let id = id?;
                    Some((destination.address, Server { id, destination }))
                })
                .collect();
            found.helpers.insert(key, Held { service, servers });
        } else {
            found.others.insert(key);
        }
    }
    found.services = numbered(raw, known);
    Ok(found)
}

/// Who made a service. One whose flags someone has replaced (`ipvsadm -E` replaces all of them) is ours by its servers'
/// numbers.
fn owner(service: &Service, destinations: &[Destination]) -> Owner {
    let owner = identity::owner(service.flags);
    let mut numbers = destinations
        .iter()
        .filter_map(|it| identity::number(it.tunnel.as_ref()?));
    match (owner, numbers.next()) {
        (Owner::Other, Some(id)) if backend_of_verdict(&service.key) == Some(id) => Owner::Helper,
        (Owner::Other, Some(_)) => Owner::Service,
        _ => owner,
    }
}

/// Without the flag that is the kernel's own.
fn plain(service: Service) -> Service {
    let flags = Flags(service.flags.0 & !Flags::HASHED.0);
    Service { flags, ..service }
}

fn destinations(client: &mut Client, key: &Key) -> Result<Vec<Destination>, evenkeel_ipvs::Error> {
    let entries = client.destinations(key)?.into_iter();
    Ok(entries.map(|entry| entry.destination).collect())
}

/// Gives every destination a number: the one that it keeps, if no other has it; where the kernel keeps none, the one
/// that it was known by; otherwise one above all others, the same at every look.
fn numbered(raw: BTreeMap<ServiceKey, (Service, Vec<Destination>)>, known: &Services) -> Services {
    let mut taken = BTreeSet::new();
    let mut numbers: BTreeMap<(ServiceKey, SocketAddr), BackendId> = BTreeMap::new();
    let mut sorted = raw;
    for (key, (_, destinations)) in &mut sorted {
        destinations.sort_by_key(|destination| destination.address);
        for destination in destinations.iter() {
            let before = || known.get(key)?.servers.get(&destination.address);
            let id = match &destination.tunnel {
                Some(tunnel) => identity::number(tunnel),
                None => before().map(|server| server.id),
            };
            if let Some(id) = id.filter(|id| taken.insert(*id)) {
                numbers.insert((*key, destination.address), id);
            }
        }
    }
    let mut services = Services::new();
    for (key, (service, destinations)) in sorted {
        let mut servers = BTreeMap::new();
        for destination in destinations {
            let address = destination.address;
            let id = numbers.get(&(key, address)).copied();
            // All numbers are taken only where there are as many servers.
            let Some(id) = id.or_else(|| free(&taken)) else {
                continue;
            };
            taken.insert(id);
            servers.insert(address, Server { id, destination });
        }
        services.insert(key, Held { service, servers });
    }
    services
}

/// The number after the greatest that is taken, or else the lowest that is not.
fn free(taken: &BTreeSet<BackendId>) -> Option<BackendId> {
    let last = taken.last().map_or(0, |id| id.get());
    BackendId::new(last + 1).or_else(|| {
        (1..=BackendId::MAX)
            .filter_map(BackendId::new)
            .find(|id| !taken.contains(id))
    })
}

#[cfg(test)]
mod tests {
    use evenkeel_core::model::Protocol;
    use evenkeel_ipvs::{Family, Forward, Granularity};

    use super::*;

    fn id(n: u32) -> BackendId {
        BackendId::new(n).unwrap()
    }

    fn name(port: u16) -> ServiceKey {
        ServiceKey {
            addr: [192, 0, 2, 1].into(),
            port,
            protocol: Protocol::Tcp,
        }
    }

    /// Services by port, with servers by the last byte of the address and the number that is kept (0: none is).
    fn raw(
        services: &[(u16, &[(u8, u32)])],
        keeps: bool,
    ) -> BTreeMap<ServiceKey, (Service, Vec<Destination>)> {
        let destination = |(n, number): &(u8, u32)| Destination {
            address: ([10, 0, 0, *n], 80).into(),
            forward: Forward::Masq,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel: keeps.then(|| {
                BackendId::new(*number)
                    .map(identity::tunnel)
                    .unwrap_or_default()
            }),
        };
        let service = |port| Service {
            key: identity::key(&name(port)),
            scheduler: Some("rr".into()),
            flags: Flags(0x4500_0000),
            timeout: 0,
            granularity: Granularity::single(Family::V4),
            engine: None,
        };
        let services = services.iter();
        services
            .map(|(port, servers)| {
                let servers = servers.iter().map(destination).collect();
                (name(*port), (service(*port), servers))
            })
            .collect()
    }

    fn ids(services: &Services, port: u16) -> Vec<u32> {
        let held = &services[&name(port)];
        held.servers
            .values()
            .map(|server| server.id.get())
            .collect()
    }

    #[test]
    fn numbers_are_those_that_are_kept_and_no_two_are_the_same() {
        let services = [(80, &[(1, 7), (2, 0), (3, 7)][..]), (81, &[(1, 7), (2, 5)])];
        let found = numbered(raw(&services, true), &Services::new());
        assert_eq!(ids(&found, 80), [7, 8, 9]);
        assert_eq!(ids(&found, 81), [10, 5]);
    }

    #[test]
    fn a_kernel_that_keeps_none_gives_those_known_before() {
        let services = [(80, &[(1, 0), (2, 0)][..]), (81, &[(1, 0)])];
        let first = numbered(raw(&services, false), &Services::new());
        assert_eq!((ids(&first, 80), ids(&first, 81)), (vec![1, 2], vec![3]));
        let more = [
            (79, &[(9, 0)][..]),
            (80, &[(1, 0), (2, 0)]),
            (81, &[(1, 0)]),
        ];
        let second = numbered(raw(&more, false), &first);
        assert_eq!((ids(&second, 80), ids(&second, 81)), (vec![1, 2], vec![3]));
        assert_eq!(ids(&second, 79), [4]);
    }

    #[test]
    fn the_greatest_number_is_followed_by_the_lowest_free_one() {
        let services = [(80, &[(1, BackendId::MAX), (2, 0), (3, 1)][..])];
        let found = numbered(raw(&services, true), &Services::new());
        assert_eq!(ids(&found, 80), [BackendId::MAX, 2, 1]);
        assert_eq!(
            found[&name(80)].servers.values().map(|it| it.id).max(),
            Some(id(BackendId::MAX))
        );
    }
}
