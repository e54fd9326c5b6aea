//! Addresses.
//!
//! Each owner has its own idea of what is there: a service's address that someone else has put there is left alone, now
//! and later. A virtual address belongs to VRRP whether it carries the mark or not (another implementation that was
//! killed leaves it), except where the priority is 255: then it is the machine's own.

use super::devices::names;
use crate::desired::{AddressSpec, Desired};
use crate::machine::{MachineState, Origin, PresentAddress};
use crate::owner::{Claim, Owner, Presence};
use crate::steps::{AddressAction, AddressPlan, AddressStep};

/// Those that must go.
pub(super) fn remove(plan: &mut AddressPlan, desired: &Desired, machine: &MachineState) {
    // Secondary ones first, so that none goes unasked with its primary.
    for present in machine.addresses.iter().rev() {
        let device = machine.name(present.index);
        let owner = match present.origin {
            Origin::Service => {
                let goes = desired.active.services && !is_wanted(present, &device, desired);
                goes.then_some(Some(&Owner::Services))
            }
            Origin::Vrrp | Origin::Foreign => {
                let claim = desired.addresses.iter().find(|claim| {
                    claim.owner != Owner::Services
                        && claim.what.addr == present.addr
                        && claim.what.device == device
                });
                let goes = desired.active.vrrp && is_in_the_way(present, claim, &device);
                goes.then_some(claim.map(|claim| &claim.owner))
            }
        };
        if let Some(owner) = owner {
            let about = format!("{}/{} on {device}", present.addr, present.prefix);
            let action = AddressAction::RemoveAddress(Box::new(present.clone()));
            plan.push(owner, action, about);
        }
    }
}

/// Those that are missing.
pub(super) fn add(plan: &mut AddressPlan, desired: &Desired, machine: &MachineState) {
    for claim in &desired.addresses {
        let address = &claim.what;
        let Some(index) = machine.index(&address.device) else {
            if claim.presence == Presence::Held {
                let text = no_interface(claim, machine);
                plan.problems.push((claim.owner.clone(), text));
            }
            continue;
        };
        let about = format!("{}/{} on {}", address.addr, address.prefix, address.device);
        let address = address.clone();
        match claim.owner {
            Owner::Services => {
                let mut there = machine.at(index, address.addr);
                if there.any(|present| present.origin != Origin::Service) {
                    // It serves as well, with another prefix length, too.
                    plan.foreign.push(address);
                } else if claim.presence == Presence::Held
                    && !machine
                        .at(index, address.addr)
                        .any(|present| present.prefix == address.prefix)
                {
                    let action = AddressAction::AddServiceAddress { index, address };
                    plan.push(Some(&claim.owner), action, about);
                }
            }
            Owner::Vrrp(_) => {
                if misses_virtual(claim, index, machine) {
                    let action = AddressAction::AddVirtualAddress { index, address };
                    plan.push(Some(&claim.owner), action, about);
                }
            }
        }
    }
}

/// Whether a virtual address is to be added, or its lifetime to be set.
fn misses_virtual(claim: &Claim<AddressSpec>, index: u32, machine: &MachineState) -> bool {
    let address = &claim.what;
    let fitting = machine
        .at(index, address.addr)
        .find(|present| fits(address, present));
    match (claim.presence, fitting) {
        (Presence::Absent, _) | (Presence::Retained, None) => false,
        (Presence::Held, None) => true,
        (_, Some(present)) => {
            present.origin == Origin::Vrrp && present.permanent != address.lifetime.is_none()
        }
    }
}

fn no_interface(claim: &Claim<AddressSpec>, machine: &MachineState) -> String {
    let (address, names) = (&claim.what, names(machine));
    let AddressSpec {
        device,
        addr,
        prefix,
        ..
    } = address;
    match claim.owner {
        Owner::Services => {
            format!("no interface {device:?} to put {addr}/{prefix} on; there is: {names}")
        }
        Owner::Vrrp(_) => {
            format!("{addr}/{prefix} cannot be added: no interface {device:?}; there is: {names}")
        }
    }
}

/// Whether a service's address that is there is one of the configured ones.
fn is_wanted(present: &PresentAddress, device: &str, desired: &Desired) -> bool {
    desired.addresses.iter().any(|claim| {
        claim.owner == Owner::Services
            && claim.presence != Presence::Absent
            && claim.what.device == device
            && claim.what.addr == present.addr
            && claim.what.prefix == present.prefix
    })
}

/// Whether an address that is no service's must go for VRRP's sake.
fn is_in_the_way(
    present: &PresentAddress,
    claim: Option<&Claim<AddressSpec>>,
    device: &str,
) -> bool {
    let Some(claim) = claim else {
        return present.origin == Origin::Vrrp;
    };
    let ours = present.origin == Origin::Vrrp || !claim.what.owner;
    let stays = match claim.presence {
        Presence::Absent => false,
        Presence::Retained | Presence::Held => fits_on(&claim.what, present, device),
    };
    ours && !stays
}

/// Whether an address that is there does for the virtual one that is wanted there.
pub(crate) fn fits(wanted: &AddressSpec, present: &PresentAddress) -> bool {
    fits_on(wanted, present, &wanted.device)
}

fn fits_on(wanted: &AddressSpec, present: &PresentAddress, device: &str) -> bool {
    if wanted.owner && present.origin != Origin::Vrrp {
        // The machine's own, however it is set up.
        return true;
    }
    // Without a label the kernel takes the interface's name.
    let label = wanted.label.as_deref().unwrap_or(device);
    let four = present.label.as_deref().unwrap_or(device) == label && present.scope == wanted.scope;
    present.prefix == wanted.prefix && (present.addr.is_ipv6() || four)
}

/// Addresses that went with primary ones that were removed, and that no plan adds again: the kernel removes the
/// secondary addresses of a network with its primary one unless `promote_secondaries` is set.
pub(crate) fn collateral(
    before: &MachineState,
    removed: &[PresentAddress],
    after: &MachineState,
    desired: &Desired,
) -> Vec<AddressStep> {
    let comes_back = |present: &PresentAddress| {
        let device = after.name(present.index);
        let of_services = present.origin == Origin::Service;
        present.origin != Origin::Foreign
            && desired.addresses.iter().any(|claim| {
                (claim.owner == Owner::Services) == of_services
                    && claim.presence == Presence::Held
                    && claim.what.device == device
                    && claim.what.addr == present.addr
            })
    };
    let went = |present: &&PresentAddress| {
        let with = |removed: &PresentAddress| {
            !removed.secondary
                && removed.index == present.index
                && removed.network == present.network
        };
        present.secondary
            && removed.iter().any(with)
            && !removed.contains(present)
            && after.devices.contains_key(&present.index)
            && !after
                .at(present.index, present.addr)
                .any(|now| now.prefix == present.prefix)
            && !comes_back(present)
    };
    let step = |present: &PresentAddress| AddressStep {
        owner: None,
        action: AddressAction::RestoreAddress(Box::new(present.clone())),
        about: format!(
            "{}/{} on {}",
            present.addr,
            present.prefix,
            after.name(present.index)
        ),
    };
    before.addresses.iter().filter(went).map(step).collect()
}
