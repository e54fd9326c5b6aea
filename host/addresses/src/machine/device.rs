//! A network interface, as the kernel tells it.

use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};

use crate::marks::ALIAS;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    /// Set up by an administrator (`IFF_UP`).
    pub(crate) up: bool,
    /// Up, and with a carrier (`IFF_RUNNING`).
    pub(crate) running: bool,
    /// How often it has got a carrier.
    pub(crate) link_ups: u32,
    /// The interface that this one lives on.
    pub(crate) base: Option<u32>,
    pub(crate) mac: Vec<u8>,
    pub(crate) alias: Option<String>,
    pub(crate) ethernet: bool,
    /// It is a port of a bridge, a bond or a VRF.
    pub(crate) port: bool,
    pub(crate) macvlan: bool,
    pub(crate) bridge: bool,
    pub(crate) vrf: bool,
}

impl Device {
    /// With the interface's number; `None`: the message names none.
    pub(crate) fn read(message: LinkMessage) -> Option<(u32, Self)> {
        let mut name = None;
        let mut device = Self {
            name: String::new(),
            up: message.header.flags.contains(LinkFlags::Up),
            running: message
                .header
                .flags
                .contains(LinkFlags::Up | LinkFlags::Running),
            link_ups: 0,
            base: None,
            mac: Vec::new(),
            alias: None,
            ethernet: message.header.link_layer_type == LinkLayerType::Ether,
            port: false,
            macvlan: false,
            bridge: false,
            vrf: false,
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(word) => name = Some(word),
                LinkAttribute::Link(index) => device.base = Some(index),
                LinkAttribute::Address(mac) => device.mac = mac,
                LinkAttribute::CarrierUpCount(count) => device.link_ups = count,
                LinkAttribute::IfAlias(alias) => device.alias = Some(alias),
                LinkAttribute::Controller(_) => device.port = true,
                LinkAttribute::LinkInfo(infos) => {
                    let is = |kind| infos.contains(&LinkInfo::Kind(kind));
                    device.macvlan = is(InfoKind::MacVlan);
                    device.bridge = is(InfoKind::Bridge);
                    device.vrf = is(InfoKind::Vrf);
                }
                _ => {}
            }
        }
        device.name = name?;
        Some((message.header.index, device))
    }

    /// Whether an Evenkeel made it.
    pub(crate) fn ours(&self) -> bool {
        let alias = self.alias.as_deref().unwrap_or_default();
        self.macvlan && alias.starts_with(ALIAS)
    }

    /// Whether a flowtable can be given it: it is of the kind of Ethernet and up.
    ///
    /// Not the ports of a bridge, a bond or a VRF, nor a VRF itself: packets are routed by what is above them. A
    /// flowtable that has a bridge's ports would send past the bridge, to the port and the hardware address that were
    /// right when the flow began.
    pub(crate) fn offloadable(&self) -> bool {
        self.ethernet && self.up && !self.port && !self.vrf
    }
}
