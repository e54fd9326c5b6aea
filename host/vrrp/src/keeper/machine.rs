//! What is on this machine: interfaces, addresses, and the routes and rules that are ours.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::route::{RouteMessage, RouteProtocol};
use rtnetlink::packet_route::rule::{RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Netlink;
use super::{ALIAS, KeeperError, MARK, PROTOCOL, SERVICE_MARK};

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    /// Set up by an administrator (`IFF_UP`).
    pub(super) up: bool,
    /// The interface that this one lives on.
    pub(super) base: Option<u32>,
    pub(super) mac: Vec<u8>,
    pub(super) alias: Option<String>,
    pub(super) macvlan: bool,
}

impl Link {
    /// Whether an Evenkeel made it.
    pub(super) fn ours(&self) -> bool {
        let alias = self.alias.as_deref().unwrap_or_default();
        self.macvlan && alias.starts_with(ALIAS)
    }
}

/// Who put an address there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This keeper, or one before it.
    Ours,
    /// The daemon, for a service.
    Service,
    /// Someone else.
    Foreign,
}

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) index: u32,
    pub(super) addr: IpAddr,
    pub(super) prefix: u8,
    pub(super) label: Option<String>,
    pub(super) scope: u8,
    /// No lifetime.
    pub(super) permanent: bool,
    /// The kernel removes it together with the primary one of its network (IPv4, without `promote_secondaries`).
    pub(super) secondary: bool,
    pub(super) origin: Origin,
    /// The kernel's whole word.
    pub(super) message: AddressMessage,
}

/// What is there. Addresses have the kernel's order within an interface: primary before secondary.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) links: BTreeMap<u32, Link>,
    pub(super) addresses: Vec<Present>,
    /// Ours only.
    pub(super) routes: Vec<RouteMessage>,
    /// Ours only.
    pub(super) rules: Vec<RuleMessage>,
}

impl Machine {
    /// Asks the kernel. Routes and rules only where `routing` is set: the kernel goes through all of them.
    ///
    /// # Errors
    /// [`KeeperError::Read`].
    pub(super) async fn look(netlink: &Netlink, routing: bool) -> Result<Self, KeeperError> {
        let mut question = LinkMessage::default();
        let mask = LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]);
        question.attributes.push(mask);
        let question = RouteNetlinkMessage::GetLink(question);
        let mut machine = Self::default();
        for answer in netlink.list("interfaces", question).await? {
            if let RouteNetlinkMessage::NewLink(message) = answer {
                machine.links.extend(link(message));
            }
        }
        let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        for answer in netlink.list("addresses", question).await? {
            if let RouteNetlinkMessage::NewAddress(message) = answer {
                machine.addresses.extend(present(message));
            }
        }
        machine.addresses.sort_by_key(|present| present.index);
        if routing {
            machine.look_at_routing(netlink).await?;
        }
        Ok(machine)
    }

    async fn look_at_routing(&mut self, netlink: &Netlink) -> Result<(), KeeperError> {
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut question = RouteMessage::default();
            question.header.address_family = family;
            question.header.protocol = RouteProtocol::Other(PROTOCOL);
            let question = RouteNetlinkMessage::GetRoute(question);
            for answer in netlink.list("routes", question).await? {
                match answer {
                    // Kernels before 4.20 do not filter.
                    RouteNetlinkMessage::NewRoute(message)
                        if u8::from(message.header.protocol) == PROTOCOL =>
                    {
                        self.routes.push(message);
                    }
                    _ => {}
                }
            }
            let mut question = RuleMessage::default();
            question.header.family = family;
            let question = RouteNetlinkMessage::GetRule(question);
            for answer in netlink.list("rules", question).await? {
                match answer {
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
    pub(super) fn index(&self, name: &str) -> Option<u32> {
        let mut links = self.links.iter();
        links
            .find(|(_, link)| link.name == name)
            .map(|(index, _)| *index)
    }

    /// An interface's name, for people.
    pub(super) fn name(&self, index: u32) -> String {
        let link = self.links.get(&index);
        link.map_or_else(|| format!("interface {index}"), |link| link.name.clone())
    }

    /// The addresses that are there, without regard to the prefix length.
    pub(super) fn at(&self, index: u32, addr: IpAddr) -> impl Iterator<Item = &Present> {
        let addresses = self.addresses.iter();
        addresses.filter(move |present| present.index == index && present.addr == addr)
    }
}

/// Whether a rule carries our protocol number.
pub(super) fn is_our_rule(rule: &RuleMessage) -> bool {
    let ours = |attribute: &RuleAttribute| matches!(attribute, RuleAttribute::Protocol(protocol) if u8::from(*protocol) == PROTOCOL);
    rule.attributes.iter().any(ours)
}

fn link(message: LinkMessage) -> Option<(u32, Link)> {
    let mut name = None;
    let mut link = Link {
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up),
        base: None,
        mac: Vec::new(),
        alias: None,
        macvlan: false,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(word) => name = Some(word),
            LinkAttribute::Link(index) => link.base = Some(index),
            LinkAttribute::Address(mac) => link.mac = mac,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            LinkAttribute::LinkInfo(infos) => {
                link.macvlan = infos.contains(&LinkInfo::Kind(InfoKind::MacVlan));
            }
            _ => {}
        }
    }
    link.name = name?;
    Some((message.header.index, link))
}

fn present(message: AddressMessage) -> Option<Present> {
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
                    MARK => Origin::Ours,
                    SERVICE_MARK => Origin::Service,
                    _ => Origin::Foreign,
                };
            }
            _ => {}
        }
    }
    let flags = message.header.flags;
    Some(Present {
        index: message.header.index,
        // On a point-to-point link `Address` is the peer. IPv6 names `Local` there only.
        addr: local.or(address)?,
        prefix: message.header.prefix_len,
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
