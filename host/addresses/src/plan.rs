//! What is to be done: the difference between what is wanted and what is there, as a pure comparison.

mod addresses;
mod devices;
mod routing;

pub(crate) use addresses::{collateral, fits};

use crate::desired::Desired;
use crate::machine::MachineState;
use crate::steps::AddressPlan;

/// Macvlan interfaces that do not exist yet are not in it.
pub(crate) fn plan(desired: &Desired, machine: &MachineState) -> AddressPlan {
    let mut plan = AddressPlan::default();
    addresses::remove(&mut plan, desired, machine);
    if desired.active.vrrp {
        routing::remove(&mut plan, desired, machine);
        devices::set(&mut plan, desired, machine, false);
        devices::set(&mut plan, desired, machine, true);
    }
    addresses::add(&mut plan, desired, machine);
    routing::add(&mut plan, desired, machine);
    plan
}
