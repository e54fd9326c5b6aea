//! What a master tells networks: where its virtual addresses are.

use std::collections::BTreeMap;

use evenkeel_addresses::announce::Announcement;
use evenkeel_core::model::{VirtualAddress, VrrpInstance};

use crate::links::Link;

/// All addresses of an instance, on the interfaces that they really are on. What is no Ethernet needs no frames.
pub(crate) fn announcements(
    instance: &VrrpInstance,
    links: &BTreeMap<String, Link>,
) -> Vec<Announcement> {
    let announcement = |address: &VirtualAddress| {
        let link = carrier(instance, &address.interface, links)?;
        Some(Announcement {
            addr: address.addr,
            index: link.index,
            interface: link.name.clone(),
            mac: link.mac?,
        })
    };
    let addresses = instance.addresses.iter();
    addresses.filter_map(announcement).collect()
}

/// The interface that an instance's addresses on `interface` really are on.
fn carrier<'a>(
    instance: &VrrpInstance,
    interface: &str,
    links: &'a BTreeMap<String, Link>,
) -> Option<&'a Link> {
    let virtual_mac = instance.virtual_mac.as_ref();
    virtual_mac
        .filter(|_| interface == instance.interface)
        .and_then(|name| links.get(name))
        .or_else(|| links.get(interface))
}
