//! From changes to the steps that make them in the kernel. Pure.
//!
//! A packet may meet the table between two generations: its slot chosen by the old rule, looked up in the new map. So
//! nothing that a packet may still look for is taken away in the batch that stops choosing it: what is added or pointed
//! elsewhere is in [`NftPlan::first`], what has become unused in [`NftPlan::then`], a batch of its own.
//!
//! The kernel shows a change of an interval set a moment after that of the rules. So what rules will look for in one is
//! in [`NftPlan::before`], a batch of its own, too.

mod backends;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::ServiceState;
use ipnet::IpNet;

use self::backends::Backends;
pub(super) use self::backends::Count;
use self::service::ServiceOps;
use super::layout::{Layout, hairpin_elements};
use super::placed_service::PlacedService;
use super::queue::QueueForm;
use super::slots::Range;
use super::step::{NftOp, NftStep, Subject};
use crate::Error;
use crate::check::CheckedChanges;

/// A range this many times as large as needed is given up for a smaller one.
const SPARE: u32 = 8;

/// The steps for a list of changes, and what the layout is afterwards.
#[derive(Debug, Default)]
pub(super) struct NftPlan {
    /// The batch that adds what nobody looks for yet.
    pub(super) before: Vec<NftStep>,
    /// The batch that makes the changes.
    pub(super) first: Vec<NftStep>,
    /// The batch that clears away what no packet can look for any more.
    pub(super) then: Vec<NftStep>,
    services: Vec<(ServiceKey, Option<PlacedService>)>,
    /// How many services are queued afterwards.
    queued: usize,
    hairpin: Option<BTreeSet<IpNet>>,
    /// As [`Layout::offload`] is afterwards.
    offload: Option<BTreeSet<String>>,
    /// As [`Layout::gone`] is afterwards.
    gone: bool,
    taken: Vec<Range>,
    chains: Vec<u32>,
}

impl NftPlan {
    /// Plans changes, and reserves in the layout what they need: either [`NftPlan::commit`] or [`NftPlan::abandon`] has
    /// to follow. `count` is asked how many connections a backend has had that is to be put into the kernel, with the
    /// element that it has there now (of another mark or address), if it has one. `form`: how packets are queued, if a
    /// service is to be.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are not enough slots; the layout is as before.
    pub(super) fn new(
        layout: &mut Layout,
        wanted: &CheckedChanges<'_>,
        form: Option<QueueForm>,
        count: &mut Count<'_>,
    ) -> Result<Self, Error> {
        let mut plan = Self {
            queued: layout.queued,
            gone: layout.gone,
            ..Self::default()
        };
        // Without a form no service is to be queued.
        let form = form.unwrap_or(QueueForm::Nft);
        for stray in &layout.strays {
            plan.before
                .extend(NftStep::all(Subject::Strays, [NftOp::Delete(*stray)]));
        }
        let mut backends = Backends::default();
        for (key, service) in &wanted.services {
            let new = service.map(|service| plan.place(layout, *key, service));
            if let Some(None) = new {
                plan.abandon(layout);
                return Err(Error::Invalid(format!("{key}: no slot numbers are left")));
            }
            let new = new.flatten();
            let old = layout.services.get(key);
            plan.service(*key, old, new.as_ref(), form);
            backends.add(*key, old, new.as_ref());
            plan.services.push((*key, new));
        }
        plan.hooks(layout.queued);
        let (first, then) = backends.steps(count);
        plan.first.extend(first);
        plan.then.extend(then);
        if let Some(networks) = wanted.hairpin {
            plan.networks(&layout.hairpin, networks);
        }
        plan.offload(layout.offload.as_ref(), wanted.offload);
        Ok(plan)
    }

    /// The kernel has taken the first batch.
    pub(super) fn commit(self, layout: &mut Layout) {
        layout.queued = self.queued;
        layout.strays.clear();
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
        layout.offload = self.offload;
        layout.gone = self.gone;
    }

    /// What takes back the batch before the first, if the kernel refuses that.
    pub(super) fn undone(&self) -> Vec<NftStep> {
        let added = self.before.iter().filter_map(|step| match step.op {
            NftOp::Add(element) => Some((step.subject, element)),
            _ => None,
        });
        added
            .flat_map(|(subject, element)| NftStep::all(subject, [NftOp::Delete(element)]))
            .collect()
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
    fn place(
        &mut self,
        layout: &mut Layout,
        key: ServiceKey,
        service: &ServiceState,
    ) -> Option<PlacedService> {
        let old = layout.services.get(&key);
        let range = match PlacedService::needed(&service.spread) {
            None => None,
            Some(needed) => {
                let fits = |range: &Range| {
                    let spare = needed.next_power_of_two().saturating_mul(SPARE);
                    range.capacity() >= needed && range.capacity() < spare
                };
                let stays = old.filter(|old| old.can_stay(&service.spread));
                Some(match stays.and_then(|old| old.range).filter(fits) {
                    Some(range) => range,
                    None => {
                        let range = layout.slots.allocate(needed)?;
                        self.taken.push(range);
                        range
                    }
                })
            }
        };
        let turn = old.is_some_and(|old| old.turn_for(&service.spread));
        let chain = match old {
            Some(old) => old.chain,
            None => {
                let chain = layout.chains.allocate();
                self.chains.push(chain);
                chain
            }
        };
        Some(PlacedService {
            state: service.clone(),
            chain,
            range,
            turn,
        })
    }

    /// What one service takes.
    fn service(
        &mut self,
        key: ServiceKey,
        old: Option<&PlacedService>,
        new: Option<&PlacedService>,
        form: QueueForm,
    ) {
        let queued = |service: Option<&PlacedService>| {
            usize::from(service.is_some_and(|it| it.state.queue.is_some()))
        };
        self.queued = (self.queued + queued(new)).saturating_sub(queued(old));
        let ops = ServiceOps::between(key, old, new, form);
        self.before
            .extend(NftStep::all(Subject::Service(key), ops.before));
        self.first(Subject::Service(key), ops.first);
        self.then(Subject::Service(key), ops.then);
    }

    /// Every packet pays for the hooks, so they are there only while some service is queued.
    fn hooks(&mut self, before: usize) {
        let op = match (before > 0, self.queued > 0) {
            (false, true) => NftOp::AddQueueHooks,
            (true, false) => NftOp::DeleteQueueHooks,
            _ => return,
        };
        self.first(Subject::Hooks, [op]);
    }

    /// Whether there are servers afterwards that are gone. Every packet pays for the chains that answer for them.
    pub(super) fn gone(&mut self, any: bool) {
        match (std::mem::replace(&mut self.gone, any), any) {
            (false, true) => self.first(Subject::Gone, [NftOp::AddGoneChains]),
            (true, false) => self.then(Subject::Gone, [NftOp::DeleteGoneChains]),
            _ => {}
        }
    }

    fn networks(&mut self, old: &BTreeSet<IpNet>, new: &BTreeSet<IpNet>) {
        let (before, after) = (hairpin_elements(old), hairpin_elements(new));
        let gone = before
            .iter()
            .filter(|e| !after.contains(e))
            .copied()
            .map(NftOp::Delete);
        let come = after
            .iter()
            .filter(|e| !before.contains(e))
            .copied()
            .map(NftOp::Add);
        self.first(Subject::Hairpin, gone.chain(come));
        self.hairpin = Some(new.clone());
    }

    /// The flowtable and its interfaces. A flowtable whose interfaces have all gone goes, too.
    fn offload(&mut self, old: Option<&BTreeSet<String>>, new: Option<&BTreeSet<String>>) {
        let new = new.or(old).filter(|interfaces| !interfaces.is_empty());
        self.offload = new.cloned();
        let mut ops = Vec::new();
        match (old, new) {
            (None, None) => {}
            (Some(_), None) => ops.extend([NftOp::DeleteOffloadChain, NftOp::DeleteFlowtable]),
            (None, Some(_)) => ops.extend([NftOp::AddFlowtable, NftOp::AddOffloadChain]),
            (Some(old), Some(new)) => {
                let gone: Vec<_> = old.difference(new).cloned().collect();
                if !gone.is_empty() {
                    ops.push(NftOp::DeleteInterfaces(gone));
                }
            }
        }
        if let Some(new) = new {
            let none = BTreeSet::new();
            let come: Vec<_> = new.difference(old.unwrap_or(&none)).cloned().collect();
            if !come.is_empty() {
                ops.push(NftOp::AddInterfaces(come));
            }
        }
        self.first(Subject::Offload, ops);
    }

    fn first(&mut self, subject: Subject, ops: impl IntoIterator<Item = NftOp>) {
        self.first.extend(NftStep::all(subject, ops));
    }

    fn then(&mut self, subject: Subject, ops: impl IntoIterator<Item = NftOp>) {
        self.then.extend(NftStep::all(subject, ops));
    }
}
