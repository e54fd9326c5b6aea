//! From what the kernel holds and what is wanted to a plan. Pure.

use std::collections::BTreeMap;

use evenkeel_core::model::{IpvsTimeouts, ServiceKey};
use evenkeel_ipvs::Key;

use super::counting::places;
use super::held::Held;
use super::helper::{all_helpers, helpers_of, refusals, whole};
use super::plan::IpvsPlan;
use super::record::IpvsRecord;
use super::rules::{Content, Contents, Meaning, Place, Table};
use super::steps::{self, IpvsStep};
use crate::Error;
use crate::check::CheckedChanges;

/// What it takes to make the kernel hold what is wanted.
///
/// # Errors
/// [`Error::Invalid`] for a service that someone else has.
pub(super) fn plan(record: &IpvsRecord, wanted: &CheckedChanges<'_>) -> Result<IpvsPlan, Error> {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    let mut services = Vec::new();
    let mut meaning = record.meaning.clone();
    for (key, service) in &wanted.services {
        let now = record.services.get(key);
        let then = service.map(|service| super::service::wanted(key, service, now));
        if let Some(then) = &then
            && record.others.contains(&then.service.key)
        {
            return Err(Error::Invalid(format!(
                "{key}: another program's IPVS service has this address; remove it (ipvsadm -D)"
            )));
        }
        let steps = if then.is_none() {
            &mut last
        } else {
            &mut first
        };
        steps.extend(steps::between(now, then.as_ref()));
        meaning.snat.remove(key);
        meaning.queues.remove(key);
        if let Some(service) = service {
            if service.snat {
                meaning.snat.insert(*key);
            }
            meaning
                .queues
                .extend(service.queue.map(|queue| (*key, queue)));
        }
        services.push((*key, then));
    }
    if let Some(networks) = wanted.hairpin {
        meaning.hairpin.clone_from(networks);
    }
    if !record.sound {
        let there = |key: &ServiceKey| match wanted.services.get(key) {
            Some(service) => service.is_some(),
            None => record.services.contains_key(key),
        };
        meaning.snat.retain(there);
        meaning.queues.retain(|key, _| there(key));
    }
    let helpers = plan_helpers(record, &services, &meaning);
    for (key, then) in &helpers {
        let steps = if then.is_none() {
            &mut last
        } else {
            &mut first
        };
        steps.extend(steps::between(record.helpers.get(key), then.as_ref()));
    }
    let now = services
        .iter()
        .flat_map(|(key, _)| whole(key, record.services.get(key), &record.meaning));
    let then = services
        .iter()
        .flat_map(|(key, then)| whole(key, then.as_ref(), &meaning));
    let (now, then) = (
        places(&now.collect::<Vec<_>>()),
        places(&then.collect::<Vec<_>>()),
    );
    let rules = plan_rules(record, &meaning);
    let step = |(place, then): (&Place, &Content)| IpvsStep::Rules {
        place: *place,
        now: record.rules.get(place).cloned().unwrap_or_default(),
        then: then.clone(),
    };
    // Full NAT is there before the first connection; who is queued finds the verdicts, and nobody is queued without.
    let of = |table| rules.iter().filter(move |(place, _)| place.table == table);
    let missing = wanted.timeouts.missing(record.timeouts);
    let timeouts = (missing != IpvsTimeouts::default()).then(|| IpvsStep::Timeouts {
        now: missing.of(record.timeouts),
        then: missing,
    });
    let steps = timeouts.into_iter().chain(of(Table::Nat).map(step));
    let steps = steps.chain(first);
    let steps = steps.chain(of(Table::Mangle).map(step)).chain(last);
    let made = |(place, then): &(&Place, &Content)| {
        !then.rules.is_empty() && !record.rules.contains_key(place)
    };
    Ok(IpvsPlan {
        steps: steps.collect(),
        now,
        then,
        tables: rules
            .iter()
            .filter(made)
            .map(|(place, _)| place.table)
            .collect(),
        services,
        helpers,
        meaning,
        rules,
        timeouts: wanted.timeouts,
    })
}

/// The helpers that are to be made, changed or removed.
fn plan_helpers(
    record: &IpvsRecord,
    services: &[(ServiceKey, Option<Held>)],
    meaning: &Meaning,
) -> BTreeMap<Key, Option<Held>> {
    let mut helpers: BTreeMap<Key, Option<Held>> = BTreeMap::new();
    if !record.sound {
        let mut all = record.services.clone();
        for (key, then) in services {
            match then {
                Some(then) => all.insert(*key, then.clone()),
                None => all.remove(key),
            };
        }
        helpers.extend(record.helpers.keys().map(|key| (*key, None)));
        let all = all_helpers(&all, meaning).into_iter();
        helpers.extend(all.map(|(key, held)| (key, Some(held))));
        return helpers;
    }
    for (key, _) in services {
        let now = record.services.get(key).into_iter();
        let now = now.flat_map(|now| helpers_of(key, now, &record.meaning));
        helpers.extend(now.map(|held| (held.service.key, None)));
    }
    helpers.extend(refusals(&record.meaning).map(|held| (held.service.key, None)));
    for (key, then) in services {
        let then = then.iter().flat_map(|then| helpers_of(key, then, meaning));
        helpers.extend(then.map(|held| (held.service.key, Some(held))));
    }
    helpers.extend(refusals(meaning).map(|held| (held.service.key, Some(held))));
    helpers
}

/// The chains that are to be made, changed or removed.
fn plan_rules(record: &IpvsRecord, meaning: &Meaning) -> Contents {
    if record.sound && *meaning == record.meaning {
        return Contents::new();
    }
    let mut rules = meaning.rules();
    let places = Place::ALL.into_iter();
    let places = places.map(|place| {
        let rules = rules.remove(&place).unwrap_or_default();
        (place, Content::with(place, rules))
    });
    let absent = Content::default();
    let differs = |(place, then): &(Place, Content)| {
        let now = record.rules.get(place).unwrap_or(&absent);
        now.rules != then.rules || !now.is_sound(*place)
    };
    places.filter(differs).collect()
}
