//! A service's quorum of servers, and what was told of it.

use tracing::{info, warn};

use crate::model::Service;
use crate::quorum::Quorum;

/// The default: not looked at yet.
#[derive(Debug, Clone, Default)]
pub(super) struct QuorumState {
    quorum: Option<Quorum>,
    /// The service's name, and whether it has its quorum.
    told: Option<(String, bool)>,
}

/// What may have changed a service's quorum, for the log.
#[derive(Debug)]
pub(super) struct QuorumReview {
    why: String,
    /// How much else there was.
    more: usize,
}

impl QuorumReview {
    /// Of one thing.
    pub(super) fn new(why: String) -> Self {
        Self { why, more: 0 }
    }

    /// And of something else.
    pub(super) fn add(&mut self) {
        self.more += 1;
    }
}

impl QuorumState {
    /// Whether the service has its quorum.
    pub(super) fn reached(&self) -> bool {
        self.quorum.is_some_and(Quorum::reached)
    }

    /// Looks at the sum of the weights of the servers that are up, and logs a change. Returns what is to be told, if it
    /// is news: the service's name, and whether it has its quorum.
    pub(super) fn review(
        &mut self,
        spec: &Service,
        weight: u64,
        review: &QuorumReview,
    ) -> Option<(String, bool)> {
        let before = self.quorum;
        let mut quorum = before.unwrap_or_else(|| Quorum::new(spec, weight));
        quorum.update(spec, weight);
        self.quorum = Some(quorum);
        let reached = quorum.reached();
        let before = before.map(Quorum::reached);
        if before != Some(reached) {
            log(spec, before, reached, weight, review);
        }
        let told = Some((spec.name.clone(), reached));
        if self.told == told {
            return None;
        }
        self.told.clone_from(&told);
        told
    }
}

fn log(spec: &Service, before: Option<bool>, reached: bool, weight: u64, review: &QuorumReview) {
    let name = |reached| if reached { "reached" } else { "lost" };
    let (service, quorum, hysteresis) = (&spec.name, spec.quorum, spec.hysteresis);
    let from = before.map_or("new", name);
    let to = name(reached);
    let why = match review.more {
        0 => review.why.clone(),
        more => format!("{} (and {more} more)", review.why),
    };
    if !reached {
        warn!(
            service,
            from,
            to,
            why,
            weight,
            quorum,
            hysteresis,
            "the service does not have its quorum of servers"
        );
    } else if before.is_some() {
        info!(
            service,
            from,
            to,
            why,
            weight,
            quorum,
            hysteresis,
            "the service has its quorum of servers again"
        );
    }
}
