//! What is to be done with addresses, as a pure comparison.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::model::Assign;

use super::{AddressError, Interface, OwnAddress};

/// The difference between the addresses wanted and those present.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// To be put on the interface of that number.
    pub(super) add: Vec<(u32, Assign)>,
    /// Ours, and no longer wanted.
    pub(super) remove: Vec<OwnAddress>,
    /// Wanted, but already there as someone else's.
    pub(super) foreign: BTreeSet<Assign>,
    /// Wanted on interfaces that do not exist.
    pub(super) failures: Vec<AddressError>,
}

pub(super) fn plan(
    wanted: &BTreeSet<Assign>,
    present: &[OwnAddress],
    interfaces: &BTreeMap<u32, Interface>,
) -> Plan {
    let mut plan = Plan::default();
    for assign in wanted {
        let Some((index, _)) = interfaces
            .iter()
            .find(|(_, interface)| interface.name == assign.interface)
        else {
            plan.failures.push(AddressError::NoInterface {
                wanted: assign.clone(),
                existing: interfaces
                    .values()
                    .map(|interface| interface.name.clone())
                    .collect(),
            });
            continue;
        };
        // Someone else's address serves as well with another prefix length; ours is replaced.
        let same = |own: &&OwnAddress| own.index == *index && own.addr == assign.addr;
        if present.iter().filter(same).any(|own| !own.ours) {
            plan.foreign.insert(assign.clone());
        } else if !present.iter().any(|own| is(assign, own)) {
            plan.add.push((*index, assign.clone()));
        }
    }
    let unwanted = |own: &&OwnAddress| own.ours && !wanted.iter().any(|assign| is(assign, own));
    plan.remove = present.iter().filter(unwanted).cloned().collect();
    plan
}

/// Whether this is that address.
pub(super) fn is(assign: &Assign, own: &OwnAddress) -> bool {
    assign.interface == own.interface
        && assign.addr == own.addr
        && assign.prefix == own.network.prefix_len()
}

/// Whether this address, which is not ours to remove, is no longer there.
pub(super) fn is_lost(address: &OwnAddress, now: &[OwnAddress]) -> bool {
    let same = |own: &OwnAddress| {
        (own.index, own.addr, own.network) == (address.index, address.addr, address.network)
    };
    !address.ours && !now.iter().any(same)
}
