//! Plans in groups of servers.

use std::time::Duration;

use super::network::Network;
use super::slots::{Run, Selector, joined};
use crate::backends::BackendId;

/// Groups of servers, and who is led to them: see [`Plan::groups`](crate::Plan::groups).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The groups. The first one is everybody's whom no rule names.
    pub groups: Vec<Group>,
    /// In which group the clients of a network begin.
    pub rules: Vec<(Network, u32)>,
    /// Ask again after that time, even if nothing else changed. Whole milliseconds.
    pub refresh: Option<Duration>,
}

/// How the connections of one group are spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// They are refused.
    Refuse,
    /// Over servers.
    Servers {
        /// The slots, neighbours of the same server taken together.
        runs: Vec<Run>,
        /// Which slot a connection takes.
        selector: Selector,
    },
    /// On to groups of greater numbers.
    Split {
        /// The slots.
        runs: Vec<GroupRun>,
        /// Which slot a connection takes.
        selector: Selector,
    },
    /// As another scheduler plans for these servers, by its defaults: one of
    /// [`Scheduler::DELEGATES`](crate::Scheduler::DELEGATES). The host makes that plan, each time after this one.
    Delegate {
        /// The scheduler's name.
        scheduler: String,
        /// The servers.
        servers: Vec<BackendId>,
    },
}

/// Neighbouring slots that lead to the same group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRun {
    /// The group's number, greater than that of the group whose slots they are.
    pub group: u32,
    /// How many.
    pub width: u32,
}

impl Group {
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

    /// Slots with the given selector. Runs of width 0 are left out; without any slot the group refuses.
    pub fn table(selector: Selector, slots: impl IntoIterator<Item: Into<Run>>) -> Self {
        let runs = joined(slots);
        if runs.is_empty() {
            return Self::Refuse;
        }
        Self::Servers { runs, selector }
    }

    /// On to other groups: pairs of a group's number, which has to be greater than this one's, and its width. Those of
    /// width 0 are left out; without any the group refuses.
    pub fn split(selector: Selector, to: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let runs: Vec<GroupRun> = to
            .into_iter()
            .map(|(group, width)| GroupRun { group, width })
            .filter(|run| run.width > 0)
            .collect();
        if runs.is_empty() {
            return Self::Refuse;
        }
        Self::Split { runs, selector }
    }

    /// As another scheduler plans for these servers. Without any server the group refuses.
    pub fn delegate(
        scheduler: impl Into<String>,
        servers: impl IntoIterator<Item = BackendId>,
    ) -> Self {
        let servers: Vec<BackendId> = servers.into_iter().collect();
        if servers.is_empty() {
            return Self::Refuse;
        }
        Self::Delegate {
            scheduler: scheduler.into(),
            servers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plan;

    const A: BackendId = BackendId::new(1);

    #[test]
    fn groups_without_slots_refuse_and_a_plan_without_groups_does_too() {
        assert_eq!(Group::sequence([(A, 0)]), Group::Refuse);
        assert_eq!(Group::split(Selector::Random, [(1, 0)]), Group::Refuse);
        assert_eq!(Group::delegate("lc", [] as [BackendId; 0]), Group::Refuse);
        assert_eq!(Plan::groups([]), Plan::None);
    }

    #[test]
    fn rules_and_refreshes_are_those_of_the_groups() {
        let network: Network = "10.0.0.0/8".parse().unwrap();
        let plan = Plan::groups([Group::sequence([A]), Group::Refuse])
            .from_network(network, 1)
            .refresh(Duration::from_secs(1));
        let groups = plan.as_groups().unwrap();
        assert_eq!(groups.rules, [(network, 1)]);
        assert_eq!(groups.refresh, Some(Duration::from_secs(1)));
        assert_eq!(Plan::None.from_network(network, 1), Plan::None);
    }
}
