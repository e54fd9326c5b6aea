//! What should be on this machine: the claims of all owners.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use evenkeel_core::model::{
    Assign, Family, ServiceKey, VirtualRoute, VirtualRule, Vrrp, VrrpInstance,
};
use evenkeel_core::sync::InKernel;

use crate::owner::{ActiveOwners, Claim, Owner, Presence};

/// The address of a service, and whether clients may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAddress {
    /// The service.
    pub service: ServiceKey,
    /// Where its address belongs; `None`: that is not the services' business, but it may be a virtual address.
    pub assign: Option<Assign>,
    /// Whether the kernel is ready for connections to the service. Before that they would be refused: the address is
    /// not put on its interface, neither for the service nor for VRRP, but stays if it is there.
    pub in_kernel: InKernel,
}

/// Whether an address that several services may share is to be added: see [`Self::presence`].
#[derive(Debug, Clone, Copy, Default)]
struct Sharers {
    some_in_kernel: bool,
    some_to_come: bool,
}

impl Sharers {
    fn add(&mut self, in_kernel: InKernel) {
        match in_kernel {
            InKernel::Yes => self.some_in_kernel = true,
            InKernel::NotYet => self.some_to_come = true,
            InKernel::Refused => {}
        }
    }

    /// It is added when all of its services are in the kernel. One that the kernel refuses does not keep it from the
    /// others.
    fn presence(self) -> Presence {
        if self.some_in_kernel && !self.some_to_come {
            Presence::Held
        } else {
            Presence::Retained
        }
    }
}

/// An address where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressSpec {
    /// The interface, or the macvlan on it.
    pub(crate) device: String,
    pub(crate) addr: IpAddr,
    pub(crate) prefix: u8,
    /// IPv4 only.
    pub(crate) label: Option<String>,
    /// The kernel takes it from the address where that is IPv6.
    pub(crate) scope: u8,
    /// Seconds.
    pub(crate) lifetime: Option<u32>,
    /// Whether the virtual address is the machine's own: then one without our mark is not VRRP's to take away.
    pub(crate) owner: bool,
}

/// An interface that carries a virtual MAC address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MacvlanSpec {
    pub(crate) instance: String,
    pub(crate) name: String,
    /// The interface that it lives on.
    pub(crate) base: String,
    /// RFC 9568 section 7.3.
    pub(crate) mac: [u8; 6],
    /// Only while it is held: a backup that listened on the virtual MAC would take, and forward, what is for the
    /// master.
    pub(crate) up: bool,
}

/// What should be on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Desired {
    pub(crate) active: ActiveOwners,
    pub(crate) macvlans: Vec<MacvlanSpec>,
    pub(crate) addresses: Vec<Claim<AddressSpec>>,
    pub(crate) routes: Vec<Claim<VirtualRoute>>,
    pub(crate) rules: Vec<Claim<VirtualRule>>,
}

impl Desired {
    /// Nothing of these owners.
    pub(crate) fn nothing_of(active: ActiveOwners) -> Self {
        Self {
            active,
            ..Self::default()
        }
    }

    /// The addresses of the services.
    pub(crate) fn claim_services(&mut self, services: &[ServiceAddress]) {
        self.active.services = true;
        let mut places: BTreeMap<&Assign, Sharers> = BTreeMap::new();
        for service in services {
            if let Some(assign) = &service.assign {
                places.entry(assign).or_default().add(service.in_kernel);
            }
        }
        let claims = places.into_iter().map(|(assign, sharers)| Claim {
            owner: Owner::Services,
            presence: sharers.presence(),
            what: AddressSpec {
                device: assign.interface.clone(),
                addr: assign.addr,
                prefix: assign.prefix,
                label: None,
                scope: 0,
                lifetime: None,
                owner: false,
            },
        });
        self.addresses.extend(claims);
    }

    /// What the VRRP instances have. An address of theirs that is in `awaiting` is not added yet.
    pub(crate) fn claim_vrrp(
        &mut self,
        config: &Vrrp,
        awaiting: &BTreeSet<IpAddr>,
        presence: impl Fn(&str) -> Presence,
    ) {
        self.active.vrrp = true;
        let mut addresses: BTreeMap<(String, IpAddr), Claim<AddressSpec>> = BTreeMap::new();
        for instance in &config.instances {
            let presence = presence(&instance.name);
            if let Some(name) = &instance.virtual_mac {
                self.macvlans
                    .push(macvlan(instance, name, presence != Presence::Absent));
            }
            for what in instance_addresses(instance) {
                let most = if awaiting.contains(&what.addr) {
                    Presence::Retained
                } else {
                    Presence::Held
                };
                let claim = claim(instance, presence.min(most), what);
                let place = (claim.what.device.clone(), claim.what.addr);
                match addresses.get(&place) {
                    // An address of two instances is here if one of them holds it.
                    Some(other) if other.presence >= claim.presence => {}
                    _ => {
                        addresses.insert(place, claim);
                    }
                }
            }
            let routes = instance.routes.iter().cloned();
            let routes = routes.map(|route| claim(instance, presence, route));
            self.routes.extend(routes);
            let rules = instance.rules.iter().cloned();
            let rules = rules.map(|rule| claim(instance, presence, rule));
            self.rules.extend(rules);
        }
        // As configured: the first address of a network is the kernel's primary one.
        let order: Vec<(String, IpAddr)> = config
            .instances
            .iter()
            .flat_map(instance_addresses)
            .map(|address| (address.device, address.addr))
            .collect();
        for place in order {
            self.addresses.extend(addresses.remove(&place));
        }
    }
}

/// The services' addresses that are not to be added yet, since the kernel would refuse their clients.
pub(crate) fn awaiting(services: &[ServiceAddress]) -> BTreeSet<IpAddr> {
    let mut addresses: BTreeMap<IpAddr, Sharers> = BTreeMap::new();
    for service in services {
        let sharers = addresses.entry(service.service.addr).or_default();
        sharers.add(service.in_kernel);
    }
    let waits = |(addr, it): (IpAddr, Sharers)| (it.presence() != Presence::Held).then_some(addr);
    addresses.into_iter().filter_map(waits).collect()
}

fn claim<T>(instance: &VrrpInstance, presence: Presence, what: T) -> Claim<T> {
    Claim {
        owner: Owner::Vrrp(instance.name.clone()),
        presence,
        what,
    }
}

/// Where an instance's addresses belong, in the order of the configuration.
pub(crate) fn instance_addresses(instance: &VrrpInstance) -> impl Iterator<Item = AddressSpec> {
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
        AddressSpec {
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

fn macvlan(instance: &VrrpInstance, name: &str, up: bool) -> MacvlanSpec {
    let family = match instance.family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    MacvlanSpec {
        instance: instance.name.clone(),
        name: name.to_owned(),
        base: instance.interface.clone(),
        mac: [0x00, 0x00, 0x5e, 0x00, family, instance.router_id],
        up,
    }
}
