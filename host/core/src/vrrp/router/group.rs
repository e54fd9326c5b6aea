//! A sync group as the router keeps it.

use std::collections::BTreeSet;

use crate::model::SyncGroup;
use crate::vrrp::State;
use crate::vrrp::instance::Instance;

#[derive(Debug)]
pub(super) struct Group {
    pub(super) spec: SyncGroup,
    /// The positions of its members.
    pub(super) members: Vec<usize>,
    /// Those of them that a reload has added to a group that is master: until they are master, too, or the others no
    /// longer, the group is what the others are.
    pub(super) joining: BTreeSet<String>,
    /// As last notified.
    pub(super) notified: Option<State>,
    /// Its end was notified.
    pub(super) stopped: bool,
}

impl Group {
    /// `before`: the group of that name in the configuration before this one.
    pub(super) fn new(spec: &SyncGroup, before: Option<&Self>, instances: &[Instance]) -> Self {
        let position = |name: &String| {
            let mut instances = instances.iter();
            instances.position(|it| it.spec.name == *name)
        };
        let master = before.filter(|it| it.notified == Some(State::Master));
        let joins = |name: &&String| {
            master.is_some_and(|it| !it.spec.members.contains(name) || it.joining.contains(*name))
        };
        Self {
            joining: spec.members.iter().filter(joins).cloned().collect(),
            members: spec.members.iter().filter_map(position).collect(),
            notified: before.and_then(|it| it.notified),
            stopped: false,
            spec: spec.clone(),
        }
    }

    /// The members that make its state.
    pub(super) fn deciding<'a>(
        &'a self,
        instances: &'a [Instance],
    ) -> impl Iterator<Item = &'a Instance> {
        let members = self.members.iter();
        members
            .filter_map(|at| instances.get(*at))
            .filter(|it| !self.joining.contains(&it.spec.name))
    }

    /// Members that were joining and are what the others are, or have nobody to join, are members as any other.
    pub(super) fn join(&mut self, instances: &[Instance]) {
        let is_master = |instance: &Instance| instance.state == State::Master;
        if self.deciding(instances).next().is_none() || !self.deciding(instances).all(is_master) {
            self.joining.clear();
        }
        for instance in instances.iter().filter(|it| is_master(it)) {
            self.joining.remove(&instance.spec.name);
        }
    }
}
