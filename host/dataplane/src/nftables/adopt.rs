//! From what was found in our table to a layout: what an earlier process left is gone on with. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use evenkeel_core::groups::{Clients, Group, Groups};
use evenkeel_core::mark::{clients_key, group};
use evenkeel_core::model::{Persistence, ServiceKey};
use evenkeel_core::plan::MAX_SLOTS;
use evenkeel_core::state::{Backend, BackendId, Queue, ServiceState, Spread};
use ipnet::IpNet;

use super::chain::{ChainRole, ServiceChain};
use super::chain_numbers::ChainNumbers;
use super::element::Element;
use super::expression::Family;
use super::group_rules::GroupRules;
use super::layout::{Layout, hairpin_elements};
use super::placed_service::{PlacedService, backend, mark};
use super::queue::QueueChain;
use super::raw_rule::RawRule;
use super::read::TableContents;
use super::service_chain::ServiceOptions;
use super::slot_rule::SlotChoice;
use super::slot_rules::SlotRules;
use super::slots::Range;

/// The layout of what was found, or why it is none that we could have made.
pub(super) fn adopt(found: &TableContents) -> Result<Layout, String> {
    if let Some(strange) = &found.strange {
        return Err(strange.clone());
    }
    let contents = Contents::sort(&found.elements)?;
    if contents.chains() != found.chains.len() {
        return Err("services and chains do not match".to_owned());
    }
    if found.base.is_hooked() == contents.queues.is_empty() {
        return Err(
            "the hooks of the queues are there without a queued service, or it without them"
                .to_owned(),
        );
    }
    let mut bases: Vec<u32> = Vec::new();
    let mut services = BTreeMap::new();
    for (chain, key) in &contents.services {
        let rules = rules_of(found, ChainRole::Slots, *chain);
        let rules = SlotRules::parse(rules, Family::of(key.addr))
            .ok_or_else(|| format!("the rules of {key} were changed"))?;
        bases.extend(rules.base());
        let options = contents.options(found, *key, *chain)?;
        services.insert(*key, (*chain, rules, options));
    }
    if contents
        .queues
        .keys()
        .any(|chain| !contents.services.contains_key(chain))
    {
        return Err("there is a queue's chain without a service".to_owned());
    }
    bases.sort_unstable();
    let mut layout = Layout {
        hairpin: contents.hairpin()?,
        chains: ChainNumbers::adopt(&contents.services.keys().copied().collect()),
        queued: contents.queues.len(),
        offload: found.offload.clone(),
        gone: found.base.answers_for_gone(),
        ..Layout::default()
    };
    let mut used = 0;
    for (key, (chain, rules, (persistence, queue))) in services {
        let mut held = contents
            .held(chain, &rules, &bases)
            .map_err(|why| format!("{key}: {why}"))?;
        held.state.persistence = persistence;
        held.state.queue = queue;
        if let Some(range) = held.range {
            used += range.slots().len();
            if !layout.slots.take(range) {
                return Err(format!("{key}: its slots are another's too"));
            }
        }
        for id in held.state.backends.keys() {
            if layout.owners.insert(*id, key).is_some() {
                return Err(format!("{key}: backend {id} is there twice"));
            }
        }
        layout.services.insert(key, held);
    }
    if used != contents.slots.len() || layout.owners.len() != contents.backends_len {
        return Err("there are slots or backends of no service".to_owned());
    }
    layout.strays = contents.strays(&layout);
    Ok(layout)
}

/// The rules of one of a service's chains.
fn rules_of(found: &TableContents, role: ChainRole, number: u32) -> &[RawRule] {
    found
        .chains
        .get(&ServiceChain { role, number })
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Elements by what they are.
#[derive(Debug, Default)]
struct Contents {
    services: BTreeMap<u32, ServiceKey>,
    /// Numbers of the chains of services that have a chain of options.
    options: BTreeSet<u32>,
    queues: BTreeMap<u32, ServiceKey>,
    slots: HashMap<u32, u32>,
    /// Mark and address, by chain.
    backends: HashMap<u32, Vec<(u32, std::net::SocketAddr)>>,
    backends_len: usize,
    networks: Vec<Element>,
    /// By the service's key.
    clients: HashMap<u32, Vec<Clients>>,
}

impl Contents {
    fn sort(elements: &[Element]) -> Result<Self, String> {
        let mut contents = Self::default();
        for element in elements {
            match element {
                Element::Service { key, chain } => {
                    if chain.role == ChainRole::Options {
                        contents.options.insert(chain.number);
                    }
                    if contents.services.insert(chain.number, *key).is_some() {
                        return Err(format!("{key} has another service's chain"));
                    }
                }
                Element::Queue { key, chain } => {
                    if contents.queues.insert(chain.number, *key).is_some() {
                        return Err(format!("{key} is queued by another service's chain"));
                    }
                }
                Element::Slot { slot, mark } => {
                    contents.slots.insert(*slot, *mark);
                }
                Element::Backend {
                    mark, to, chain, ..
                } => {
                    contents
                        .backends
                        .entry(*chain)
                        .or_default()
                        .push((*mark, *to));
                    contents.backends_len += 1;
                }
                Element::Hairpin(_) | Element::Inner(_) => contents.networks.push(*element),
                Element::Clients { key, clients } => {
                    contents.clients.entry(*key).or_default().push(*clients);
                }
            }
        }
        contents.clients.values_mut().for_each(|it| it.sort());
        Ok(contents)
    }

    /// How many chains these services have.
    fn chains(&self) -> usize {
        self.services.len() + self.options.len() + self.queues.len()
    }

    /// A service's persistence and queue.
    fn options(
        &self,
        found: &TableContents,
        key: ServiceKey,
        chain: u32,
    ) -> Result<(Option<Persistence>, Option<Queue>), String> {
        let family = Family::of(key.addr);
        let queued = self.queues.get(&chain);
        if queued.is_some_and(|other| *other != key) {
            return Err(format!("{key} is queued by another service's chain"));
        }
        let options = if self.options.contains(&chain) {
            let rules = rules_of(found, ChainRole::Options, chain);
            ServiceOptions::parse(rules, family, chain)
                .ok_or_else(|| format!("the rules around the choice of {key} were changed"))?
        } else {
            ServiceOptions {
                persistence: None,
                queued: false,
            }
        };
        if options.queued != queued.is_some() {
            return Err(format!("the way of {key} to its queue was changed"));
        }
        let queue = match queued {
            None => None,
            Some(_) => {
                let rules = rules_of(found, ChainRole::Queue, chain);
                let queue = QueueChain::parse(rules, family, options.persistence)
                    .ok_or_else(|| format!("the rules by which {key} is queued were changed"))?;
                Some(queue)
            }
        };
        Ok((options.persistence, queue))
    }

    /// The clients of no service's groups.
    fn strays(&self, layout: &Layout) -> Vec<Element> {
        let services = layout.services.values();
        let known: HashSet<Element> = services.flat_map(PlacedService::clients).collect();
        self.clients
            .iter()
            .flat_map(|(key, clients)| clients.iter().map(|clients| (*key, *clients)))
            .map(|(key, clients)| Element::Clients { key, clients })
            .filter(|element| !known.contains(element))
            .collect()
    }

    fn hairpin(&self) -> Result<BTreeSet<IpNet>, String> {
        let networks: BTreeSet<IpNet> = self
            .networks
            .iter()
            .filter_map(|element| match element {
                Element::Hairpin(net) | Element::Inner(net) => Some(*net),
                _ => None,
            })
            .collect();
        let wanted = hairpin_elements(&networks);
        let same = wanted.len() == self.networks.len()
            && wanted.iter().all(|element| self.networks.contains(element));
        if same {
            Ok(networks)
        } else {
            Err("the hairpin networks were changed".to_owned())
        }
    }

    fn held(&self, chain: u32, rules: &SlotRules, bases: &[u32]) -> Result<PlacedService, String> {
        let snat = rules.snat();
        let mut backends = BTreeMap::new();
        for (found, to) in self
            .backends
            .get(&chain)
            .map(Vec::as_slice)
            .unwrap_or_default()
        {
            let id = backend(*found).filter(|id| mark(*id, snat) == *found);
            let Some(id) = id else {
                return Err(format!("the mark {found:#x} was changed"));
            };
            backends.insert(id, Backend::from(*to));
        }
        let mut turn = false;
        let (spread, range) = match rules {
            SlotRules::One(rule) => match rule.choice {
                SlotChoice::Refuse => (Spread::Refuse, None),
                SlotChoice::Slot {
                    selector,
                    count,
                    base,
                } => {
                    let slots = self.plan(snat, count, base)?;
                    let range = self.range(count, base, bases)?;
                    (Spread::Slots { selector, slots }, Some(range))
                }
            },
            SlotRules::Groups(rules) => {
                if let Some(key) = rules.key {
                    turn = [false, true]
                        .into_iter()
                        .find(|turn| clients_key(chain, *turn) == key)
                        .ok_or("the key of its clients was changed")?;
                }
                let (groups, range) = self.groups(rules, bases)?;
                (Spread::Groups(groups), Some(range))
            }
        };
        if spread.servers().iter().any(|id| !backends.contains_key(id)) {
            return Err("a slot is of a backend that is not there".to_owned());
        }
        Ok(PlacedService {
            state: ServiceState {
                snat,
                backends: backends.into(),
                spread,
                persistence: None,
                queue: None,
            },
            chain,
            range,
            turn,
        })
    }

    /// The groups of a service, and the range of all their slots.
    fn groups(&self, rules: &GroupRules, bases: &[u32]) -> Result<(Groups, Range), String> {
        let mut next = rules.base;
        let mut groups = Vec::new();
        for (number, rule) in rules.groups.iter().enumerate() {
            let group = match rule.choice {
                SlotChoice::Refuse => Group::Refuse,
                SlotChoice::Slot { base, .. } if base != next => {
                    return Err("the slots of its groups are not one after the other".to_owned());
                }
                SlotChoice::Slot {
                    selector,
                    count,
                    base,
                } => {
                    next = base.saturating_add(count);
                    if rule.split {
                        let slots = self.split(number, rules.groups.len(), count, base)?;
                        Group::Split { selector, slots }
                    } else {
                        let slots = self.plan(rules.snat, count, base)?;
                        Group::Servers { selector, slots }
                    }
                }
            };
            groups.push(group);
        }
        let clients = rules.key.and_then(|key| self.clients.get(&key));
        let clients = clients.cloned().unwrap_or_default();
        let wrong = |it: &Clients| it.group == 0 || it.group >= groups.len();
        if clients.is_empty() == rules.key.is_some() || clients.iter().any(wrong) {
            return Err("the clients of its groups were changed".to_owned());
        }
        let range = match next - rules.base {
            0 => return Err("none of its groups has slots".to_owned()),
            count => self.range(count, rules.base, bases)?,
        };
        Ok((Groups { groups, clients }, range))
    }

    /// The groups that `count` slots of group `number` lead to.
    fn split(
        &self,
        number: usize,
        groups: usize,
        count: u32,
        base: u32,
    ) -> Result<Vec<usize>, String> {
        self.marks(count, base)?
            .into_iter()
            .map(|mark| group(mark).filter(|to| *to > number && *to < groups))
            .collect::<Option<_>>()
            .ok_or_else(|| "a slot of a group was changed".to_owned())
    }

    /// The backends of `count` slots from `base` on.
    fn plan(&self, snat: bool, count: u32, base: u32) -> Result<Vec<BackendId>, String> {
        self.marks(count, base)?
            .into_iter()
            .map(|found| backend(found).filter(|id| mark(*id, snat) == found))
            .collect::<Option<_>>()
            .ok_or_else(|| "a slot was changed".to_owned())
    }

    /// What `count` slots from `base` on lead to.
    fn marks(&self, count: u32, base: u32) -> Result<Vec<u32>, String> {
        if count == 0 || usize::try_from(count).is_ok_and(|count| count > MAX_SLOTS) {
            return Err(format!("{count} slots"));
        }
        (0..count)
            .map(|n| self.slots.get(&base.checked_add(n)?).copied())
            .collect::<Option<_>>()
            .ok_or_else(|| "a slot is missing".to_owned())
    }

    /// The whole range that begins at `base`: as long as slots go on repeating the plan, up to the next service's.
    fn range(&self, count: u32, base: u32, bases: &[u32]) -> Result<Range, String> {
        let next = bases
            .get(bases.partition_point(|other| *other <= base))
            .copied();
        let filled = |from: u32, to: u32| {
            (from..to).all(|n| {
                let first = self.slots.get(&(base + n % count));
                first.is_some() && first == self.slots.get(&(base + n))
            })
        };
        let mut capacity = count.next_power_of_two();
        let whole = Range::at(base, capacity).filter(|_| filled(count, capacity));
        let Some(mut range) = whole else {
            return Err("the slots behind the plan are missing or were changed".to_owned());
        };
        while let Some(larger) = Range::at(base, capacity.saturating_mul(2)) {
            let room = next.is_none_or(|next| larger.slots().end <= next);
            if !room || !filled(capacity, larger.capacity()) {
                break;
            }
            capacity = larger.capacity();
            range = larger;
        }
        Ok(range)
    }
}
