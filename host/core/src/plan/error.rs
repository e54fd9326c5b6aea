//! Why plans cannot be used.

use std::net::SocketAddr;

use thiserror::Error;

use super::limits::{MAX_RULES, MAX_SLOTS};
use crate::groups::MAX_GROUPS;

/// Why a plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A slot names a backend that the plugin was not given.
    #[error(
        "the plan names backend {0}, which the scheduler was not given (or no longer: it is down or removed)"
    )]
    UnknownBackend(u32),
    /// A slot names a backend that takes no new connections.
    #[error(
        "the plan gives slots to {address} (backend {id}), which drains (weight 0): make plans with those of \
         `Backends::taking`"
    )]
    Draining {
        /// Its number.
        id: u32,
        /// Where it is.
        address: SocketAddr,
    },
    /// A run of no slots.
    #[error("the plan gives backend {0} a run of width 0")]
    EmptyRun(u32),
    /// No slot at all; refusing is `Plan::None`.
    #[error("the plan has no slots (to refuse connections a scheduler answers \"none\")")]
    Empty,
    /// More than [`MAX_SLOTS`].
    #[error("the plan has {0} slots, more than the {MAX_SLOTS} allowed")]
    TooLarge(u64),
    /// Groups without a first one, or more than [`MAX_GROUPS`].
    #[error("the plan has {0} groups, where 1 to {MAX_GROUPS} are possible")]
    Groups(usize),
    /// A network or a split names a group that is not there.
    #[error("the plan names group {0}, and has {1} (counted from 0)")]
    UnknownGroup(usize, usize),
    /// A split leads back.
    #[error("group {from} of the plan leads to group {to}: groups lead to later ones only")]
    Backwards {
        /// The group.
        from: usize,
        /// Where it leads.
        to: usize,
    },
    /// A run of no slots in a split.
    #[error("group {0} of the plan has a run of width 0")]
    EmptyGroupRun(usize),
    /// A group of servers or a split without slots; refusing is `PlannedGroup::Refuse`.
    #[error("group {0} of the plan has no slots (to refuse its connections it says \"refuse\")")]
    EmptyGroup(usize),
    /// More than [`MAX_RULES`].
    #[error("the plan has {0} rules for networks, more than the {MAX_RULES} allowed")]
    Rules(usize),
    /// Two rules for one network.
    #[error("the plan has two rules for {0}")]
    SameNetwork(ipnet::IpNet),
    /// A network of no bits, or of more than an address has.
    #[error("the plan hashes networks of {0} bits, where 1 to {1} are possible")]
    Prefix(u8, u8),
    /// A group is another scheduler's whose plan is not there.
    #[error("group {group} of the plan is the scheduler {scheduler}'s: {why}")]
    Delegate {
        /// The group.
        group: usize,
        /// The scheduler's name.
        scheduler: String,
        /// Why there is no plan of it.
        why: String,
    },
    /// The service follows plans.
    #[error(
        "the scheduler has no plan and wants to decide each connection, where it is to be followed by plan"
    )]
    PerConnection,
}
