//! What is on this machine: interfaces, addresses, and the routes and rules of VRRP.

mod device;
mod present;

use std::collections::BTreeMap;
use std::net::IpAddr;

use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use rtnetlink::packet_route::route::{RouteMessage, RouteProtocol};
use rtnetlink::packet_route::rule::{RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::AddressError;
use crate::marks::PROTOCOL;
use crate::netlink::Netlink;
use crate::view::{Interface, OwnAddress};
pub(crate) use device::Device;
pub(crate) use present::{Origin, PresentAddress};

/// What is there. Addresses have the kernel's order within an interface: primary before secondary.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MachineState {
    pub(crate) devices: BTreeMap<u32, Device>,
    pub(crate) addresses: Vec<PresentAddress>,
    /// Those of VRRP only.
    pub(crate) routes: Vec<RouteMessage>,
    /// Those of VRRP only.
    pub(crate) rules: Vec<RuleMessage>,
}

impl MachineState {
    /// Asks the kernel. Routes and rules only where `routing` is set: the kernel goes through all of them.
    ///
    /// # Errors
    /// [`AddressError::Read`].
    pub(crate) async fn look(netlink: &Netlink, routing: bool) -> Result<Self, AddressError> {
        let mut request = LinkMessage::default();
        let mask = LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]);
        request.attributes.push(mask);
        let request = RouteNetlinkMessage::GetLink(request);
        let mut machine = Self::default();
        for entry in netlink.list("interfaces", request).await? {
            if let RouteNetlinkMessage::NewLink(message) = entry {
                machine.devices.extend(Device::read(message));
            }
        }
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        for entry in netlink.list("addresses", request).await? {
            if let RouteNetlinkMessage::NewAddress(message) = entry {
                machine.addresses.extend(PresentAddress::read(message));
            }
        }
        machine.addresses.sort_by_key(|present| present.index);
        if routing {
            machine.look_at_routing(netlink).await?;
        }
        Ok(machine)
    }

    async fn look_at_routing(&mut self, netlink: &Netlink) -> Result<(), AddressError> {
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            request.header.protocol = RouteProtocol::Other(PROTOCOL);
            let request = RouteNetlinkMessage::GetRoute(request);
            for entry in netlink.list("routes", request).await? {
                match entry {
                    // Kernels before 4.20 do not filter.
                    RouteNetlinkMessage::NewRoute(message)
                        if u8::from(message.header.protocol) == PROTOCOL =>
                    {
                        self.routes.push(message);
                    }
                    _ => {}
                }
            }
            let mut request = RuleMessage::default();
            request.header.family = family;
            let request = RouteNetlinkMessage::GetRule(request);
            for entry in netlink.list("rules", request).await? {
                match entry {
                    RouteNetlinkMessage::NewRule(message) if is_our_rule(&message) => {
                        self.rules.push(message);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The number of the interface of that name.
    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        self.devices
            .iter()
            .find(|(_, device)| device.name == name)
            .map(|(index, _)| *index)
    }

    /// An interface's name, for people.
    pub(crate) fn name(&self, index: u32) -> String {
        let device = self.devices.get(&index);
        device.map_or_else(
            || format!("interface {index}"),
            |device| device.name.clone(),
        )
    }

    /// The addresses that are there, without regard to the prefix length.
    pub(crate) fn at(&self, index: u32, addr: IpAddr) -> impl Iterator<Item = &PresentAddress> {
        let addresses = self.addresses.iter();
        addresses.filter(move |present| present.index == index && present.addr == addr)
    }

    /// The interfaces, by number.
    pub(crate) fn interfaces(&self) -> BTreeMap<u32, Interface> {
        let interface = |(index, device): (&u32, &Device)| {
            let (name, bridge) = (device.name.clone(), device.bridge);
            (*index, Interface { name, bridge })
        };
        self.devices.iter().map(interface).collect()
    }

    /// The addresses on interfaces, by interface.
    pub(crate) fn own_addresses(&self) -> Vec<OwnAddress> {
        let own = |present: &PresentAddress| {
            Some(OwnAddress {
                interface: self.devices.get(&present.index)?.name.clone(),
                index: present.index,
                addr: present.addr,
                network: present.network,
                ours: present.origin == Origin::Service,
            })
        };
        self.addresses.iter().filter_map(own).collect()
    }

    /// The interfaces that a flowtable can be given, by name, with their numbers.
    pub(crate) fn offloadable(&self) -> BTreeMap<String, u32> {
        let devices = self.devices.iter();
        devices
            .filter(|(_, device)| device.offloadable())
            .map(|(index, device)| (device.name.clone(), *index))
            .collect()
    }
}

/// Whether a rule carries our protocol number.
pub(crate) fn is_our_rule(rule: &RuleMessage) -> bool {
    rule.attributes.iter().any(|attribute| match attribute {
        RuleAttribute::Protocol(protocol) => u8::from(*protocol) == PROTOCOL,
        _ => false,
    })
}
