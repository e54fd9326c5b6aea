//! The services of IPVS behind a queued service: they turn the mark of a verdict into a backend. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use evenkeel_core::approximate::KernelScheduler;
use evenkeel_core::mark;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::BackendId;
use evenkeel_ipvs::{Destination, Family, Flags, Granularity, Key, Service};

use super::held::{Held, Server, Services};
use super::identity::HELPER;
use super::rules::Meaning;

/// What the daemon's verdicts on a service's connections find: for each backend a service of the verdict's mark, with
/// that backend alone.
fn helpers(held: &Held, snat: bool) -> Vec<Held> {
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

/// What a verdict that refuses finds: a service without servers.
fn refusal(family: Family) -> Option<Held> {
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

/// The backend to whom a verdict of this mark sends connections; `None`: it is no verdict's mark, or one of refusal.
pub(super) fn backend_of_verdict(key: &Key) -> Option<BackendId> {
    match key {
        Key::Fwmark { mark, .. } => {
            let id = BackendId::new(mark.get() & BackendId::MAX)?;
            let marks = [false, true].map(|snat| mark::verdict(Some(id), snat));
            marks.contains(&mark.get()).then_some(id)
        }
        Key::Address { .. } => None,
    }
}

/// The helpers of a service.
pub(super) fn helpers_of(key: &ServiceKey, held: &Held, meaning: &Meaning) -> Vec<Held> {
    if meaning.queues.contains_key(key) {
        helpers(held, meaning.snat.contains(key))
    } else {
        Vec::new()
    }
}

/// What verdicts that refuse find, for the IP versions of queued services.
pub(super) fn refusals(meaning: &Meaning) -> impl Iterator<Item = Held> {
    let families: BTreeSet<Family> = meaning
        .queues
        .keys()
        .map(|key| Family::of(key.addr))
        .collect();
    families.into_iter().filter_map(refusal)
}

/// The helpers that these services and rules take.
pub(super) fn all_helpers(services: &Services, meaning: &Meaning) -> BTreeMap<Key, Held> {
    let queued = meaning
        .queues
        .keys()
        .filter_map(|key| services.get_key_value(key));
    let found = queued.flat_map(|(key, held)| helpers_of(key, held, meaning));
    let found = found.chain(refusals(meaning));
    found.map(|held| (held.service.key, held)).collect()
}

/// A service and its helpers.
pub(super) fn whole(key: &ServiceKey, held: Option<&Held>, meaning: &Meaning) -> Vec<Held> {
    let helpers = held
        .into_iter()
        .flat_map(|held| helpers_of(key, held, meaning));
    held.cloned().into_iter().chain(helpers).collect()
}
