//! What the kernel is known to hold, and what it takes to change it. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evenkeel_core::model::{IpvsTimeouts, ServiceKey};
use evenkeel_core::state::{BackendId, ServiceState, State};
use evenkeel_ipvs::{Family, Key};
use ipnet::{IpNet, Ipv4Net};

use super::counting::{Places, places};
use super::form::{self, Held};
use super::read::{Found, Services};
use super::rules::{Content, Contents, Meaning, Place, Table};
use super::steps::{self, Step};
use crate::Error;
use crate::check::Wanted;

/// What is known of the kernel.
#[derive(Debug)]
pub(super) struct Known {
    services: Services,
    /// Whose a backend's number is.
    owners: HashMap<BackendId, ServiceKey>,
    /// Others' services.
    others: BTreeSet<Key>,
    /// What the answers about services that ask find.
    helpers: BTreeMap<Key, Held>,
    rules: Contents,
    /// What the rules come to.
    meaning: Meaning,
    /// Rules and helpers are as we would have made them.
    sound: bool,
    /// All times, whoever has set them.
    timeouts: IpvsTimeouts,
    /// Those that this process has set.
    ours: IpvsTimeouts,
}

/// What is to be done to what is known.
#[derive(Debug)]
pub(super) struct Plan {
    /// In this order.
    pub(super) steps: Vec<Step>,
    /// Backends' places before and after.
    pub(super) now: Places,
    pub(super) then: Places,
    /// Tables in which a chain is to be made.
    pub(super) tables: BTreeSet<Table>,
    services: Vec<(ServiceKey, Option<Held>)>,
    helpers: BTreeMap<Key, Option<Held>>,
    rules: Contents,
    meaning: Meaning,
    timeouts: IpvsTimeouts,
}

impl Plan {
    /// Whether conntrack has to see the connections.
    pub(super) fn tracks(&self) -> bool {
        !self.meaning.is_empty()
    }
}

impl Known {
    /// `ours`: the times that this process has set.
    pub(super) fn new(found: Found, rules: Contents, ours: IpvsTimeouts) -> Self {
        let mut known = Self {
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
            known.put(key, held);
        }
        known.sound = known.is_sound();
        known
    }

    /// What is missing, odd or left over shows.
    fn is_sound(&self) -> bool {
        let mut named = self.meaning.snat.iter().chain(self.meaning.ask.keys());
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

    pub(super) fn owner(&self, id: BackendId) -> Option<ServiceKey> {
        self.owners.get(&id).copied()
    }

    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    /// The times that this process has set.
    pub(super) fn ours(&self) -> IpvsTimeouts {
        self.ours
    }

    pub(super) fn others(&self) -> &BTreeSet<Key> {
        &self.others
    }

    /// All that is ours in IPVS.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        self.services.values().chain(self.helpers.values())
    }

    /// What it comes to for who uses it.
    pub(super) fn state(&self) -> State {
        let service = |(key, held): (&ServiceKey, &Held)| {
            let state = ServiceState {
                snat: self.meaning.snat.contains(key),
                ask: self.meaning.ask.get(key).copied(),
                ..form::state(held)
            };
            (*key, state)
        };
        let mut hairpin = self.meaning.hairpin.clone();
        if !self.sound {
            hairpin.extend(foreign());
        }
        State {
            services: self.services.iter().map(service).collect(),
            hairpin,
            timeouts: self.ours,
            ..State::default()
        }
    }

    /// What it takes to make the kernel hold what is wanted.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a service that someone else has.
    pub(super) fn plan(&self, wanted: &Wanted<'_>) -> Result<Plan, Error> {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        let mut services = Vec::new();
        let mut meaning = self.meaning.clone();
        for (key, service) in &wanted.services {
            let now = self.services.get(key);
            let then = service.map(|service| form::wanted(key, service, now));
            if let Some(then) = &then
                && self.others.contains(&then.service.key)
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
            meaning.ask.remove(key);
            if let Some(service) = service {
                if service.snat {
                    meaning.snat.insert(*key);
                }
                meaning.ask.extend(service.ask.map(|queue| (*key, queue)));
            }
            services.push((*key, then));
        }
        if let Some(networks) = wanted.hairpin {
            meaning.hairpin.clone_from(networks);
        }
        if !self.sound {
            let there = |key: &ServiceKey| match wanted.services.get(key) {
                Some(service) => service.is_some(),
                None => self.services.contains_key(key),
            };
            meaning.snat.retain(there);
            meaning.ask.retain(|key, _| there(key));
        }
        let helpers = self.plan_helpers(&services, &meaning);
        for (key, then) in &helpers {
            let steps = if then.is_none() {
                &mut last
            } else {
                &mut first
            };
            steps.extend(steps::between(self.helpers.get(key), then.as_ref()));
        }
        let now = services
            .iter()
            .flat_map(|(key, _)| whole(key, self.services.get(key), &self.meaning));
        let then = services
            .iter()
            .flat_map(|(key, then)| whole(key, then.as_ref(), &meaning));
        let (now, then) = (
            places(&now.collect::<Vec<_>>()),
            places(&then.collect::<Vec<_>>()),
        );
        let rules = self.plan_rules(&meaning);
        let step = |(place, then): (&Place, &Content)| Step::Rules {
            place: *place,
            now: self.rules.get(place).cloned().unwrap_or_default(),
            then: then.clone(),
        };
        // Full NAT is there before the first connection; who is asked about finds the answers, and nobody is asked about without.
        let of = |table| rules.iter().filter(move |(place, _)| place.table == table);
        let missing = wanted.timeouts.missing(self.timeouts);
        let timeouts = (missing != IpvsTimeouts::default()).then(|| Step::Timeouts {
            now: missing.of(self.timeouts),
            then: missing,
        });
        let steps = timeouts.into_iter().chain(of(Table::Nat).map(step));
        let steps = steps.chain(first);
        let steps = steps.chain(of(Table::Mangle).map(step)).chain(last);
        let made = |(place, then): &(&Place, &Content)| {
            !then.rules.is_empty() && !self.rules.contains_key(place)
        };
        Ok(Plan {
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
        &self,
        services: &[(ServiceKey, Option<Held>)],
        meaning: &Meaning,
    ) -> BTreeMap<Key, Option<Held>> {
        let mut helpers: BTreeMap<Key, Option<Held>> = BTreeMap::new();
        if !self.sound {
            let mut all = self.services.clone();
            for (key, then) in services {
                match then {
                    Some(then) => all.insert(*key, then.clone()),
                    None => all.remove(key),
                };
            }
            helpers.extend(self.helpers.keys().map(|key| (*key, None)));
            let all = all_helpers(&all, meaning).into_iter();
            helpers.extend(all.map(|(key, held)| (key, Some(held))));
            return helpers;
        }
        for (key, _) in services {
            let now = self.services.get(key).into_iter();
            let now = now.flat_map(|now| helpers_of(key, now, &self.meaning));
            helpers.extend(now.map(|held| (held.service.key, None)));
        }
        helpers.extend(refusals(&self.meaning).map(|held| (held.service.key, None)));
        for (key, then) in services {
            let then = then.iter().flat_map(|then| helpers_of(key, then, meaning));
            helpers.extend(then.map(|held| (held.service.key, Some(held))));
        }
        helpers.extend(refusals(meaning).map(|held| (held.service.key, Some(held))));
        helpers
    }

    /// The chains that are to be made, changed or removed.
    fn plan_rules(&self, meaning: &Meaning) -> Contents {
        if self.sound && *meaning == self.meaning {
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
            let now = self.rules.get(place).unwrap_or(&absent);
            now.rules != then.rules || !now.is_sound(*place)
        };
        places.filter(differs).collect()
    }

    /// The plan has been carried out.
    pub(super) fn done(&mut self, plan: Plan) {
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
    pub(super) fn clear(&self) -> Vec<Step> {
        let rules = self.rules.iter().map(|(place, now)| Step::Rules {
            place: *place,
            now: now.clone(),
            then: Content::default(),
        });
        let held = self.held().cloned().map(Step::DeleteService);
        rules.chain(held).collect()
    }
}

/// The helpers of a service.
fn helpers_of(key: &ServiceKey, held: &Held, meaning: &Meaning) -> Vec<Held> {
    if meaning.ask.contains_key(key) {
        form::helpers(held, meaning.snat.contains(key))
    } else {
        Vec::new()
    }
}

/// What answers that refuse find, for the IP versions of services that ask.
fn refusals(meaning: &Meaning) -> impl Iterator<Item = Held> {
    let families: BTreeSet<Family> = meaning.ask.keys().map(|key| Family::of(key.addr)).collect();
    families.into_iter().filter_map(form::refusal)
}

/// The helpers that these services and rules take.
fn all_helpers(services: &Services, meaning: &Meaning) -> BTreeMap<Key, Held> {
    let asking = meaning
        .ask
        .keys()
        .filter_map(|key| services.get_key_value(key));
    let helpers = asking.flat_map(|(key, held)| helpers_of(key, held, meaning));
    let helpers = helpers.chain(refusals(meaning));
    helpers.map(|held| (held.service.key, held)).collect()
}

/// A service and its helpers.
fn whole(key: &ServiceKey, held: Option<&Held>, meaning: &Meaning) -> Vec<Held> {
    let helpers = held
        .into_iter()
        .flat_map(|held| helpers_of(key, held, meaning));
    held.cloned().into_iter().chain(helpers).collect()
}

/// A network that nobody can want: so what is not as we would have made it differs from everything.
fn foreign() -> Option<IpNet> {
    Ipv4Net::new([0, 0, 0, 1].into(), 0).ok().map(IpNet::from)
}
