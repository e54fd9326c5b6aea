//! What the kernel is known to hold. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evenkeel_core::model::{IpvsTimeouts, ServiceKey};
use evenkeel_core::state::{BackendId, ServiceState, State};
use evenkeel_ipvs::Key;
use ipnet::{IpNet, Ipv4Net};

use super::held::{Held, Services};
use super::helper::all_helpers;
use super::plan::IpvsPlan;
use super::read::Found;
use super::rules::{Content, Contents, Meaning};
use super::service;
use super::steps::{self, IpvsStep};

/// What is known of the kernel.
#[derive(Debug)]
pub(super) struct IpvsRecord {
    pub(super) services: Services,
    /// Whose a backend's number is.
    owners: HashMap<BackendId, ServiceKey>,
    /// Others' services.
    pub(super) others: BTreeSet<Key>,
    /// What the verdicts on connections of queued services find.
    pub(super) helpers: BTreeMap<Key, Held>,
    pub(super) rules: Contents,
    /// What the rules come to.
    pub(super) meaning: Meaning,
    /// Rules and helpers are as we would have made them.
    pub(super) sound: bool,
    /// All times, whoever has set them.
    pub(super) timeouts: IpvsTimeouts,
    /// Those that this process has set.
    ours: IpvsTimeouts,
}

impl IpvsRecord {
    /// `ours`: the times that this process has set.
    pub(super) fn new(found: Found, rules: Contents, ours: IpvsTimeouts) -> Self {
        let mut record = Self {
            services: Services::new(),
            owners: HashMap::new(),
            others: found.others,
            helpers: found.helpers,
            meaning: Meaning::of(&rules),
            rules,
            sound: true,
            timeouts: found.timeouts,
            ours: ours.of(found.timeouts),
        };
        for (key, held) in found.services {
            record.put(key, held);
        }
        record.sound = record.is_sound();
        record
    }

    /// What is missing, odd or left over shows.
    fn is_sound(&self) -> bool {
        let mut named = self.meaning.snat.iter().chain(self.meaning.queues.keys());
        let expected = all_helpers(&self.services, &self.meaning);
        self.rules.iter().all(|(place, it)| it.is_sound(*place))
            && named.all(|key| self.services.contains_key(key))
            && expected.len() == self.helpers.len()
            && expected.iter().all(|(key, then)| {
                let now = self.helpers.get(key);
                now.is_some() && steps::between(now, Some(then)).is_empty()
            })
    }

    fn put(&mut self, key: ServiceKey, held: Held) {
        self.remove(&key);
        let numbers = held.servers.values().map(|server| (server.id, key));
        self.owners.extend(numbers);
        self.services.insert(key, held);
    }

    fn remove(&mut self, key: &ServiceKey) {
        let held = self.services.remove(key);
        for server in held.iter().flat_map(|it| it.servers.values()) {
            // A number that has moved to another service is that one's.
            if self.owners.get(&server.id) == Some(key) {
                self.owners.remove(&server.id);
            }
        }
    }

    /// Whose a backend's number is.
    pub(super) fn owner(&self, id: BackendId) -> Option<ServiceKey> {
        self.owners.get(&id).copied()
    }

    /// The times that this process has set.
    pub(super) fn ours(&self) -> IpvsTimeouts {
        self.ours
    }

    /// All that is ours in IPVS.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        self.services.values().chain(self.helpers.values())
    }

    /// What it comes to for who uses it.
    pub(super) fn state(&self) -> State {
        let one = |(key, held): (&ServiceKey, &Held)| {
            let state = ServiceState {
                snat: self.meaning.snat.contains(key),
                queue: self.meaning.queues.get(key).copied(),
                ..service::state(held)
            };
            (*key, state)
        };
        let mut hairpin = self.meaning.hairpin.clone();
        if !self.sound {
            hairpin.extend(foreign());
        }
        State {
            services: self.services.iter().map(one).collect(),
            hairpin,
            timeouts: self.ours,
            ..State::default()
        }
    }

    /// The plan has been carried out.
    pub(super) fn done(&mut self, plan: IpvsPlan) {
        for (key, then) in plan.services {
            match then {
                Some(held) => self.put(key, held),
                None => self.remove(&key),
            }
        }
        for (key, then) in plan.helpers {
            match then {
                Some(held) => self.helpers.insert(key, held),
                None => self.helpers.remove(&key),
            };
        }
        self.rules.extend(plan.rules);
        self.rules
            .retain(|_, content| *content != Content::default());
        self.meaning = plan.meaning;
        self.sound = true;
        self.timeouts = plan.timeouts.or(self.timeouts);
        self.ours = plan.timeouts.or(self.ours);
    }

    /// The steps that remove all that is ours.
    pub(super) fn clear(&self) -> Vec<IpvsStep> {
        let rules = self.rules.iter().map(|(place, now)| IpvsStep::Rules {
            place: *place,
            now: now.clone(),
            then: Content::default(),
        });
        let held = self.held().cloned().map(IpvsStep::DeleteService);
        rules.chain(held).collect()
    }
}

/// A network that nobody can want: so what is not as we would have made it differs from everything.
fn foreign() -> Option<IpNet> {
    Ipv4Net::new([0, 0, 0, 1].into(), 0).ok().map(IpNet::from)
}
