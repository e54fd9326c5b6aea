//! Source hashing: a client's address (and port) chooses one of 256 buckets, which servers fill by
//! weight.
use evenkeel_sdk::{
    BackendId, Backends, Decision, Flow, Plan, Scheduler, Selector, hash, register_scheduler,
    settings,
};

/// Buckets, and bits of their numbers.
const BUCKETS: u32 = 1 << BITS;
const BITS: u32 = 8;

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
pub struct SourceHashing {
    settings: Settings,
    /// Whose each bucket is; some are draining servers'.
    buckets: Vec<BackendId>,
}

impl Scheduler for SourceHashing {
    type Settings = Settings;

    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            settings,
            buckets: Vec::new(),
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.fill(backends);
        let selector = if self.settings.port {
            Selector::HashFlow
        } else {
            Selector::HashSource
        };
        // The kernel cannot refuse by bucket, so a draining server's are always given to others.
        let slots = (0..BUCKETS).filter_map(|bucket| self.usable_from(bucket, backends));
        Plan::table(selector, slots)
    }

    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let port = if self.settings.port {
            flow.source.port()
        } else {
            0
        };
        let key = hash::fold(flow.source.ip()).wrapping_add(port.into());
        let bucket = hash::golden(key, BITS);
        if self.owner(bucket, backends).is_none() {
            self.fill(backends);
        }
        let (owner, weight) = self.owner(bucket, backends)?;
        if weight > 0 {
            Some(owner)
        } else if self.settings.fallback {
            self.usable_from(bucket, backends)
        } else {
            None
        }
    }
}

impl SourceHashing {
    /// Servers in turn take as many buckets each as their weight, a draining one takes one, until all are
    /// taken.
    fn fill(&mut self, backends: &Backends) {
        let in_turn = backends
            .iter()
            .cycle()
            .flat_map(|backend| (0..backend.weight.max(1)).map(|_| backend.id));
        self.buckets = in_turn.take(1 << BITS).collect();
    }

    /// Whose the bucket is, and its weight now.
    fn owner(&self, bucket: u32, backends: &Backends) -> Option<(BackendId, u32)> {
        let id = self.buckets.get(usize::try_from(bucket).ok()?)?;
        Some((*id, backends.get(*id)?.weight))
    }

    /// The bucket's server, or, while that is draining, that of the first bucket from the one of twice
    /// the number on which has one (IPVS adds the number to the hash, which is that number).
    fn usable_from(&self, bucket: u32, backends: &Backends) -> Option<BackendId> {
        std::iter::once(bucket)
            .chain((0..BUCKETS).map(|offset| (2 * bucket + offset) % BUCKETS))
            .filter_map(|bucket| self.owner(bucket, backends))
            .find(|(_, weight)| *weight > 0)
            .map(|(id, _)| id)
    }
}

register_scheduler!(
    SourceHashing,
    "sh",
    "a client keeps its server, by a hash of its address"
);

#[cfg(test)]
#[path = "../../maglev/src/moves.rs"]
mod moves;
#[cfg(test)]
mod tests;
