//! What should be on this machine, of the configuration and of what is held.

use std::collections::BTreeMap;
use std::net::IpAddr;

use evenkeel_core::model::{Family, VirtualRoute, VirtualRule, Vrrp, VrrpInstance};

/// How an instance stands with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Nothing of it is to be here.
    Absent,
    /// What was found here stays, nothing is added.
    Kept,
    /// All of it is to be here.
    Held,
}

/// Something that an instance has while it is master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted<T> {
    /// The instance.
    pub(super) instance: String,
    pub(super) standing: Standing,
    pub(super) what: T,
}

/// A virtual address where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The interface, or the macvlan on it.
    pub(super) device: String,
    pub(super) addr: IpAddr,
    pub(super) prefix: u8,
    /// IPv4 only.
    pub(super) label: Option<String>,
    /// The kernel takes it from the address where that is IPv6.
    pub(super) scope: u8,
    /// Seconds.
    pub(super) lifetime: Option<u32>,
    /// Whether the address is the machine's own: then one without our mark is not VRRP's to take away.
    pub(super) owner: bool,
}

/// An interface that carries a virtual MAC address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Macvlan {
    pub(super) instance: String,
    pub(super) name: String,
    /// The interface that it lives on.
    pub(super) base: String,
    /// RFC 9568 section 7.3.
    pub(super) mac: [u8; 6],
    /// Only while it is held: a backup that listened on the virtual MAC would take, and forward, what is for the master.
    pub(super) up: bool,
}

/// What should be on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Desired {
    pub(super) macvlans: Vec<Macvlan>,
    pub(super) addresses: Vec<Wanted<Address>>,
    pub(super) routes: Vec<Wanted<VirtualRoute>>,
    pub(super) rules: Vec<Wanted<VirtualRule>>,
}

impl Desired {
    /// Instances without a standing are absent.
    pub(super) fn new(config: &Vrrp, standing: impl Fn(&str) -> Standing) -> Self {
        let mut desired = Self::default();
        let mut addresses: BTreeMap<(String, IpAddr), Wanted<Address>> = BTreeMap::new();
        for instance in &config.instances {
            let standing = standing(&instance.name);
            if let Some(name) = &instance.virtual_mac {
                desired
                    .macvlans
                    .push(macvlan(instance, name, standing != Standing::Absent));
            }
            for what in instance_addresses(instance) {
                let wanted = wanted(instance, standing, what);
                let place = (wanted.what.device.clone(), wanted.what.addr);
                match addresses.get(&place) {
                    // An address of two instances is here if one of them holds it.
                    Some(other) if other.standing >= standing => {}
                    _ => {
                        addresses.insert(place, wanted);
                    }
                }
            }
            let routes = instance.routes.iter().cloned();
            let routes = routes.map(|route| wanted(instance, standing, route));
            desired.routes.extend(routes);
            let rules = instance.rules.iter().cloned();
            let rules = rules.map(|rule| wanted(instance, standing, rule));
            desired.rules.extend(rules);
        }
        // As configured: the first address of a network is the kernel's primary one.
        let order: Vec<(String, IpAddr)> = config
            .instances
            .iter()
            .flat_map(instance_addresses)
            .map(|address| (address.device, address.addr))
            .collect();
        for place in order {
            desired.addresses.extend(addresses.remove(&place));
        }
        desired
    }
}

fn wanted<T>(instance: &VrrpInstance, standing: Standing, what: T) -> Wanted<T> {
    Wanted {
        instance: instance.name.clone(),
        standing,
        what,
    }
}

/// Where an instance's addresses belong, in the order of the configuration.
pub(super) fn instance_addresses(instance: &VrrpInstance) -> impl Iterator<Item = Address> {
    instance.addresses.iter().map(|address| {
        let on_adverts = address.interface == instance.interface;
        let device = instance
            .virtual_mac
            .as_ref()
            .filter(|_| on_adverts)
            .unwrap_or(&address.interface);
        let seconds = |lifetime: std::time::Duration| {
            // All ones would be forever.
            u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX - 1)
        };
        Address {
            device: device.clone(),
            addr: address.addr,
            prefix: address.prefix,
            label: address.label.clone(),
            scope: address.scope,
            lifetime: instance.address_lifetime.map(seconds),
            owner: instance.priority == 255,
        }
    })
}

fn macvlan(instance: &VrrpInstance, name: &str, up: bool) -> Macvlan {
    let family = match instance.family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    Macvlan {
        instance: instance.name.clone(),
        name: name.to_owned(),
        base: instance.interface.clone(),
        mac: [0x00, 0x00, 0x5e, 0x00, family, instance.router_id],
        up,
    }
}
