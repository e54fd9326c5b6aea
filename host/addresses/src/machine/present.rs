//! An address on an interface, as the kernel tells it.

use std::net::IpAddr;

use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};

use crate::marks::{SERVICE_MARK, VRRP_MARK};

/// Who put an address there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An Evenkeel, for a service.
    Service,
    /// An Evenkeel, for VRRP.
    Vrrp,
    /// Someone else.
    Foreign,
}

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresentAddress {
    /// The interface's number.
    pub(crate) index: u32,
    pub(crate) addr: IpAddr,
    pub(crate) prefix: u8,
    /// What is reached directly through it: its network, or the peer of a point-to-point link.
    pub(crate) network: IpNet,
    pub(crate) label: Option<String>,
    pub(crate) scope: u8,
    /// No lifetime.
    pub(crate) permanent: bool,
    /// The kernel removes it together with the primary one of its network (IPv4, without `promote_secondaries`).
    pub(crate) secondary: bool,
    pub(crate) origin: Origin,
    /// All that the kernel said about it.
    pub(crate) message: AddressMessage,
}

impl PresentAddress {
    /// `None`: it is no IP address.
    pub(crate) fn read(message: AddressMessage) -> Option<Self> {
        if !matches!(
            message.header.family,
            AddressFamily::Inet | AddressFamily::Inet6
        ) {
            return None;
        }
        let (mut local, mut address, mut label) = (None, None, None);
        let mut origin = Origin::Foreign;
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(addr) => local = Some(*addr),
                AddressAttribute::Address(addr) => address = Some(*addr),
                AddressAttribute::Label(word) => label = Some(word.clone()),
                AddressAttribute::Protocol(protocol) => {
                    origin = match u8::from(*protocol) {
                        VRRP_MARK => Origin::Vrrp,
                        SERVICE_MARK => Origin::Service,
                        _ => Origin::Foreign,
                    };
                }
                _ => {}
            }
        }
        let (flags, prefix) = (message.header.flags, message.header.prefix_len);
        // On a point-to-point link `Address` is the peer, and the prefix is the peer's. IPv6 names `Local` there only.
        let addr = local.or(address)?;
        Some(Self {
            index: message.header.index,
            addr,
            prefix,
            network: IpNet::new(address.unwrap_or(addr), prefix).ok()?.trunc(),
            label,
            scope: message.header.scope.into(),
            permanent: flags.contains(AddressHeaderFlags::Permanent),
            // For IPv6 the same bit means "temporary".
            secondary: flags.contains(AddressHeaderFlags::Secondary)
                && message.header.family == AddressFamily::Inet,
            origin,
            message,
        })
    }
}
