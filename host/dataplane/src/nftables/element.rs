//! The elements of our maps and sets: as text for `nft`, and as netlink attributes.

mod parse;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use evenkeel_core::groups::Clients;
use evenkeel_core::mark::group_mark;
use evenkeel_core::model::ServiceKey;
use ipnet::IpNet;
use netlink_bindings::nftables::{PushDataAttrs, PushSetelemListElemAttrs};
use netlink_bindings::traits::Pusher;
use netlink_bindings::utils::{finalize_nested_header, push_nested_header};

use super::chain::ServiceChain;
use super::raw_rule::{COMMENT, comment_userdata};
use super::set::Set;

/// `NFT_JUMP`, as the kernel's -3.
const JUMP: u32 = 0xffff_fffd;
/// `NFTA_SET_ELEM_KEY_END`: the end of an interval whose beginning is the key.
const KEY_END: u16 = 10;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Element {
    /// Where a service's connections go.
    Service {
        key: ServiceKey,
        chain: ServiceChain,
    },
    /// Where the new connections of a queued service go first.
    Queue {
        key: ServiceKey,
        chain: ServiceChain,
    },
    /// A slot's backend, by its mark.
    Slot { slot: u32, mark: u32 },
    /// A backend's address, by its mark; whose it is, and how many connections it starts with (or has had).
    Backend {
        mark: u32,
        to: SocketAddr,
        chain: u32,
        count: u64,
    },
    /// A hairpin network that is inside no other.
    Hairpin(IpNet),
    /// A hairpin network inside another.
    Inner(IpNet),
    /// Clients of the service with this key, and the group in which their connections begin.
    Clients { key: u32, clients: Clients },
}

impl Element {
    pub(super) fn set(&self) -> Set {
        let pick = |addr: IpAddr, four, six| if addr.is_ipv4() { four } else { six };
        match self {
            Self::Service { key, .. } => pick(key.addr, Set::Svc4, Set::Svc6),
            Self::Queue { key, .. } => pick(key.addr, Set::Queue4, Set::Queue6),
            Self::Slot { .. } => Set::Slots,
            Self::Backend { to, .. } => pick(to.ip(), Set::Be4, Set::Be6),
            Self::Hairpin(net) => pick(net.addr(), Set::Hair4, Set::Hair6),
            Self::Inner(net) => pick(net.addr(), Set::Inner4, Set::Inner6),
            Self::Clients { clients, .. } => pick(clients.first, Set::Net4, Set::Net6),
        }
    }

    /// As `nft` reads it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Service { key, chain } | Self::Queue { key, chain } => {
                let ServiceKey {
                    addr,
                    port,
                    protocol,
                } = key;
                format!("{addr} . {protocol} . {port} : jump {chain}")
            }
            Self::Slot { slot, mark } => format!("{slot:#x} : {mark:#x}"),
            Self::Backend {
                mark,
                to,
                chain,
                count,
            } => format!(
                "{mark:#x} counter packets {count} bytes 0 comment \"{}\" : {} . {}",
                ServiceChain::slots(*chain),
                to.ip(),
                to.port()
            ),
            Self::Hairpin(net) => format!("{net} . {net}"),
            Self::Inner(net) => format!("{} . {}", net.addr(), net.prefix_len()),
            Self::Clients { key, clients } => {
                let Clients { first, last, group } = clients;
                let range = if first == last {
                    first.to_string()
                } else {
                    format!("{first}-{last}")
                };
                format!("{range} . {key:#x} : {:#x}", group_mark(*group))
            }
        }
    }

    /// Appends it to a list of elements; only its key, if that is to be deleted or looked up.
    pub(super) fn push<P: Pusher>(
        &self,
        list: PushSetelemListElemAttrs<P>,
        whole: bool,
    ) -> PushSetelemListElemAttrs<P> {
        let mut element = list
            .nested_elem()
            .nested_key()
            .push_value(&self.key())
            .end_nested();
        if let Some(end) = self.key_end() {
            // By hand: netlink-bindings 0.3.5 gives it the number of NFTA_SET_ELEM_OBJREF.
            let start = push_nested_header(element.as_vec_mut(), KEY_END);
            element = PushDataAttrs::new(element).push_value(&end).end_nested();
            finalize_nested_header(element.as_vec_mut(), start);
        }
        if !whole {
            return element.end_nested();
        }
        match self {
            Self::Service { chain, .. } | Self::Queue { chain, .. } => element
                .nested_data()
                .nested_verdict()
                .push_code(JUMP)
                .push_chain_bytes(chain.to_string().as_bytes())
                .end_nested()
                .end_nested()
                .end_nested(),
            Self::Slot { mark, .. } => element
                .nested_data()
                .push_value(&mark.to_ne_bytes())
                .end_nested()
                .end_nested(),
            Self::Backend {
                to, chain, count, ..
            } => {
                let data = concat(&[&octets(to.ip()), &to.port().to_be_bytes()]);
                element = element.nested_data().push_value(&data).end_nested();
                if *count > 0 {
                    element = element
                        .nested_expr()
                        .nested_data_counter()
                        .push_bytes(0)
                        .push_packets(*count)
                        .end_nested()
                        .end_nested();
                }
                let comment = comment_userdata(COMMENT, &ServiceChain::slots(*chain).to_string());
                element.push_userdata(&comment).end_nested()
            }
            Self::Clients { clients, .. } => element
                .nested_data()
                .push_value(&group_mark(clients.group).to_ne_bytes())
                .end_nested()
                .end_nested(),
            Self::Hairpin(_) | Self::Inner(_) => element.end_nested(),
        }
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Self::Service { key, .. } | Self::Queue { key, .. } => concat(&[
                &octets(key.addr),
                &[key.protocol.number()],
                &key.port.to_be_bytes(),
            ]),
            Self::Slot { slot, .. } => slot.to_ne_bytes().to_vec(),
            Self::Backend { mark, .. } => mark.to_ne_bytes().to_vec(),
            Self::Hairpin(net) => concat(&[&octets(net.network()), &octets(net.network())]),
            Self::Inner(net) => concat(&[
                &octets(net.addr()),
                &u32::from(net.prefix_len()).to_ne_bytes(),
            ]),
            // In network order, as the kernel compares intervals.
            Self::Clients { key, clients } => concat(&[&octets(clients.first), &key.to_be_bytes()]),
        }
    }

    /// Where its interval ends, if it is one.
    fn key_end(&self) -> Option<Vec<u8>> {
        match self {
            Self::Hairpin(net) => Some(concat(&[
                &octets(net.broadcast()),
                &octets(net.broadcast()),
            ])),
            Self::Clients { key, clients } => {
                Some(concat(&[&octets(clients.last), &key.to_be_bytes()]))
            }
            _ => None,
        }
    }
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

/// A concatenation: every part begins at a multiple of 4 bytes.
fn concat(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::with_capacity(40);
    for part in parts {
        all.extend_from_slice(part);
        all.resize(all.len().next_multiple_of(4), 0);
    }
    all
}
