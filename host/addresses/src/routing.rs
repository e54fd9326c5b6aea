//! Virtual routes and rules: what the kernel is sent, and what identifies one of ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use evenkeel_core::model::{Family, VirtualRoute, VirtualRule};
use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType, RouteVia,
};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};

use crate::marks::PROTOCOL;
use crate::message::family;

/// `RT_SCOPE_LINK`: what is reached without a gateway.
const SCOPE_LINK: u8 = 253;

/// `IP6_RT_PRIO_USER`: the metric of an IPv6 route that names none.
const METRIC_6: u32 = 1024;

/// A virtual route; `interface` is the number of the one that it names.
pub(crate) fn route(wanted: &VirtualRoute, interface: Option<u32>) -> RouteMessage {
    let key = RouteKey::wanted(wanted, interface);
    let mut message = RouteMessage::default();
    message.header.address_family = family(key.to.addr());
    message.header.destination_prefix_length = key.to.prefix_len();
    message.header.protocol = RouteProtocol::Other(PROTOCOL);
    message.header.scope = key.scope.unwrap_or_default().into();
    message.header.kind = RouteType::Unicast;
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(key.table));
    attributes.push(RouteAttribute::Destination(key.to.addr().into()));
    if let Some(via) = key.via {
        attributes.push(match (key.to, via) {
            (IpNet::V4(_), IpAddr::V6(via)) => RouteAttribute::Via(RouteVia::Inet6(via)),
            _ => RouteAttribute::Gateway(via.into()),
        });
    }
    attributes.extend(key.interface.map(RouteAttribute::Oif));
    attributes.extend(
        key.source
            .map(|addr| RouteAttribute::PrefSource(addr.into())),
    );
    attributes.extend(wanted.metric.map(RouteAttribute::Priority));
    message
}

/// What tells one route of ours from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RouteKey {
    to: IpNet,
    via: Option<IpAddr>,
    interface: Option<u32>,
    source: Option<IpAddr>,
    metric: u32,
    table: u32,
    /// IPv4 only.
    scope: Option<u8>,
}

impl RouteKey {
    /// As configured, with the kernel's defaults.
    pub(crate) fn wanted(route: &VirtualRoute, interface: Option<u32>) -> Self {
        let to = route.to.trunc();
        let four = matches!(to, IpNet::V4(_));
        let default = if route.via.is_some() { 0 } else { SCOPE_LINK };
        Self {
            to,
            via: route.via,
            interface,
            source: route.source,
            metric: match route.metric {
                None | Some(0) if !four => METRIC_6,
                metric => metric.unwrap_or(0),
            },
            table: route.table,
            scope: four.then(|| route.scope.unwrap_or(default)),
        }
    }

    /// As the kernel tells it.
    pub(crate) fn present(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let four = header.address_family == AddressFamily::Inet;
        let mut to: IpAddr = if four {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let (mut via, mut interface, mut source, mut metric) = (None, None, None, 0);
        let mut table = u32::from(header.table);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(addr) => to = ip(addr)?,
                RouteAttribute::Gateway(addr) => via = ip(addr),
                RouteAttribute::Via(RouteVia::Inet6(addr)) => via = Some((*addr).into()),
                RouteAttribute::Oif(index) => interface = Some(*index),
                RouteAttribute::PrefSource(addr) => source = ip(addr),
                RouteAttribute::Priority(number) => metric = *number,
                RouteAttribute::Table(number) => table = *number,
                _ => {}
            }
        }
        Some(Self {
            to: IpNet::new(to, header.destination_prefix_length).ok()?,
            via,
            interface,
            source,
            metric,
            table,
            scope: four.then(|| header.scope.into()),
        })
    }

    /// Whether that route, which is there, is this one, which is wanted.
    pub(crate) fn is(&self, present: &Self) -> bool {
        let interface = self.interface.or(present.interface);
        Self { interface, ..*self } == *present
    }
}

/// A virtual rule.
pub(crate) fn rule(wanted: &VirtualRule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = match wanted.family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    message.header.action = RuleAction::ToTable;
    let attributes = &mut message.attributes;
    attributes.push(RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
    attributes.push(RuleAttribute::Table(wanted.table));
    if let Some(from) = wanted.from {
        message.header.src_len = from.prefix_len();
        attributes.push(RuleAttribute::Source(from.trunc().addr()));
    }
    if let Some(to) = wanted.to {
        message.header.dst_len = to.prefix_len();
        attributes.push(RuleAttribute::Destination(to.trunc().addr()));
    }
    attributes.extend(wanted.input.clone().map(RuleAttribute::Iifname));
    attributes.extend(wanted.output.clone().map(RuleAttribute::Oifname));
    attributes.extend(wanted.mark.map(RuleAttribute::FwMark));
    attributes.extend(wanted.priority.map(RuleAttribute::Priority));
    message
}

/// Whether that rule, which is there, is this one, which is wanted.
pub(crate) fn is_rule(wanted: &VirtualRule, present: &RuleMessage) -> bool {
    let header = &present.header;
    let mut found = VirtualRule {
        family: match header.family {
            AddressFamily::Inet6 => Family::V6,
            _ => Family::V4,
        },
        from: None,
        to: None,
        input: None,
        output: None,
        mark: None,
        // The kernel does not mention a priority of 0.
        priority: Some(0),
        table: header.table.into(),
    };
    for attribute in &present.attributes {
        match attribute {
            RuleAttribute::Source(addr) => found.from = IpNet::new(*addr, header.src_len).ok(),
            RuleAttribute::Destination(addr) => found.to = IpNet::new(*addr, header.dst_len).ok(),
            RuleAttribute::Iifname(name) => found.input = Some(name.clone()),
            RuleAttribute::Oifname(name) => found.output = Some(name.clone()),
            RuleAttribute::FwMark(mark) => found.mark = Some(*mark),
            RuleAttribute::Priority(priority) => found.priority = Some(*priority),
            RuleAttribute::Table(table) => found.table = *table,
            _ => {}
        }
    }
    let from_anywhere = |net: Option<IpNet>| {
        net.map(|net| net.trunc())
            .filter(|net| net.prefix_len() > 0)
    };
    let expected = VirtualRule {
        from: from_anywhere(wanted.from),
        to: from_anywhere(wanted.to),
        priority: wanted.priority.or(found.priority),
        ..wanted.clone()
    };
    expected == found
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(addr) => Some((*addr).into()),
        RouteAddress::Inet6(addr) => Some((*addr).into()),
        _ => None,
    }
}
