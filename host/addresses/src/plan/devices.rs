//! Interfaces: which are up, and those that are missing.

use crate::desired::Desired;
use crate::machine::{Device, MachineState};
use crate::owner::Owner;
use crate::steps::{AddressAction, AddressPlan};

/// Sets macvlan interfaces up, or others down.
pub(super) fn set(plan: &mut AddressPlan, desired: &Desired, machine: &MachineState, up: bool) {
    for macvlan in desired.macvlans.iter().filter(|macvlan| macvlan.up == up) {
        let Some(index) = machine.index(&macvlan.name) else {
            continue;
        };
        let differs = |device: &Device| device.ours() && device.up != up;
        if machine.devices.get(&index).is_some_and(differs) {
            let action = if up {
                AddressAction::LinkUp(index)
            } else {
                AddressAction::LinkDown(index)
            };
            let owner = Owner::Vrrp(macvlan.instance.clone());
            plan.push(Some(&owner), action, macvlan.name.clone());
        }
    }
}

/// `eth0, eth1`.
pub(super) fn names(machine: &MachineState) -> String {
    let names: Vec<&str> = machine
        .devices
        .values()
        .map(|device| device.name.as_str())
        .collect();
    names.join(", ")
}
