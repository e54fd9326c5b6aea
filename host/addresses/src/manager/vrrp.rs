//! VRRP as an owner of addresses, routes, rules and macvlan interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::model::{Vrrp, VrrpInstance};

use crate::channel::AsyncReceiver;
use crate::desired::{AddressSpec, Desired};
use crate::machine::{MachineState, Origin, PresentAddress};
use crate::netlink::RtnlRequest;
use crate::owner::{Claim, Owner, Presence};
use crate::plan::fits;
use crate::reconciler::Outcome;
use crate::reports::{VrrpAttachment, VrrpCommand, VrrpReport};
use crate::steps::AddressAction;

/// An instance.
#[derive(Debug)]
struct InstanceState {
    presence: Presence,
    /// It was told to hold or release what it has, and that is not answered yet.
    requested: bool,
    /// As told.
    problem: Option<String>,
}

/// What the instances want, and what they were told of it.
pub(super) struct VrrpOwner {
    pub(super) commands: AsyncReceiver<VrrpCommand>,
    reports: Box<dyn Fn(VrrpReport) + Send>,
    config: Arc<Vrrp>,
    /// Whether there is a configuration: before it nothing is done.
    configured: bool,
    instances: BTreeMap<String, InstanceState>,
    here: BTreeSet<IpAddr>,
}

impl VrrpOwner {
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot wait for commands.
    pub(super) fn new(attachment: VrrpAttachment) -> std::io::Result<Self> {
        (attachment.prepare_thread)();
        Ok(Self {
            commands: AsyncReceiver::new(attachment.commands)?,
            reports: attachment.reports,
            config: Arc::default(),
            configured: false,
            instances: BTreeMap::new(),
            here: BTreeSet::new(),
        })
    }

    /// Takes a new configuration. `true`: it was the first one.
    pub(super) fn configure(&mut self, config: Arc<Vrrp>) -> bool {
        self.config = config;
        let mut known = std::mem::take(&mut self.instances);
        for instance in &self.config.instances {
            let state = known.remove(&instance.name).unwrap_or(InstanceState {
                presence: Presence::Absent,
                requested: false,
                problem: None,
            });
            self.instances.insert(instance.name.clone(), state);
        }
        !std::mem::replace(&mut self.configured, true)
    }

    /// Whether routes or rules are configured.
    pub(super) fn has_routing(&self) -> bool {
        let has = |it: &VrrpInstance| !it.routes.is_empty() || !it.rules.is_empty();
        self.config.instances.iter().any(has)
    }

    /// Notes what an instance is told to do.
    pub(super) fn request(&mut self, instance: &str, presence: Presence) {
        if let Some(state) = self.instances.get_mut(instance) {
            state.presence = presence;
            state.requested = true;
        }
    }

    /// The instances that were told to do something, which is not answered yet.
    pub(super) fn requested(&self) -> BTreeSet<String> {
        let instances = self.instances.iter();
        instances
            .filter(|(_, state)| state.requested)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Adds what the instances want, but for addresses that wait for their services.
    pub(super) fn claim(&self, desired: &mut Desired, awaiting: &BTreeSet<IpAddr>) {
        if self.configured {
            let presence = |instance: &str| {
                let state = self.instances.get(instance);
                state.map_or(Presence::Absent, |state| state.presence)
            };
            desired.claim_vrrp(&self.config, awaiting, presence);
        }
    }

    /// Tells whose addresses are all here, put there by an Evenkeel. They are kept.
    pub(super) fn find(&mut self, desired: &Desired, machine: &MachineState) {
        for (name, state) in &mut self.instances {
            let mut its = claims_of(name, desired).peekable();
            if its.peek().is_some() && its.all(|claim| present(claim, machine).is_some()) {
                state.presence = Presence::Retained;
                let found = claims_of(name, desired).map(|claim| claim.what.addr);
                self.here.extend(found);
                (self.reports)(VrrpReport::Found {
                    instance: name.clone(),
                });
            }
        }
        let here = self.here.clone();
        (self.reports)(VrrpReport::Looked { here });
    }

    /// Answers, as soon as possible, what is done without a hitch; and tells of addresses that were put back.
    pub(super) fn tell_done(&mut self, outcome: &mut Outcome) {
        for (name, state) in &mut self.instances {
            if outcome.has_failed(name) {
                continue;
            }
            let whole = !outcome.has_problem(name);
            let instance = name.clone();
            match state.presence {
                Presence::Held if whole && (state.requested | outcome.added.remove(name)) => {
                    (self.reports)(VrrpReport::Held { instance });
                }
                Presence::Absent if state.requested => {
                    (self.reports)(VrrpReport::Released { instance });
                }
                _ => continue,
            }
            state.requested = false;
        }
    }

    /// Answers what is done in part, and tells of problems and of what is here.
    pub(super) fn tell_rest(
        &mut self,
        desired: &Desired,
        outcome: &Outcome,
        machine: &MachineState,
    ) {
        if !self.configured {
            return;
        }
        for (name, state) in &mut self.instances {
            let mut its = claims_of(name, desired).peekable();
            let some = its.peek().is_none() || its.any(|claim| is_here(claim, machine));
            let due = state.requested || outcome.added.contains(name);
            if due && state.presence == Presence::Held && some {
                state.requested = false;
                (self.reports)(VrrpReport::Held {
                    instance: name.clone(),
                });
            }
            let failures = outcome.failures(Some(&Owner::Vrrp(name.clone())));
            let problem = (!failures.is_empty()).then(|| failures.join("; "));
            if problem != state.problem {
                state.problem.clone_from(&problem);
                (self.reports)(VrrpReport::Problem {
                    instance: name.clone(),
                    text: problem,
                });
            }
        }
        let here: BTreeSet<IpAddr> = desired
            .addresses
            .iter()
            .filter(|claim| claim.owner != Owner::Services && is_here(claim, machine))
            .map(|claim| claim.what.addr)
            .collect();
        if here != self.here {
            self.here.clone_from(&here);
            (self.reports)(VrrpReport::Here(here));
        }
    }

    /// How often lifetimes have to be set anew: after a third of the shortest.
    pub(super) fn refresh_interval(&self) -> Option<Duration> {
        let lifetimes = self.config.instances.iter().filter_map(|instance| {
            let state = self.instances.get(&instance.name)?;
            (state.presence != Presence::Absent).then_some(instance.address_lifetime?)
        });
        lifetimes.min().map(|shortest| shortest / 3)
    }
}

/// Sets the lifetimes of virtual addresses anew that are here.
pub(super) fn refreshes(desired: &Desired, machine: &MachineState) -> Vec<RtnlRequest> {
    let refresh = |claim: &Claim<AddressSpec>| {
        let there = present(claim, machine)?;
        let (index, address) = (there.index, claim.what.clone());
        Some(AddressAction::AddVirtualAddress { index, address }.request())
    };
    let claims = desired.addresses.iter();
    claims
        .filter(|claim| claim.presence != Presence::Absent && claim.what.lifetime.is_some())
        .filter_map(refresh)
        .collect()
}

/// Macvlan interfaces of ours whose instances are not held.
pub(super) fn idle_macvlans(desired: &Desired, machine: &MachineState) -> BTreeSet<u32> {
    let idle = desired.macvlans.iter().filter(|macvlan| !macvlan.up);
    idle.filter_map(|macvlan| machine.index(&macvlan.name))
        .filter(|index| {
            let device = machine.devices.get(index);
            device.is_some_and(|device| device.ours())
        })
        .collect()
}

fn claims_of<'a>(
    instance: &'a str,
    desired: &'a Desired,
) -> impl Iterator<Item = &'a Claim<AddressSpec>> {
    let claims = desired.addresses.iter();
    claims.filter(move |claim| claim.owner.instance() == Some(instance))
}

/// A virtual address that an Evenkeel put there as it is wanted.
fn present<'a>(
    claim: &Claim<AddressSpec>,
    machine: &'a MachineState,
) -> Option<&'a PresentAddress> {
    let index = machine.index(&claim.what.device)?;
    let mut there = machine.at(index, claim.what.addr);
    there.find(|present| present.origin == Origin::Vrrp && fits(&claim.what, present))
}

/// Whether the address is there, whoever put it there.
fn is_here(claim: &Claim<AddressSpec>, machine: &MachineState) -> bool {
    let index = machine.index(&claim.what.device);
    index.is_some_and(|index| machine.at(index, claim.what.addr).next().is_some())
}
