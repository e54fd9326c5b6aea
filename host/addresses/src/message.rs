//! Requests to the kernel, and the messages about addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST};
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::desired::AddressSpec;
use crate::machine::PresentAddress;
use crate::marks::{SERVICE_MARK, VRRP_MARK};
use crate::netlink::RtnlRequest;

/// A request that makes something new, and fails where it is already.
pub(crate) fn create(message: RouteNetlinkMessage) -> RtnlRequest {
    RtnlRequest {
        message,
        flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
    }
}

/// A request that makes something, or sets it anew.
pub(crate) fn replace(message: RouteNetlinkMessage) -> RtnlRequest {
    RtnlRequest {
        message,
        flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
    }
}

/// Any other request.
pub(crate) fn request(message: RouteNetlinkMessage) -> RtnlRequest {
    RtnlRequest {
        message,
        flags: NLM_F_REQUEST | NLM_F_ACK,
    }
}

/// A change of an interface that exists.
pub(crate) fn set_link(message: LinkMessage) -> RtnlRequest {
    request(RouteNetlinkMessage::SetLink(message))
}

/// An address that is put on the interface of that number for a service.
pub(crate) fn service_address(index: u32, wanted: &AddressSpec) -> AddressMessage {
    let mut message = address(index, wanted, SERVICE_MARK);
    if let Ok(IpNet::V4(net)) = IpNet::new(wanted.addr, wanted.prefix) {
        let broadcast = AddressAttribute::Broadcast(net.broadcast());
        message.attributes.push(broadcast);
    }
    if is_alone(wanted) {
        // Real servers that have the address themselves (direct routing, tunnels) would not answer the machine's own
        // connections.
        push_lifetime(&mut message, u32::MAX, 0);
    }
    message
}

/// A virtual address of VRRP on the interface of that number.
pub(crate) fn virtual_address(index: u32, wanted: &AddressSpec) -> AddressMessage {
    let mut message = address(index, wanted, VRRP_MARK);
    message.header.scope = wanted.scope.into();
    if wanted.addr.is_ipv4()
        && let Some(label) = &wanted.label
    {
        message
            .attributes
            .push(AddressAttribute::Label(label.clone()));
    }
    let valid = wanted.lifetime.unwrap_or(u32::MAX);
    // The machine's own connections would end when it goes (keepalived `preferred_lft`).
    let preferred = if is_alone(wanted) { 0 } else { valid };
    push_lifetime(&mut message, valid, preferred);
    message
}

fn address(index: u32, wanted: &AddressSpec, mark: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(wanted.addr);
    message.header.prefix_len = wanted.prefix;
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(wanted.addr),
        AddressAttribute::Address(wanted.addr),
        AddressAttribute::Protocol(AddressProtocol::Other(mark)),
    ];
    if wanted.addr.is_ipv6() {
        // It is to be of use at once. The election says that no one else has a virtual address.
        message.header.flags |= AddressHeaderFlags::Nodad;
    }
    message
}

/// An IPv6 address without a network is there for others to reach: the machine's own connections are not to come from
/// it.
fn is_alone(wanted: &AddressSpec) -> bool {
    wanted.addr.is_ipv6() && wanted.prefix == 128
}

/// Both in seconds.
fn push_lifetime(message: &mut AddressMessage, valid: u32, preferred: u32) {
    let mut lifetime = CacheInfo::default();
    lifetime.ifa_valid = valid;
    lifetime.ifa_preferred = preferred;
    message
        .attributes
        .push(AddressAttribute::CacheInfo(lifetime));
}

/// What identifies an address to the kernel.
pub(crate) fn same_address(present: &PresentAddress) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(present.addr);
    message.header.prefix_len = present.prefix;
    message.header.index = present.index;
    let identifies = |attribute: &&AddressAttribute| {
        matches!(
            attribute,
            AddressAttribute::Local(_) | AddressAttribute::Address(_)
        )
    };
    let attributes = present.message.attributes.iter();
    message.attributes = attributes.filter(identifies).cloned().collect();
    message
}

/// The family of an address.
pub(crate) fn family(addr: IpAddr) -> AddressFamily {
    if addr.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    }
}
