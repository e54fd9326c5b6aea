//! All instances and sync groups of a director as one machine.

use std::collections::BTreeSet;
use std::time::Instant;

use super::instance::{Heard, Instance};
use super::tracking::{Interface, Known};
use super::{Command, GroupReport, Input, InstanceReport, Notified, Output, State, receive};
use crate::model::{SyncGroup, Track, Vrrp};

/// The virtual routers of a director. See the module's documentation for how it is driven.
#[derive(Debug)]
pub struct Router {
    instances: Vec<Instance>,
    /// What each of them tracks, by position: what one member of a group tracks counts for all, so that they do not come apart.
    tracks: Vec<BTreeSet<Track>>,
    groups: Vec<Group>,
    known: Known,
    ready: bool,
    stopping: bool,
    outputs: Vec<Output>,
}

#[derive(Debug)]
struct Group {
    spec: SyncGroup,
    /// The positions of its members.
    members: Vec<usize>,
    /// As last told.
    told: Option<State>,
    /// Its end was told.
    stopped: bool,
}

impl Router {
    /// Everything is as at the start of the daemon: nothing is known of interfaces, and nothing is ready.
    #[must_use]
    pub fn new(config: &Vrrp, now: Instant) -> Self {
        let mut router = Self {
            instances: Vec::new(),
            tracks: Vec::new(),
            groups: Vec::new(),
            known: Known::default(),
            ready: false,
            stopping: false,
            outputs: Vec::new(),
        };
        router.arrange(config, now);
        // Interfaces are not known yet, so that all are in fault for now; it is not worth a word.
        for (instance, tracks) in router.instances.iter_mut().zip(&router.tracks) {
            let facts = router.known.judge(&instance.spec, tracks);
            instance.set_facts(facts, now, &mut Vec::new());
        }
        router
    }

    /// Takes a new configuration. Instances whose name, interface, family, router ID and version are the same keep their state;
    /// those that are gone hand over at once.
    pub fn configure(&mut self, config: &Vrrp, now: Instant) {
        self.arrange(config, now);
        self.judge(now);
        self.settle(0..self.instances.len(), now);
    }

    fn arrange(&mut self, config: &Vrrp, now: Instant) {
        let mut old = std::mem::take(&mut self.instances);
        for spec in &config.instances {
            let known = old.iter().position(|it| it.same_router(spec));
            let instance = match known {
                Some(position) => {
                    let mut instance = old.remove(position);
                    instance.reconfigure(spec, now, &mut self.outputs);
                    instance
                }
                None => Instance::new(spec, now),
            };
            self.instances.push(instance);
        }
        for mut gone in old {
            gone.leave(now, &mut self.outputs);
        }
        let old = std::mem::take(&mut self.groups);
        for spec in &config.groups {
            let position = |name: &String| {
                let mut instances = self.instances.iter();
                instances.position(|it| it.spec.name == *name)
            };
            self.groups.push(Group {
                members: spec.members.iter().filter_map(position).collect(),
                told: old
                    .iter()
                    .find(|it| it.spec.name == spec.name)
                    .and_then(|it| it.told),
                stopped: false,
                spec: spec.clone(),
            });
        }
        self.tracks = (0..self.instances.len())
            .map(|position| {
                let together = self.together(position).into_iter();
                let members = together.filter_map(|member| self.instances.get(member));
                members.flat_map(|it| it.spec.track.clone()).collect()
            })
            .collect();
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::Received {
                interface,
                source,
                destination,
                ttl,
                payload,
            } => {
                let packet = receive::Packet {
                    interface,
                    source,
                    destination,
                    ttl,
                    payload,
                };
                self.receive(&packet, now);
                return;
            }
            Input::Interface {
                name,
                up,
                ipv4,
                ipv6,
            } => {
                let interface = Interface { up, ipv4, ipv6 };
                self.known.interfaces.insert(name.to_owned(), interface);
                self.judge(now);
            }
            Input::Tracked { what, reading } => {
                self.known.readings.insert(what.clone(), reading);
                self.judge(now);
            }
            Input::Ready => self.ready = true,
            Input::Found { instance } => {
                if let Some(instance) = self.find(instance) {
                    let mut outputs = Vec::new();
                    instance.found(now, &mut outputs);
                    self.outputs.append(&mut outputs);
                }
            }
            Input::Held { instance } => {
                let mut outputs = Vec::new();
                if let Some(instance) = self.find(instance) {
                    instance.held(now, &mut outputs);
                }
                self.outputs.append(&mut outputs);
            }
            Input::Command { instance, command } => self.command(instance, command, now),
            Input::Stop => {
                self.stopping = true;
                for instance in &mut self.instances {
                    instance.hand_over(now, true, &mut self.outputs);
                }
                self.finish();
            }
        }
        self.settle(0..self.instances.len(), now);
    }

    /// Hands a packet to those whom it is for; nothing is done for the others.
    fn receive(&mut self, packet: &receive::Packet<'_>, now: Instant) {
        let mut heard = Vec::new();
        for (position, instance) in self.instances.iter_mut().enumerate() {
            if receive::is_for(instance, packet) {
                let meant = receive::receive(instance, packet, now, &mut self.outputs);
                heard.push((position, meant));
            }
        }
        for (position, meant) in &heard {
            match meant {
                Heard::Nothing => {}
                Heard::Followed => self.follow(*position, now),
                Heard::Beaten => self.beaten(*position, now),
            }
        }
        let heard = heard.into_iter().map(|(position, _)| position);
        if self.stopping {
            self.finish();
        }
        self.settle(heard, now);
    }

    fn find(&mut self, name: &str) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|it| it.spec.name == name)
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (position, instance) in self.instances.iter_mut().enumerate() {
            if instance.poll_at().is_some_and(|at| at <= now) {
                instance.poll(now, self.stopping, &mut self.outputs);
                due.push(position);
            }
        }
        if self.stopping {
            self.finish();
        }
        self.settle(due, now);
    }

    /// When to call [`Self::poll`].
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        self.instances.iter().filter_map(Instance::poll_at).min()
    }

    /// What is to be done, in this order. Each is given once.
    pub fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// How the instances are, in the order of the configuration.
    #[must_use]
    pub fn report(&self, now: Instant) -> Vec<InstanceReport> {
        self.instances.iter().map(|it| it.report(now)).collect()
    }

    /// How the sync groups are, in the order of the configuration.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupReport> {
        let report = |group: &Group| GroupReport {
            name: group.spec.name.clone(),
            state: self.state_of(group),
            members: group.spec.members.clone(),
        };
        self.groups.iter().map(report).collect()
    }

    /// Whether, after [`Input::Stop`], everything was handed over or given up.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stopping && self.instances.iter().all(|it| it.stopped)
    }

    /// The positions of an instance and all that share its sync group.
    fn together(&self, position: usize) -> Vec<usize> {
        self.groups
            .iter()
            .find(|group| group.members.contains(&position))
            .map_or_else(|| vec![position], |group| group.members.clone())
    }

    /// A master has heard a better one: it yields, and its group with it. The others of the group hand over: where they are
    /// master, no other is yet.
    fn beaten(&mut self, position: usize, now: Instant) {
        for member in self.together(position) {
            let Some(instance) = self.instances.get_mut(member) else {
                continue;
            };
            if member == position {
                instance.yield_to_other(now, &mut self.outputs);
            } else {
                instance.hand_over(now, self.stopping, &mut self.outputs);
            }
        }
    }

    /// A member that is no master leaves another router to be it: the rest of its group does so, too. They are of one mind as a
    /// rule, but not where a reload has just made a group of them.
    fn follow(&mut self, position: usize, now: Instant) {
        for member in self.together(position) {
            if let Some(instance) = self.instances.get_mut(member) {
                instance.hand_over(now, self.stopping, &mut self.outputs);
            }
        }
    }

    fn command(&mut self, name: Option<&str>, command: Command, now: Instant) {
        let named = |instance: &Instance| name.is_none_or(|name| instance.spec.name == name);
        let positions: Vec<usize> = (0..self.instances.len())
            .filter(|position| self.instances.get(*position).is_some_and(named))
            .flat_map(|position| self.together(position))
            .collect();
        for position in positions {
            let Some(instance) = self.instances.get_mut(position) else {
                continue;
            };
            instance.resigned = command == Command::Resign;
            if command == Command::Resign {
                instance.hand_over(now, self.stopping, &mut self.outputs);
            }
        }
    }

    /// While the daemon ends: instances that have nothing to wait for are done.
    fn finish(&mut self) {
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

    /// What is known of interfaces and tracked things has changed.
    fn judge(&mut self, now: Instant) {
        for (instance, tracks) in self.instances.iter_mut().zip(&self.tracks) {
            let facts = self.known.judge(&instance.spec, tracks);
            instance.set_facts(facts, now, &mut self.outputs);
            if self.stopping {
                instance.give_up_if_faulty(&mut self.outputs);
            }
        }
        if self.stopping {
            self.finish();
        }
    }

    /// Brings instances to which something happened in line with what is known, and with the other members of their group.
    fn settle(&mut self, positions: impl IntoIterator<Item = usize>, now: Instant) {
        if self.stopping {
            return;
        }
        for position in positions {
            let together = self.together(position);
            self.settle_together(&together, now);
        }
        self.tell_groups();
    }

    fn settle_together(&mut self, together: &[usize], now: Instant) {
        let of = || together.iter().filter_map(|at| self.instances.get(*at));
        // One that was added by a new configuration is not known to be in fault before its interface was heard of.
        let fault = of()
            .filter(|it| !it.is_beginning(self.ready, now))
            .find_map(|it| Some((it.spec.name.clone(), it.faults.first()?.clone())));
        let all_well = of().all(|it| it.faults.is_empty());
        if let Some((name, why)) = fault {
            for position in together {
                let Some(instance) = self.instances.get_mut(*position) else {
                    continue;
                };
                let why = match instance.faults.first() {
                    Some(own) => own.clone(),
                    None => format!("{name} of its sync group is in fault ({why})"),
                };
                instance.fail(&why, self.ready, now, &mut self.outputs);
            }
            return;
        }
        for position in together {
            if let Some(instance) = self.instances.get_mut(*position)
                && instance.state == State::Fault
                && all_well
            {
                instance.recover(now, &mut self.outputs);
            }
        }
        let willing = |instance: &Instance| instance.wants || instance.state == State::Master;
        let mut of = together.iter().filter_map(|at| self.instances.get(*at));
        if self.ready && of.all(willing) {
            for position in together {
                if let Some(instance) = self.instances.get_mut(*position)
                    && instance.wants
                {
                    instance.become_master(now, &mut self.outputs);
                }
            }
        }
        for position in together {
            if let Some(instance) = self.instances.get_mut(*position) {
                instance.tidy(&mut self.outputs);
            }
        }
    }

    fn state_of(&self, group: &Group) -> State {
        let states = group
            .members
            .iter()
            .filter_map(|at| self.instances.get(*at));
        let states: Vec<State> = states.map(|it| it.state).collect();
        if states.contains(&State::Fault) {
            State::Fault
        } else if states.iter().all(|state| *state == State::Master) {
            State::Master
        } else {
            State::Backup
        }
    }

    fn tell_groups(&mut self) {
        for position in 0..self.groups.len() {
            let Some(group) = self.groups.get(position) else {
                return;
            };
            let state = self.state_of(group);
            let mut members = group.members.iter();
            let all_told = members.all(|at| self.instances.get(*at).is_some_and(Instance::is_told));
            if group.told == Some(state) || !all_told {
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
                group.told = Some(state);
            }
        }
    }
}

#[cfg(test)]
mod tests;
