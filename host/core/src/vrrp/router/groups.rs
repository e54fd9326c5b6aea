//! What members of a sync group do together, and what is notified of groups.

use std::time::Instant;

use super::Router;
use super::group::Group;
use crate::vrrp::instance::Instance;
use crate::vrrp::{Notified, Output, State};

impl Router {
    /// The positions of an instance and all that share its sync group.
    pub(super) fn together(&self, position: usize) -> Vec<usize> {
        self.groups
            .iter()
            .find(|group| group.members.contains(&position))
            .map_or_else(|| vec![position], |group| group.members.clone())
    }

    /// A master has heard a better one: it yields, and its group with it. The others of the group hand over: where they
    /// are master, no other is yet.
    pub(super) fn beaten(&mut self, position: usize, now: Instant) {
        let Some(first) = self.instances.get(position) else {
            return;
        };
        let why = format!(
            "{} of its sync group yields: {}",
            first.spec.name, first.because
        );
        for member in self.together(position) {
            let Some(instance) = self.instances.get_mut(member) else {
                continue;
            };
            if member == position {
                instance.yield_to_other(now, &mut self.outputs);
            } else {
                instance.hand_over(&why, now, self.stopping, &mut self.outputs);
            }
        }
    }

    /// A member that is no master leaves another router to be it: the rest of its group does so, too. They are of one
    /// mind as a rule, but not where a reload has just made a group of them.
    pub(super) fn accept_other(&mut self, position: usize, now: Instant) {
        for member in self.together(position) {
            let first = self.instances.get(position).map(|it| it.spec.name.clone());
            if let Some(instance) = self.instances.get_mut(member)
                && instance.state == State::Master
            {
                let first = first.unwrap_or_default();
                let why = format!("another router is master of {first} of its sync group");
                instance.hand_over(&why, now, self.stopping, &mut self.outputs);
            }
        }
    }

    /// While the daemon ends: instances that have nothing to wait for are done.
    pub(super) fn finish(&mut self) {
        for instance in &mut self.instances {
            if !instance.is_handing_over() {
                instance.finish(&mut self.outputs);
            }
        }
        for group in &mut self.groups {
            let mut members = group.members.iter();
            let done = members.all(|at| self.instances.get(*at).is_none_or(|it| it.stopped));
            if done && !std::mem::replace(&mut group.stopped, true) {
                let first = group.members.first().and_then(|at| self.instances.get(*at));
                self.outputs.push(Output::Notify {
                    group: true,
                    name: group.spec.name.clone(),
                    state: Notified::Stop,
                    priority: first.map_or(0, Instance::priority),
                });
            }
        }
    }

    pub(super) fn state_of(&self, group: &Group) -> State {
        let states = group.deciding(&self.instances).map(|it| it.state);
        let states: Vec<State> = states.collect();
        if states.contains(&State::Fault) {
            State::Fault
        } else if states.iter().all(|state| *state == State::Master) {
            State::Master
        } else {
            State::Backup
        }
    }

    pub(super) fn notify_groups(&mut self) {
        for position in 0..self.groups.len() {
            if let Some(group) = self.groups.get_mut(position) {
                group.join(&self.instances);
            }
            let Some(group) = self.groups.get(position) else {
                return;
            };
            let state = self.state_of(group);
            let all_notified = group.deciding(&self.instances).all(Instance::is_notified);
            if group.notified == Some(state) || !all_notified {
                continue;
            }
            let first = group.members.first().and_then(|at| self.instances.get(*at));
            let output = Output::Notify {
                group: true,
                name: group.spec.name.clone(),
                state: match state {
                    State::Backup => Notified::Backup,
                    State::Master => Notified::Master,
                    State::Fault => Notified::Fault,
                },
                priority: first.map_or(0, Instance::priority),
            };
            self.outputs.push(output);
            if let Some(group) = self.groups.get_mut(position) {
                group.notified = Some(state);
            }
        }
    }
}
