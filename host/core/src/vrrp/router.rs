//! All instances and sync groups of a director as one machine.

mod group;
mod groups;
mod hanging;
mod settle;
mod watchdog;

use std::collections::BTreeSet;
use std::time::Instant;

use super::instance::{AdvertOutcome, Instance};
use super::tracking::{Interface, Observations};
use super::{Command, GroupReport, Hearing, Input, InstanceReport, Output, receive};
use crate::model::{Track, Vrrp};
use group::Group;
use watchdog::Watchdog;

/// The virtual routers of a director. Feed it with [`Self::handle`], call [`Self::poll`] at [`Self::poll_at`], and
/// after each of them carry out [`Self::outputs`].
#[derive(Debug)]
pub struct Router {
    instances: Vec<Instance>,
    /// What each of them tracks, by position: what one member of a group tracks counts for all, so that they do not
    /// come apart.
    tracks: Vec<BTreeSet<Track>>,
    groups: Vec<Group>,
    observed: Observations,
    ready: bool,
    stopping: bool,
    watchdog: Watchdog,
    outputs: Vec<Output>,
}

impl Router {
    /// Everything is as at the start of the daemon: nothing is known of interfaces, and nothing is ready.
    #[must_use]
    pub fn new(config: &Vrrp, now: Instant) -> Self {
        let mut router = Self {
            instances: Vec::new(),
            tracks: Vec::new(),
            groups: Vec::new(),
            observed: Observations::default(),
            ready: false,
            stopping: false,
            watchdog: Watchdog::default(),
            outputs: Vec::new(),
        };
        router.arrange(config, now);
        // Interfaces are not known yet, so that all are in fault for now; it is not worth a word.
        for (instance, tracks) in router.instances.iter_mut().zip(&router.tracks) {
            instance.judge(&router.observed, tracks, now, &mut Vec::new());
        }
        router
    }

    /// Takes a new configuration. Instances whose name, interface, family, router ID and version are the same keep
    /// their state; those that are gone hand over at once.
    pub fn configure(&mut self, config: &Vrrp, now: Instant) {
        self.arrange(config, now);
        self.judge_all(now);
        self.settle(0..self.instances.len(), now);
    }

    fn arrange(&mut self, config: &Vrrp, now: Instant) {
        self.observed.set_scripts(&config.scripts);
        let mut old = std::mem::take(&mut self.instances);
        for spec in &config.instances {
            let known = old.iter().position(|it| it.spec.is_same_router(spec));
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
            let before = old.iter().find(|it| it.spec.name == spec.name);
            let group = Group::new(spec, before, &self.instances);
            self.groups.push(group);
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
                self.observed.interfaces.insert(name.to_owned(), interface);
                self.judge_all(now);
            }
            Input::MacChanged { interface } => {
                for instance in &mut self.instances {
                    if instance.has_address_on(interface) {
                        instance.announce_again(now, &mut self.outputs);
                    }
                }
                return;
            }
            Input::Source { addr, present } => {
                self.observed.sources.insert(addr, present);
                self.judge_all(now);
            }
            Input::Hearing { instance, hearing } => {
                self.set_hearing(instance, hearing, now);
                return;
            }
            Input::Tracked { what, reading } => {
                self.observed.readings.insert(what.clone(), reading);
                self.judge_all(now);
            }
            Input::Ready => self.ready = true,
            Input::Alive => self.alive(now),
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
                self.unwatch();
                for instance in &mut self.instances {
                    instance.hand_over("the daemon ends", now, true, &mut self.outputs);
                }
                self.finish();
            }
        }
        self.settle(0..self.instances.len(), now);
    }

    fn set_hearing(&mut self, name: &str, hearing: Hearing<'_>, now: Instant) {
        let hearing = match hearing {
            Hearing::Awaited => None,
            Hearing::Works => Some(Ok(())),
            Hearing::Fails(why) => Some(Err(why.to_owned())),
        };
        let mut instances = self.instances.iter();
        let Some(position) = instances.position(|it| it.spec.name == name) else {
            return;
        };
        if let Some(instance) = self.instances.get_mut(position)
            && instance.hearing != hearing
        {
            instance.hearing = hearing;
            self.judge(position..=position, now);
            self.settle([position], now);
        }
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
                AdvertOutcome::Ignored => {}
                AdvertOutcome::Accepted => self.accept_other(*position, now),
                AdvertOutcome::Beaten => self.beaten(*position, now),
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

    /// Does what is due. Afterwards [`Self::poll_at`] is later than `now`. What waits to be received goes to
    /// [`Self::handle`] first: a router that was not run for a while takes a master for silent otherwise whose adverts
    /// are there.
    pub fn poll(&mut self, now: Instant) {
        self.watch(now);
        let mut due = Vec::new();
        for (position, instance) in self.instances.iter_mut().enumerate() {
            if instance.poll_at().is_some_and(|at| at <= now) {
                instance.poll(now, self.stopping, &mut self.outputs);
                due.push(position);
            }
        }
        self.judge_unknown(&due, now);
        if self.stopping {
            self.finish();
        }
        self.settle(due, now);
    }

    /// When to call [`Self::poll`].
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let instances = self.instances.iter().filter_map(Instance::poll_at);
        instances.chain(self.watchdog.poll_at()).min()
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
                let why = "an operator told it to resign";
                instance.hand_over(why, now, self.stopping, &mut self.outputs);
            }
        }
    }
}

#[cfg(test)]
mod tests;
