//! Elements read back from netlink attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use evenkeel_core::groups::Clients;
use evenkeel_core::mark::group;
use evenkeel_core::model::{Protocol, ServiceKey};
use ipnet::IpNet;
use netlink_bindings::utils::{find_attr, parse_be_u64};

use super::{Element, JUMP, KEY_END};
use crate::nftables::chain::{ChainRole, ServiceChain};
use crate::nftables::expression::Family;
use crate::nftables::raw_rule::{COMMENT, comment_userdata};
use crate::nftables::set::Set;
use crate::nftables::wire::text;

impl Element {
    /// The element of `set` with these attributes (`NFTA_SET_ELEM_*`). `None` if it is not one that we would write.
    pub(in crate::nftables) fn parse(set: Set, attributes: &[u8]) -> Option<Self> {
        let key = find_attr(find_attr(attributes, 1)?, 1)?;
        let data = find_attr(attributes, 2);
        // Flags: a catch-all element or the end of an interval.
        if find_attr(attributes, 3).is_some() {
            return None;
        }
        match set {
            Set::Svc4 | Set::Svc6 | Set::Queue4 | Set::Queue6 => {
                let (addr, rest) = address(key, matches!(set, Set::Svc4 | Set::Queue4))?;
                let [protocol, 0, 0, 0, high, low, 0, 0] = *rest else {
                    return None;
                };
                let protocol = [Protocol::Tcp, Protocol::Udp]
                    .into_iter()
                    .find(|p| p.number() == protocol)?;
                let verdict = find_attr(data?, 2)?;
                if find_attr(verdict, 1)? != JUMP.to_be_bytes() {
                    return None;
                }
                let chain = ServiceChain::named(text(find_attr(verdict, 2)?)?)?;
                let port = u16::from_be_bytes([high, low]);
                let key = ServiceKey {
                    addr,
                    port,
                    protocol,
                };
                let queues = matches!(set, Set::Queue4 | Set::Queue6);
                match chain.role {
                    ChainRole::Queue if queues => Some(Self::Queue { key, chain }),
                    ChainRole::Slots | ChainRole::Options if !queues => {
                        Some(Self::Service { key, chain })
                    }
                    _ => None,
                }
            }
            Set::Slots => Some(Self::Slot {
                slot: mark(key)?,
                mark: mark(find_attr(data?, 1)?)?,
            }),
            Set::Be4 | Set::Be6 => {
                let (addr, rest) = address(find_attr(data?, 1)?, set == Set::Be4)?;
                let [high, low, 0, 0] = *rest else {
                    return None;
                };
                let to = SocketAddr::new(addr, u16::from_be_bytes([high, low]));
                Some(Self::Backend {
                    mark: mark(key)?,
                    to,
                    chain: owner(find_attr(attributes, 6)?)?,
                    count: counted(attributes)?,
                })
            }
            Set::Hair4 | Set::Hair6 => {
                let v4 = set == Set::Hair4;
                let end = match find_attr(attributes, KEY_END) {
                    Some(end) => find_attr(end, 1)?,
                    None => key,
                };
                Some(Self::Hairpin(network(twice(key, v4)?, twice(end, v4)?)?))
            }
            Set::Net4 | Set::Net6 => {
                let v4 = set == Set::Net4;
                let end = match find_attr(attributes, KEY_END) {
                    Some(end) => find_attr(end, 1)?,
                    None => key,
                };
                let (first, of_first) = address(key, v4)?;
                let (last, of_last) = address(end, v4)?;
                let service = u32::from_be_bytes(of_first.try_into().ok()?);
                let group = group(mark(find_attr(data?, 1)?)?)?;
                (of_first == of_last && first <= last).then_some(Self::Clients {
                    key: service,
                    clients: Clients { first, last, group },
                })
            }
            Set::Inner4 | Set::Inner6 => {
                let (addr, rest) = address(key, set == Set::Inner4)?;
                let net = IpNet::new(addr, u8::try_from(mark(rest)?).ok()?).ok()?;
                (net == net.trunc()).then_some(Self::Inner(net))
            }
        }
    }
}

/// Chain number in the comment on a backend.
fn owner(userdata: &[u8]) -> Option<u32> {
    let name = text(userdata.get(2..)?)?;
    let chain = ServiceChain::named(name).filter(|chain| chain.role == ChainRole::Slots)?;
    (comment_userdata(COMMENT, name) == userdata).then_some(chain.number)
}

/// Packets in an element's counter (`NFTA_SET_ELEM_EXPR`), if it has one.
fn counted(attributes: &[u8]) -> Option<u64> {
    let expression = find_attr(attributes, 7)?;
    if find_attr(expression, 1)? != b"counter\0" {
        return None;
    }
    parse_be_u64(find_attr(find_attr(expression, 2)?, 2)?)
}

fn mark(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn address(bytes: &[u8], v4: bool) -> Option<(IpAddr, &[u8])> {
    if v4 {
        let (addr, rest) = bytes.split_first_chunk::<4>()?;
        Some((Ipv4Addr::from(*addr).into(), rest))
    } else {
        let (addr, rest) = bytes.split_first_chunk::<16>()?;
        Some((Ipv6Addr::from(*addr).into(), rest))
    }
}

/// The address of a concatenation of an address with itself.
fn twice(bytes: &[u8], v4: bool) -> Option<IpAddr> {
    let (first, rest) = address(bytes, v4)?;
    let (second, rest) = address(rest, v4)?;
    (first == second && rest.is_empty()).then_some(first)
}

/// The network from `start` to `end`, if they are the ends of one.
fn network(start: IpAddr, end: IpAddr) -> Option<IpNet> {
    let family = Family::of(start);
    let bits = if family == Family::V4 { 32 } else { 128 };
    (0..=bits)
        .filter_map(|prefix| IpNet::new(start, prefix).ok())
        .find(|net| net.network() == start && net.broadcast() == end)
}
