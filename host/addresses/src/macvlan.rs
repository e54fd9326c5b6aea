//! Interfaces that carry a virtual MAC address (RFC 9568 section 7.3).
//!
//! An interface and the macvlan on it are on one wire, so an ARP request reaches both. `arp_ignore` = 1 on both makes
//! each answer for its own addresses only, with its own MAC address. `arp_announce` = 2 on the interface keeps it from
//! asking for its neighbours in the name of a virtual address, which it sends packets from: they would learn its own
//! MAC address for it. What they were on the interface before is kept in the macvlan's alias, where a later process
//! finds it, and set again when the last macvlan goes.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;

use nix::errno::Errno;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage, MacVlanMode};
use rtnetlink::{LinkMacVlan, LinkUnspec};

use crate::desired::MacvlanSpec;
use crate::machine::{Device, MachineState};
use crate::marks::ALIAS;
use crate::message;
use crate::netlink::Netlink;

/// Settings of the interface below (`net.ipv4.conf`), with what they become where they are 0.
const BELOW: [(&str, &str); 2] = [("arp_ignore", "1"), ("arp_announce", "2")];

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct PreparedMacvlans {
    /// Interfaces were made or removed: the machine has to be looked at again.
    pub(crate) changed: bool,
    /// With the instance.
    pub(crate) problems: Vec<(String, String)>,
    /// What could not be removed.
    pub(crate) failures: Vec<String>,
}

/// Makes those that are wanted and not there, and removes those of ours that are not wanted.
pub(crate) async fn prepare(
    netlink: &Netlink,
    machine: &MachineState,
    wanted: &[MacvlanSpec],
) -> PreparedMacvlans {
    let mut prepared = PreparedMacvlans::default();
    let obsolete = |link: &Device| {
        let fits = |macvlan: &MacvlanSpec| macvlan.name == link.name && is(macvlan, link, machine);
        link.ours() && !wanted.iter().any(fits)
    };
    let obsolete: BTreeSet<u32> = machine
        .devices
        .iter()
        .filter(|(_, link)| obsolete(link))
        .map(|(index, _)| *index)
        .collect();
    if !obsolete.is_empty() {
        prepared.changed = true;
        for (link, error) in remove(netlink, machine, &obsolete).await {
            let text = format!("cannot remove {link}: {}", error.desc());
            prepared.failures.push(text);
        }
    }
    for macvlan in wanted {
        let there = machine
            .index(&macvlan.name)
            .filter(|index| !obsolete.contains(index));
        let there = there.and_then(|index| Some((index, machine.devices.get(&index)?)));
        let made = match there {
            Some((_, link)) if link.ours() => continue,
            // Left by another implementation, or by an Evenkeel that was killed in the middle of this.
            Some((index, link)) if is(macvlan, link, machine) => {
                set_up(netlink, machine, macvlan, index).await
            }
            Some(_) => Err(format!("there is an interface {:?} already", macvlan.name)),
            None => make(netlink, machine, macvlan).await,
        };
        match made {
            Ok(()) => prepared.changed = true,
            Err(text) => prepared.problems.push((
                macvlan.instance.clone(),
                format!("no virtual MAC address: {text}"),
            )),
        }
    }
    prepared
}

/// Removes interfaces, and sets the settings of what they were on as they were, unless others of ours are still on it.
/// Returns those that could not be removed.
pub(crate) async fn remove(
    netlink: &Netlink,
    machine: &MachineState,
    indices: &BTreeSet<u32>,
) -> Vec<(String, Errno)> {
    let mut failures = Vec::new();
    for index in indices {
        let Some(link) = machine.devices.get(index) else {
            continue;
        };
        let mut device = LinkMessage::default();
        device.header.index = *index;
        let request = message::request(RouteNetlinkMessage::DelLink(device));
        for result in netlink.send(vec![request]).await {
            match result {
                Ok(()) | Err(Errno::ENODEV) => {}
                Err(error) => failures.push((link.name.clone(), error)),
            }
        }
        let stays = |(other, it): (&u32, &Device)| {
            it.ours() && it.base == link.base && !indices.contains(other)
        };
        let base = link.base.and_then(|base| machine.devices.get(&base));
        if let Some(base) = base
            && !machine.devices.iter().any(stays)
        {
            for (key, before) in Before::named_by(link).0 {
                // The interface may have gone, and its settings with it.
                let _ = write("ipv4", &base.name, key, &before);
            }
        }
    }
    failures
}

/// Whether an interface is the one that is wanted, whoever made it.
fn is(macvlan: &MacvlanSpec, link: &Device, machine: &MachineState) -> bool {
    let base = link.base.and_then(|base| machine.devices.get(&base));
    link.macvlan && link.mac == macvlan.mac && base.is_some_and(|base| base.name == macvlan.base)
}

async fn make(
    netlink: &Netlink,
    machine: &MachineState,
    macvlan: &MacvlanSpec,
) -> Result<(), String> {
    let base = machine
        .index(&macvlan.base)
        .ok_or_else(|| format!("no interface {:?}", macvlan.base))?;
    let device = LinkMacVlan::new(&macvlan.name, base, MacVlanMode::Private)
        .address(macvlan.mac.to_vec())
        .build();
    let request = message::create(RouteNetlinkMessage::NewLink(device));
    for result in netlink.send(vec![request]).await {
        result.map_err(|error| match error {
            Errno::EOPNOTSUPP => "the kernel has no macvlan".to_owned(),
            Errno::EADDRINUSE => {
                format!("another interface on {} has that MAC address", macvlan.base)
            }
            error => error.desc().to_owned(),
        })?;
    }
    let index = nix::net::if_::if_nametoindex(macvlan.name.as_str())
        .map_err(|error| error.desc().to_owned())?;
    set_up(netlink, machine, macvlan, index).await
}

/// Settings and alias of an interface that is there.
async fn set_up(
    netlink: &Netlink,
    machine: &MachineState,
    macvlan: &MacvlanSpec,
    index: u32,
) -> Result<(), String> {
    let name = &macvlan.name;
    // No address and no route of its own making: a backup must not be heard with the virtual MAC address.
    for key in ["addr_gen_mode", "accept_ra"] {
        let value = if key == "addr_gen_mode" { "1" } else { "0" };
        write("ipv6", name, key, value)?;
    }
    write("ipv4", name, "arp_ignore", "1")?;
    // Its clients are behind the interface as well, by which the kernel answers them: loose reverse path filtering.
    write("ipv4", name, "rp_filter", "2")?;
    let base = machine.index(&macvlan.base);
    let sibling = |link: &&Device| link.ours() && link.base == base && link.name != *name;
    let before = match machine.devices.values().find(sibling) {
        Some(sibling) => Before::named_by(sibling),
        None => Before::of(&macvlan.base),
    };
    let alias = before.alias(&macvlan.base);
    // The alias first: whoever finds the interface has to know what to undo.
    let device = LinkUnspec::new_with_index(index)
        .append_extra_attribute(LinkAttribute::IfAlias(alias))
        .build();
    for result in netlink.send(vec![message::set_link(device)]).await {
        result.map_err(|error| error.desc().to_owned())?;
    }
    for (key, value) in BELOW {
        if before.0.iter().any(|(it, was)| *it == key && was == "0") {
            write("ipv4", &macvlan.base, key, value)?;
        }
    }
    Ok(())
}

/// What the settings of the interface below were.
struct Before(Vec<(&'static str, String)>);

impl Before {
    fn of(interface: &str) -> Self {
        let keys = BELOW.iter().map(|(key, _)| *key);
        Self(
            keys.filter_map(|key| Some((key, read("ipv4", interface, key)?)))
                .collect(),
        )
    }

    /// `evenkeel vrrp; eth0 had arp_ignore=0 arp_announce=0`
    fn alias(&self, interface: &str) -> String {
        let mut alias = ALIAS.to_owned();
        for (position, (key, value)) in self.0.iter().enumerate() {
            if position == 0 {
                alias.push_str(&format!("; {interface} had"));
            }
            alias.push_str(&format!(" {key}={value}"));
        }
        alias
    }

    fn named_by(link: &Device) -> Self {
        let words = link.alias.iter().flat_map(|alias| alias.split_whitespace());
        let told = words.filter_map(|word| word.split_once('='));
        let known = told.filter_map(|(key, value)| {
            let (key, _) = BELOW.iter().find(|(known, _)| *known == key)?;
            let number: u8 = value.parse().ok()?;
            Some((*key, number.to_string()))
        });
        Self(known.collect())
    }
}

fn path(family: &str, interface: &str, key: &str) -> PathBuf {
    ["/proc/sys/net", family, "conf", interface, key]
        .iter()
        .collect()
}

fn read(family: &str, interface: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path(family, interface, key)).ok()?;
    Some(text.trim().to_owned())
}

fn write(family: &str, interface: &str, key: &str, value: &str) -> Result<(), String> {
    let path = path(family, interface, key);
    match std::fs::write(&path, value) {
        // A kernel without IPv6.
        Err(error) if error.kind() == ErrorKind::NotFound && family == "ipv6" => Ok(()),
        Err(error) => Err(format!("cannot write {}: {error}", path.display())),
        Ok(()) => Ok(()),
    }
}
