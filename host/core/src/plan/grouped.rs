//! Plans in groups, as a scheduler plugin answers them, and their check.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::error::PlanError;
use super::limits::{MAX_RULES, MAX_SLOTS};
use super::table::{Run, checked, laid_out};
use crate::groups::{Group, Groups, MAX_GROUPS, clients};
use crate::state::{BackendId, Selector, Spread};

/// Groups of servers, and who is led to them. A group's number is its place in the list, from 0 on; it is a part of the
/// hash of a group that hashes, so a plugin keeps its groups in one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlannedGroups {
    /// The groups. The first one is everybody's whom no rule names.
    pub groups: Vec<PlannedGroup>,
    /// In which group the clients of a network begin. The longest prefix counts.
    pub rules: Vec<(IpNet, usize)>,
    /// Ask again after this many milliseconds even if nothing changed.
    pub refresh_ms: Option<u32>,
}

/// How one group is spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedGroup {
    /// Its connections are refused.
    Refuse,
    /// Over servers.
    Servers(GroupTable<Run>),
    /// On to later groups.
    Split(GroupTable<GroupRun>),
    /// As another scheduler plans for these servers: its plan takes the place of this
    /// ([`crate::delegation`]).
    Delegate {
        /// The scheduler's name, one of [`crate::manifest::Abilities::delegates`].
        scheduler: String,
        /// The servers, by their numbers.
        servers: Vec<BackendId>,
    },
}

/// The slots of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTable<R> {
    /// The slots, in order.
    pub slots: Vec<R>,
    /// Which slot a connection takes.
    pub selector: Selector,
}

/// `width` neighbouring slots that lead to the same group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRun {
    /// The group's number, greater than that of the group whose slots they are.
    pub group: usize,
    /// How many of them.
    pub width: u32,
}

impl PlannedGroups {
    pub(super) fn spread(&self, usable: &BTreeSet<BackendId>) -> Result<Spread, PlanError> {
        let count = self.groups.len();
        if count == 0 || count > MAX_GROUPS {
            return Err(PlanError::Groups(count));
        }
        let mut total = 0;
        let mut groups = Vec::with_capacity(count);
        for (number, group) in self.groups.iter().enumerate() {
            let group = match group {
                PlannedGroup::Refuse => Group::Refuse,
                PlannedGroup::Servers(table) if table.slots.is_empty() => {
                    return Err(PlanError::EmptyGroup(number));
                }
                PlannedGroup::Servers(table) => Group::Servers {
                    selector: checked(table.selector)?,
                    slots: laid_out(&table.slots, table.selector, usable)?,
                },
                PlannedGroup::Split(table) => split(number, count, table)?,
                PlannedGroup::Delegate { scheduler, .. } => {
                    return Err(PlanError::Delegate {
                        group: number,
                        scheduler: scheduler.clone(),
                        why: "the plugin does not declare that it names it (`DELEGATES`)"
                            .to_owned(),
                    });
                }
            };
            total += group.slots() as u64;
            if total > MAX_SLOTS as u64 {
                return Err(PlanError::TooLarge(total));
            }
            groups.push(group);
        }
        let rules = self.checked_rules()?;
        // Of the IP version that the servers have: [`Spread::in_family`] leaves out the other one's.
        let mut of_clients = clients(&rules, true);
        of_clients.extend(clients(&rules, false));
        if let [Group::Servers { selector, slots }] = groups.as_slice() {
            return Ok(Spread::Slots {
                selector: *selector,
                slots: slots.clone(),
            });
        }
        let groups = Groups {
            groups,
            clients: of_clients,
        };
        Ok(if groups.servers().is_empty() {
            Spread::Refuse
        } else {
            Spread::Groups(groups)
        })
    }

    fn checked_rules(&self) -> Result<Vec<(IpNet, usize)>, PlanError> {
        if self.rules.len() > MAX_RULES {
            return Err(PlanError::Rules(self.rules.len()));
        }
        let mut rules = BTreeMap::new();
        for (network, group) in &self.rules {
            if *group >= self.groups.len() {
                return Err(PlanError::UnknownGroup(*group, self.groups.len()));
            }
            let network = network.trunc();
            if rules.insert(network, *group).is_some() {
                return Err(PlanError::SameNetwork(network));
            }
        }
        Ok(rules.into_iter().collect())
    }
}

fn split(number: usize, count: usize, table: &GroupTable<GroupRun>) -> Result<Group, PlanError> {
    let total: u64 = table.slots.iter().map(|run| u64::from(run.width)).sum();
    if total > MAX_SLOTS as u64 {
        return Err(PlanError::TooLarge(total));
    }
    if table.slots.is_empty() {
        return Err(PlanError::EmptyGroup(number));
    }
    let mut slots = Vec::new();
    for run in &table.slots {
        if run.group >= count {
            return Err(PlanError::UnknownGroup(run.group, count));
        }
        if run.group <= number {
            return Err(PlanError::Backwards {
                from: number,
                to: run.group,
            });
        }
        if run.width == 0 {
            return Err(PlanError::EmptyGroupRun(number));
        }
        slots.extend((0..run.width).map(|_| run.group));
    }
    Ok(Group::Split {
        selector: checked(table.selector)?,
        slots,
    })
}

#[cfg(test)]
mod tests;
