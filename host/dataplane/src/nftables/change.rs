//! From changes to the steps that make them in the kernel. Pure.
//!
//! A packet may meet the table between two generations: its slot chosen by the old rule, looked up in the new map. So nothing
//! that a packet may still look for is taken away in the batch that stops choosing it: what is added or pointed elsewhere is in
//! [`Plan::first`], what has become unused in [`Plan::then`], a batch of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::{BackendId, ServiceState, Spread};
use ipnet::IpNet;

use super::element::{Chain, Element, Part};
use super::entry::{Extras, Question};
use super::layout::{Held, Layout, backend, hairpin_elements};
use super::rule::{Family, RawRule, Rule};
use super::slots::Range;
use crate::Error;
use crate::ask::Form;
use crate::check::Wanted;

/// A range this many times as large as needed is given up for a smaller one.
const SPARE: u32 = 8;

/// What a step is a part of, for the message when the kernel refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Service(ServiceKey),
    Hairpin,
    /// The hooks by which the daemon is asked.
    Hooks,
    /// The short way of established flows.
    Offload,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "the change of {key}"),
            Self::Hairpin => f.write_str("the change of the hairpin networks"),
            Self::Hooks => f.write_str("the hooks by which the daemon is asked"),
            Self::Offload => f.write_str("the flowtable of established flows"),
        }
    }
}

/// One thing to do in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// Only to try something.
    AddTable,
    AddChain(Chain),
    /// With its rules.
    DeleteChain(Chain),
    /// The chain is to have these rules and no others.
    SetRules {
        chain: Chain,
        rules: Vec<RawRule>,
    },
    /// The base chains by which the daemon is asked.
    AddHooks,
    DeleteHooks,
    /// The flowtable, without interfaces.
    AddFlowtable,
    /// The base chain that puts flows into the flowtable.
    AddShortChain,
    DeleteShortChain,
    DeleteFlowtable,
    /// To the flowtable.
    AddInterfaces(Vec<String>),
    DeleteInterfaces(Vec<String>),
    /// The chain of a service's choice is to have this rule and no other.
    SetRule {
        chain: u32,
        family: Family,
        rule: Rule,
    },
    Add(Element),
    Delete(Element),
}

/// One thing to do, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) subject: Subject,
    pub(super) op: Op,
}

/// The steps for a list of changes, and what the layout is afterwards.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The batch that makes the changes.
    pub(super) first: Vec<Step>,
    /// The batch that clears away what no packet can look for any more.
    pub(super) then: Vec<Step>,
    services: Vec<(ServiceKey, Option<Held>)>,
    /// How many services ask afterwards.
    asking: usize,
    form: Option<Form>,
    hairpin: Option<BTreeSet<IpNet>>,
    /// As [`Layout::short`] is afterwards.
    short: Option<BTreeSet<String>>,
    taken: Vec<Range>,
    chains: Vec<u32>,
}

/// How many connections a backend has had, given its element in the kernel.
pub(super) type Count<'a> = dyn FnMut(BackendId, Option<&Element>) -> u64 + 'a;

/// What a backend's element was and is to be, by its mark.
type Backends = BTreeMap<u32, Moved>;

#[derive(Debug, Default)]
struct Moved {
    old: Option<(ServiceKey, Element)>,
    new: Option<(ServiceKey, Element)>,
    /// Whether the service that had it is still there afterwards, so that a packet may be on its way to it.
    service_stays: bool,
}

impl Plan {
    /// Plans changes, and reserves in the layout what they need: either [`Plan::commit`] or [`Plan::abandon`] has to follow.
    /// `count` is asked how many connections a backend has had that is to be put into the kernel, with the element that it has
    /// there now (of another mark or address), if it has one. `form`: how services ask, if one of them is to.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are not enough slots; the layout is as before.
    pub(super) fn new(
        layout: &mut Layout,
        wanted: &Wanted<'_>,
        form: Option<Form>,
        count: &mut Count<'_>,
    ) -> Result<Self, Error> {
        let mut plan = Self {
            asking: layout.asking,
            form,
            ..Self::default()
        };
        let mut backends = Backends::new();
        for (key, service) in &wanted.services {
            let new = service.map(|service| plan.hold(layout, *key, service));
            if let Some(None) = new {
                plan.abandon(layout);
                return Err(Error::Invalid(format!("{key}: no slot numbers are left")));
            }
            let new = new.flatten();
            let old = layout.services.get(key);
            plan.service(*key, old, new.as_ref());
            for element in old.into_iter().flat_map(|held| held.backends(|_| 0)) {
                let moved = backends.entry(mark_of(&element)).or_default();
                moved.old = Some((*key, element));
                moved.service_stays = new.is_some();
            }
            for element in new.iter().flat_map(|held| held.backends(|_| 0)) {
                backends.entry(mark_of(&element)).or_default().new = Some((*key, element));
            }
            plan.services.push((*key, new));
        }
        plan.hooks(layout.asking);
        plan.backends(backends, count);
        if let Some(networks) = wanted.hairpin {
            plan.networks(&layout.hairpin, networks);
        }
        plan.short_way(layout.short.as_ref(), wanted.offload);
        Ok(plan)
    }

    /// The kernel has taken the first batch.
    pub(super) fn commit(self, layout: &mut Layout) {
        layout.asking = self.asking;
        for (key, new) in &self.services {
            let Some(old) = layout.services.remove(key) else {
                continue;
            };
            for id in old.state.backends.keys() {
                layout.owners.remove(id);
            }
            if let Some(range) = old.range
                && new.as_ref().and_then(|new| new.range) != Some(range)
            {
                layout.slots.release(range);
            }
            if new.is_none() {
                layout.chains.release(old.chain);
            }
        }
        for (key, new) in self.services {
            let Some(held) = new else { continue };
            layout
                .owners
                .extend(held.state.backends.keys().map(|id| (*id, key)));
            layout.services.insert(key, held);
        }
        if let Some(networks) = self.hairpin {
            layout.hairpin = networks;
        }
        layout.short = self.short;
    }

    /// The kernel has refused the first batch.
    pub(super) fn abandon(self, layout: &mut Layout) {
        for range in self.taken {
            layout.slots.release(range);
        }
        for chain in self.chains {
            layout.chains.release(chain);
        }
    }

    /// Finds a place for a service: its old one as far as it fits.
    fn hold(
        &mut self,
        layout: &mut Layout,
        key: ServiceKey,
        service: &ServiceState,
    ) -> Option<Held> {
        let old = layout.services.get(&key);
        let range = match &service.spread {
            Spread::Refuse => None,
            Spread::Slots { slots, .. } => {
                let needed = u32::try_from(slots.len()).ok()?;
                let fits = |range: &Range| {
                    let spare = needed.next_power_of_two().saturating_mul(SPARE);
                    range.capacity() >= needed && range.capacity() < spare
                };
                Some(match old.and_then(|old| old.range).filter(fits) {
                    Some(range) => range,
                    None => {
                        let range = layout.slots.allocate(needed)?;
                        self.taken.push(range);
                        range
                    }
                })
            }
        };
        let chain = match old {
            Some(old) => old.chain,
            None => {
                let chain = layout.chains.allocate();
                self.chains.push(chain);
                chain
            }
        };
        Some(Held {
            state: service.clone(),
            chain,
            range,
        })
    }

    /// The chain, the rule and the slots of one service.
    fn service(&mut self, key: ServiceKey, old: Option<&Held>, new: Option<&Held>) {
        let subject = Subject::Service(key);
        let family = Family::of(key.addr);
        match (old, new) {
            (None, None) => {}
            (None, Some(new)) => {
                let set = Op::SetRule {
                    chain: new.chain,
                    family,
                    rule: new.rule(),
                };
                self.first(subject, [Op::AddChain(Chain::choice(new.chain)), set]);
                self.first(subject, new.slots().map(Op::Add));
                self.entry(key, None, Some(new));
                self.question(key, None, Some(new));
            }
            (Some(old), None) => {
                self.question(key, Some(old), None);
                self.entry(key, Some(old), None);
                self.first(subject, [Op::DeleteChain(Chain::choice(old.chain))]);
                self.first(subject, old.slots().map(Op::Delete));
            }
            (Some(old), Some(new)) => {
                if old.range == new.range {
                    let differ = old.slots().zip(new.slots()).filter(|(old, new)| old != new);
                    self.first(
                        subject,
                        differ.flat_map(|(o, n)| [Op::Delete(o), Op::Add(n)]),
                    );
                } else {
                    self.first(subject, new.slots().map(Op::Add));
                    self.then(subject, old.slots().map(Op::Delete));
                }
                if old.rule() != new.rule() {
                    let set = Op::SetRule {
                        chain: new.chain,
                        family,
                        rule: new.rule(),
                    };
                    self.first(subject, [set]);
                }
                self.entry(key, Some(old), Some(new));
                self.question(key, Some(old), Some(new));
            }
        }
    }

    /// Where a service's connections go first, and the chain of what is done there but choosing a slot.
    fn entry(&mut self, key: ServiceKey, old: Option<&Held>, new: Option<&Held>) {
        let extras = |held: Option<&Held>| held.map(Held::extras).filter(|extras| extras.any());
        let (before, after) = (extras(old), extras(new));
        let Some(number) = new.or(old).map(|held| held.chain) else {
            return;
        };
        let chain = Chain {
            part: Part::Entry,
            number,
        };
        let rules = |extras: Extras| Op::SetRules {
            chain,
            rules: extras.rules(Family::of(key.addr), number),
        };
        let element = |held: Option<&Held>| held.map(|held| held.service(key));
        let mut ops = Vec::new();
        match (before, after) {
            (None, Some(after)) => ops.extend([Op::AddChain(chain), rules(after)]),
            (Some(before), Some(after)) if before != after => ops.push(rules(after)),
            _ => {}
        }
        if element(old) != element(new) {
            ops.extend(element(old).map(Op::Delete));
            ops.extend(element(new).map(Op::Add));
        }
        if before.is_some() && after.is_none() {
            ops.push(Op::DeleteChain(chain));
        }
        self.first(Subject::Service(key), ops);
    }

    /// The chain that asks the daemon, and the way to it.
    fn question(&mut self, key: ServiceKey, old: Option<&Held>, new: Option<&Held>) {
        let (before, after) = (old.and_then(Held::question), new.and_then(Held::question));
        let (Some(number), false) = (new.or(old).map(|held| held.chain), before == after) else {
            return;
        };
        let chain = Chain {
            part: Part::Queue,
            number,
        };
        // Without a form nothing that asks gets here.
        let form = self.form.unwrap_or(Form::Nft);
        let rules = |question: Question| Op::SetRules {
            chain,
            rules: question.rules(Family::of(key.addr), form),
        };
        let element = Element::Ask { key, chain };
        let ops = match (before, after) {
            (None, None) => Vec::new(),
            (None, Some(after)) => {
                self.asking += 1;
                vec![Op::AddChain(chain), rules(after), Op::Add(element)]
            }
            (Some(_), Some(after)) => vec![rules(after)],
            (Some(_), None) => {
                self.asking = self.asking.saturating_sub(1);
                vec![Op::Delete(element), Op::DeleteChain(chain)]
            }
        };
        self.first(Subject::Service(key), ops);
    }

    /// Every packet pays for the hooks by which the daemon is asked, so they are there only while some service asks.
    fn hooks(&mut self, before: usize) {
        let op = match (before > 0, self.asking > 0) {
            (false, true) => Op::AddHooks,
            (true, false) => Op::DeleteHooks,
            _ => return,
        };
        self.first(Subject::Hooks, [op]);
    }

    fn backends(&mut self, backends: Backends, count: &mut Count<'_>) {
        let before: HashMap<BackendId, Element> = backends
            .iter()
            .filter_map(|(mark, moved)| Some((backend(*mark)?, moved.old.as_ref()?.1)))
            .collect();
        for Moved {
            old,
            new,
            service_stays,
        } in backends.into_values()
        {
            match (old, new) {
                (Some((_, old)), Some((_, new))) if old == new => {}
                (old, Some((key, mut new))) => {
                    let subject = Subject::Service(key);
                    self.first(subject, old.map(|(_, old)| Op::Delete(old)));
                    if let Element::Backend {
                        mark,
                        count: initial,
                        ..
                    } = &mut new
                        && let Some(id) = backend(*mark)
                    {
                        *initial = count(id, before.get(&id));
                    }
                    self.first(subject, [Op::Add(new)]);
                }
                (Some((key, old)), None) => {
                    let steps = if service_stays {
                        &mut self.then
                    } else {
                        &mut self.first
                    };
                    steps.push(Step {
                        subject: Subject::Service(key),
                        op: Op::Delete(old),
                    });
                }
                (None, None) => {}
            }
        }
    }

    fn networks(&mut self, old: &BTreeSet<IpNet>, new: &BTreeSet<IpNet>) {
        let (before, after) = (hairpin_elements(old), hairpin_elements(new));
        let gone = before
            .iter()
            .filter(|e| !after.contains(e))
            .copied()
            .map(Op::Delete);
        let come = after
            .iter()
            .filter(|e| !before.contains(e))
            .copied()
            .map(Op::Add);
        self.first(Subject::Hairpin, gone.chain(come));
        self.hairpin = Some(new.clone());
    }

    /// The flowtable and its interfaces. A flowtable whose interfaces have all gone goes, too.
    fn short_way(&mut self, old: Option<&BTreeSet<String>>, new: Option<&BTreeSet<String>>) {
        let new = new.or(old).filter(|interfaces| !interfaces.is_empty());
        self.short = new.cloned();
        let mut ops = Vec::new();
        match (old, new) {
            (None, None) => {}
            (Some(_), None) => ops.extend([Op::DeleteShortChain, Op::DeleteFlowtable]),
            (None, Some(_)) => ops.extend([Op::AddFlowtable, Op::AddShortChain]),
            (Some(old), Some(new)) => {
                let gone: Vec<_> = old.difference(new).cloned().collect();
                if !gone.is_empty() {
                    ops.push(Op::DeleteInterfaces(gone));
                }
            }
        }
        if let Some(new) = new {
            let none = BTreeSet::new();
            let come: Vec<_> = new.difference(old.unwrap_or(&none)).cloned().collect();
            if !come.is_empty() {
                ops.push(Op::AddInterfaces(come));
            }
        }
        self.first(Subject::Offload, ops);
    }

    fn first(&mut self, subject: Subject, ops: impl IntoIterator<Item = Op>) {
        self.first
            .extend(ops.into_iter().map(|op| Step { subject, op }));
    }

    fn then(&mut self, subject: Subject, ops: impl IntoIterator<Item = Op>) {
        self.then
            .extend(ops.into_iter().map(|op| Step { subject, op }));
    }
}

/// The mark that is a backend element's key.
fn mark_of(element: &Element) -> u32 {
    match element {
        Element::Backend { mark, .. } => *mark,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
