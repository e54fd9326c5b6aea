//! Maglev hashing as IPVS has it: a client's address (and port) chooses a slot of a table in which a
//! server's coming or going changes little more than its own slots.
use std::collections::BTreeMap;

use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Flow, Plan, Scheduler, Selector, hash,
    register_scheduler, settings,
};

mod table;

settings! {
    /// What can be configured.
    pub struct Settings {
        /// Whether the client's port is hashed too: a client's connections go to several servers.
        port: bool = false,
        /// Whether clients of a server that is draining (weight 0) go to another one. If not, they are
        /// refused where each connection is decided.
        fallback: bool = false,
    }
}

/// The scheduler.
pub struct MaglevHashing {
    settings: Settings,
    /// Whose each slot is. Draining servers keep theirs.
    slots: Vec<BackendId>,
    /// The last weight above 0 of each server: a draining one keeps its slots.
    weights: BTreeMap<BackendId, u32>,
}

impl Scheduler for MaglevHashing {
    type Settings = Settings;

    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            settings,
            slots: Vec::new(),
            weights: BTreeMap::new(),
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.fill(backends);
        let selector = if self.settings.port {
            Selector::HashFlow
        } else {
            Selector::HashSource
        };
        if backends.taking().next().is_none() {
            return Plan::None;
        }
        // The kernel cannot refuse by slot, so a draining server's are always given to others, each slot
        // as if a client of that hash were looking for another.
        let slots = (0..table::SIZE).filter_map(|slot| match self.owner(slot, backends) {
            Some((id, weight)) if weight > 0 => Some(id),
            _ => self.another(slot, 0, slot, backends),
        });
        Plan::table(selector, slots)
    }

    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let address = hash::fold(flow.source.ip());
        let port = if self.settings.port {
            flow.source.port()
        } else {
            0
        };
        let slot = table::slot(address, port, 0);
        if self.owner(slot, backends).is_none() {
            self.fill(backends);
        }
        let (owner, weight) = self.owner(slot, backends)?;
        if weight > 0 {
            Some(owner)
        } else if self.settings.fallback && backends.taking().next().is_some() {
            self.another(address, port, slot, backends)
        } else {
            None
        }
    }
}

impl MaglevHashing {
    fn fill(&mut self, backends: &Backends) {
        self.weights = backends
            .iter()
            .map(|backend| {
                let known = self.weights.get(&backend.id).copied().unwrap_or(0);
                let weight = if backend.weight > 0 {
                    backend.weight
                } else {
                    known
                };
                (backend.id, weight)
            })
            .collect();
        let servers: Vec<(&Backend, u32)> = backends
            .iter()
            .map(|backend| (backend, self.weights.get(&backend.id).copied().unwrap_or(0)))
            .collect();
        self.slots = table::fill(&servers)
            .into_iter()
            .map(|server| servers[server].0.id)
            .collect();
    }

    /// Whose the slot is, and its weight now.
    fn owner(&self, slot: u32, backends: &Backends) -> Option<(BackendId, u32)> {
        let id = self.slots.get(usize::try_from(slot).ok()?)?;
        Some((*id, backends.get(*id)?.weight))
    }

    /// The first server with a weight (there is one) when address and port are hashed again with other shifts,
    /// beginning with the slot's number.
    fn another(
        &self,
        address: u32,
        port: u16,
        slot: u32,
        backends: &Backends,
    ) -> Option<BackendId> {
        (0..table::SIZE)
            .map(|offset| table::slot(address, port, (slot + offset) % table::SIZE))
            .filter_map(|slot| self.owner(slot, backends))
            .find(|(_, weight)| *weight > 0)
            .map(|(id, _)| id)
    }
}

register_scheduler!(
    MaglevHashing,
    "mh",
    "a client keeps its server, by IPVS's Maglev table"
);

#[cfg(test)]
#[path = "../../maglev/src/moves.rs"]
mod moves;
#[cfg(test)]
mod tests;
