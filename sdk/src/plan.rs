//! How new connections are to be spread.

use std::time::Duration;

use crate::backends::BackendId;

mod choice;
mod forecast;
mod greedy;
mod groups;
mod network;
mod ratio;
mod shares;
mod slots;
mod spread;

pub use self::choice::{draw, draw_another, least, two_choices};
pub use self::greedy::Greedy;
pub use self::groups::{Group, GroupRun, Groups};
pub use self::network::{Network, NotANetwork};
pub use self::ratio::Ratio;
pub use self::shares::Shares;
use self::slots::joined;
pub use self::slots::{Prefixes, Run, Selector};

/// What a scheduler answers: how new connections are to be spread until it is asked again.
///
/// The constructors take slots as [`BackendId`]s, as [`Backend`](crate::Backend)s or as pairs of number and width (as
/// many neighbouring slots of the same server). The host takes 65,536 slots at most, and none of a
/// server with weight 0. With no slot at all new connections are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The kernel spreads new connections by this table.
    Table(Table),
    /// The kernel leads new connections to groups of servers, and spreads them by each group's table.
    Groups(Groups),
    /// There is none: only [`Scheduler::pick`](crate::Scheduler::pick) can tell. Where it cannot be
    /// asked, servers take turns. An error where the scheduler is to be followed by plan.
    PerConnection,
    /// New connections are refused.
    None,
}

/// A table of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The slots, neighbours of the same server taken together.
    pub runs: Vec<Run>,
    /// Which slot a new connection takes.
    pub selector: Selector,
    /// Ask again after that time, even if nothing else changed. Whole milliseconds.
    pub refresh: Option<Duration>,
}

impl Plan {
    /// Connections take the slots in turn.
    pub fn sequence(slots: impl IntoIterator<Item: Into<Run>>) -> Self {
        Self::table(Selector::Sequence, slots)
    }

    /// Connections take any slot.
    pub fn random(slots: impl IntoIterator<Item: Into<Run>>) -> Self {
        Self::table(Selector::Random, slots)
    }

    /// Connections from the same address take the same slot.
    pub fn hash_source(slots: impl IntoIterator<Item: Into<Run>>) -> Self {
        Self::table(Selector::HashSource, slots)
    }

    /// Connections from the same address and port to the same service take the same slot (for UDP: a
    /// client keeps its server while it keeps its port).
    pub fn hash_flow(slots: impl IntoIterator<Item: Into<Run>>) -> Self {
        Self::table(Selector::HashFlow, slots)
    }

    /// Connections from the same network take the same slot.
    pub fn hash_network(prefixes: Prefixes, slots: impl IntoIterator<Item: Into<Run>>) -> Self {
        Self::table(Selector::HashNetwork(prefixes), slots)
    }

    /// Groups of servers. Connections begin in the first, unless [`Self::from_network`] leads their client to another.
    /// A group's number is its place in the list, from 0 on; keep it, since it is a part of the hash of a group that
    /// hashes. 1 to 64 of them, with 65,536 slots together at most. Where IPVS is the data plane, only the servers'
    /// shares are followed.
    ///
    /// ```
    /// use evenkeel_sdk::{Backends, Group, Network, NotANetwork, Plan, Selector};
    ///
    /// /// 70 of a hundred clients keep their server, the others take turns; one network's have the fewest connections.
    /// fn plan(backends: &Backends) -> Result<Plan, NotANetwork> {
    ///     let office: Network = "10.1.0.0/16".parse()?;
    ///     let groups = [
    ///         Group::split(Selector::HashSource, [(1, 70), (2, 30)]),
    ///         Group::hash_source(backends.taking()),
    ///         Group::sequence(backends.taking()),
    ///         Group::delegate("lc", backends.taking().map(|backend| backend.id)),
    ///     ];
    ///     Ok(Plan::groups(groups).from_network(office, 3))
    /// }
    /// ```
    pub fn groups(groups: impl IntoIterator<Item = Group>) -> Self {
        let groups: Vec<Group> = groups.into_iter().collect();
        if groups.is_empty() {
            return Self::None;
        }
        Self::Groups(Groups {
            groups,
            rules: Vec::new(),
            refresh: None,
        })
    }

    /// Leads the clients of a network to a group of that number. Of several networks the one with the longest prefix
    /// counts. Means nothing without groups. 4,096 networks at most.
    #[must_use]
    pub fn from_network(mut self, network: Network, group: u32) -> Self {
        if let Self::Groups(groups) = &mut self {
            groups.rules.push((network, group));
        }
        self
    }

    /// A table with the given selector. Runs of width 0 are left out.
    pub fn table(selector: Selector, slots: impl IntoIterator<Item: Into<Run>>) -> Self {
        let runs = joined(slots);
        if runs.is_empty() {
            return Self::None;
        }
        Self::Table(Table {
            runs,
            selector,
            refresh: None,
        })
    }

    /// Asks for another call of [`Scheduler::plan`](crate::Scheduler::plan) after that time, even if
    /// nothing changed. In whole milliseconds, at least one. Means nothing without a table or groups.
    #[must_use]
    pub fn refresh(mut self, after: Duration) -> Self {
        match &mut self {
            Self::Table(table) => table.refresh = Some(after),
            Self::Groups(groups) => groups.refresh = Some(after),
            Self::PerConnection | Self::None => {}
        }
        self
    }

    /// The table, if it is one.
    #[must_use]
    pub fn as_table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::Groups(_) | Self::PerConnection | Self::None => None,
        }
    }

    /// The groups, if it is one of groups.
    #[must_use]
    pub fn as_groups(&self) -> Option<&Groups> {
        match self {
            Self::Groups(groups) => Some(groups),
            Self::Table(_) | Self::PerConnection | Self::None => None,
        }
    }
}

impl Table {
    /// The slots one by one.
    pub fn slots(&self) -> impl Iterator<Item = BackendId> + '_ {
        self.runs
            .iter()
            .flat_map(|run| (0..run.width).map(|_| run.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: BackendId = BackendId::new(1);
    const B: BackendId = BackendId::new(2);

    #[test]
    fn neighbouring_slots_of_a_server_become_one_run() {
        let plan = Plan::sequence([A, A, B, A]);
        let table = plan.as_table().unwrap();
        let widths: Vec<_> = table.runs.iter().map(|run| (run.id, run.width)).collect();
        assert_eq!(widths, [(A, 2), (B, 1), (A, 1)]);
        assert_eq!(table.slots().collect::<Vec<_>>(), [A, A, B, A]);
    }

    #[test]
    fn a_run_too_wide_for_its_count_is_split() {
        let plan = Plan::random([(A, u32::MAX), (A, 2)]);
        assert_eq!(plan.as_table().unwrap().runs.len(), 2);
    }

    #[test]
    fn no_slots_means_that_connections_are_refused() {
        assert_eq!(Plan::sequence([] as [BackendId; 0]), Plan::None);
        assert_eq!(Plan::random([(A, 0)]), Plan::None);
        assert_eq!(Plan::None.refresh(Duration::from_secs(1)), Plan::None);
    }
}
