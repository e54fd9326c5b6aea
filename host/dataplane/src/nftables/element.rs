//! The elements of our maps and sets: as text for `nft`, as netlink attributes, and back.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use evenkeel_core::model::{Protocol, ServiceKey};
use ipnet::IpNet;
use netlink_bindings::nftables::{PushDataAttrs, PushSetelemListElemAttrs};
use netlink_bindings::traits::Pusher;
use netlink_bindings::utils::{finalize_nested_header, find_attr, push_nested_header};

use super::rule::{Family, comment_userdata};

/// `NFT_JUMP`, as the kernel's -3.
const JUMP: u32 = 0xffff_fffd;
/// `NFTA_SET_ELEM_KEY_END`: the end of an interval whose beginning is the key.
const KEY_END: u16 = 10;
/// nft's kind of user data for a comment (`libnftnl/udata.h`), of rules and of elements alike.
pub(super) const COMMENT: u8 = 0;

/// A map or set of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Set {
    Svc4,
    Svc6,
    Slots,
    Be4,
    Be6,
    Hair4,
    Hair6,
    Inner4,
    Inner6,
    Ask4,
    Ask6,
}

/// What the packets put there: neither read nor written by us.
pub(super) const DYNAMIC: [&str; 3] = ["aff4", "aff6", "alive"];

impl Set {
    pub(super) const ALL: [Self; 11] = [
        Self::Svc4,
        Self::Svc6,
        Self::Slots,
        Self::Be4,
        Self::Be6,
        Self::Hair4,
        Self::Hair6,
        Self::Inner4,
        Self::Inner6,
        Self::Ask4,
        Self::Ask6,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Svc4 => "svc4",
            Self::Svc6 => "svc6",
            Self::Slots => "slots",
            Self::Be4 => "be4",
            Self::Be6 => "be6",
            Self::Hair4 => "hair4",
            Self::Hair6 => "hair6",
            Self::Inner4 => "inner4",
            Self::Inner6 => "inner6",
            Self::Ask4 => "ask4",
            Self::Ask6 => "ask6",
        }
    }
}

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// Where a service's connections go.
    Service { key: ServiceKey, chain: Chain },
    /// Where the connections go about which the daemon is asked.
    Ask { key: ServiceKey, chain: Chain },
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
}

impl Element {
    pub(super) fn set(&self) -> Set {
        let pick = |addr: IpAddr, four, six| if addr.is_ipv4() { four } else { six };
        match self {
            Self::Service { key, .. } => pick(key.addr, Set::Svc4, Set::Svc6),
            Self::Ask { key, .. } => pick(key.addr, Set::Ask4, Set::Ask6),
            Self::Slot { .. } => Set::Slots,
            Self::Backend { to, .. } => pick(to.ip(), Set::Be4, Set::Be6),
            Self::Hairpin(net) => pick(net.addr(), Set::Hair4, Set::Hair6),
            Self::Inner(net) => pick(net.addr(), Set::Inner4, Set::Inner6),
        }
    }

    /// As `nft` reads it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Service { key, chain } | Self::Ask { key, chain } => {
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
                Chain::choice(*chain),
                to.ip(),
                to.port()
            ),
            Self::Hairpin(net) => format!("{net} . {net}"),
            Self::Inner(net) => format!("{} . {}", net.addr(), net.prefix_len()),
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
        if let Self::Hairpin(net) = self {
            let end = concat(&[&octets(net.broadcast()), &octets(net.broadcast())]);
            // By hand: netlink-bindings 0.3.5 gives it the number of NFTA_SET_ELEM_OBJREF.
            let start = push_nested_header(element.as_vec_mut(), KEY_END);
            element = PushDataAttrs::new(element).push_value(&end).end_nested();
            finalize_nested_header(element.as_vec_mut(), start);
        }
        if !whole {
            return element.end_nested();
        }
        match self {
            Self::Service { chain, .. } | Self::Ask { chain, .. } => element
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
                let comment = comment_userdata(COMMENT, &Chain::choice(*chain).to_string());
                element.push_userdata(&comment).end_nested()
            }
            Self::Hairpin(_) | Self::Inner(_) => element.end_nested(),
        }
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Self::Service { key, .. } | Self::Ask { key, .. } => concat(&[
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
        }
    }

    /// The element of `set` with these attributes (`NFTA_SET_ELEM_*`). `None` if it is not one that we would write.
    pub(super) fn parse(set: Set, attributes: &[u8]) -> Option<Self> {
        let key = find_attr(find_attr(attributes, 1)?, 1)?;
        let data = find_attr(attributes, 2);
        // Flags: a catch-all element or the end of an interval.
        if find_attr(attributes, 3).is_some() {
            return None;
        }
        match set {
            Set::Svc4 | Set::Svc6 | Set::Ask4 | Set::Ask6 => {
                let (addr, rest) = address(key, matches!(set, Set::Svc4 | Set::Ask4))?;
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
                let chain = Chain::named(super::wire::text(find_attr(verdict, 2)?)?)?;
                let port = u16::from_be_bytes([high, low]);
                let key = ServiceKey {
                    addr,
                    port,
                    protocol,
                };
                let asks = matches!(set, Set::Ask4 | Set::Ask6);
                match chain.part {
                    Part::Queue if asks => Some(Self::Ask { key, chain }),
                    Part::Choice | Part::Entry if !asks => Some(Self::Service { key, chain }),
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
            Set::Inner4 | Set::Inner6 => {
                let (addr, rest) = address(key, set == Set::Inner4)?;
                let net = IpNet::new(addr, u8::try_from(mark(rest)?).ok()?).ok()?;
                (net == net.trunc()).then_some(Self::Inner(net))
            }
        }
    }
}

/// What a chain of a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    /// Its one rule chooses a slot.
    Choice,
    /// What comes before and after that, if anything does: the client's last backend, what the daemon has decided.
    Entry,
    /// Asks the daemon.
    Queue,
}

/// A chain of a service. All chains of a service have its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Chain {
    pub(super) part: Part,
    pub(super) number: u32,
}

impl Chain {
    /// The chain that every service has.
    pub(super) fn choice(number: u32) -> Self {
        let part = Part::Choice;
        Self { part, number }
    }

    /// The chain of this name; `None` if it is not the name of a service's.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (letter, number) = name.split_at_checked(1)?;
        let part = match letter {
            "s" => Part::Choice,
            "p" => Part::Entry,
            "q" => Part::Queue,
            _ => return None,
        };
        let number = number.parse().ok()?;
        let chain = Self { part, number };
        (chain.to_string() == name).then_some(chain)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.part {
            Part::Choice => 's',
            Part::Entry => 'p',
            Part::Queue => 'q',
        };
        write!(f, "{letter}{}", self.number)
    }
}

/// Chain number in the comment on a backend.
fn owner(userdata: &[u8]) -> Option<u32> {
    let name = super::wire::text(userdata.get(2..)?)?;
    let chain = Chain::named(name).filter(|chain| chain.part == Part::Choice)?;
    (comment_userdata(COMMENT, name) == userdata).then_some(chain.number)
}

/// Packets in an element's counter (`NFTA_SET_ELEM_EXPR`), if it has one.
fn counted(attributes: &[u8]) -> Option<u64> {
    let expression = find_attr(attributes, 7)?;
    if find_attr(expression, 1)? != b"counter\0" {
        return None;
    }
    netlink_bindings::utils::parse_be_u64(find_attr(find_attr(expression, 2)?, 2)?)
}

fn mark(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
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

/// A concatenation: every part begins at a multiple of 4 bytes.
fn concat(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::with_capacity(40);
    for part in parts {
        all.extend_from_slice(part);
        all.resize(all.len().next_multiple_of(4), 0);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Vec<Element> {
        let key = |addr: &str, protocol| ServiceKey {
            addr: addr.parse().unwrap(),
            port: 443,
            protocol,
        };
        let to = |to: &str| to.parse().unwrap();
        let chain = |part, number| Chain { part, number };
        vec![
            Element::Service {
                key: key("192.0.2.1", Protocol::Tcp),
                chain: Chain::choice(12),
            },
            Element::Service {
                key: key("2001:db8::1", Protocol::Udp),
                chain: chain(Part::Entry, 0),
            },
            Element::Ask {
                key: key("192.0.2.1", Protocol::Tcp),
                chain: chain(Part::Queue, 12),
            },
            Element::Ask {
                key: key("2001:db8::1", Protocol::Udp),
                chain: chain(Part::Queue, 0),
            },
            Element::Slot {
                slot: 0x4000_0007,
                mark: 0x8000_0009,
            },
            Element::Backend {
                mark: 9,
                to: to("10.0.0.1:80"),
                chain: 3,
                count: 77,
            },
            Element::Backend {
                mark: 9,
                to: to("[fd00::1]:8080"),
                chain: 3,
                count: 1,
            },
            Element::Hairpin("10.0.0.0/8".parse().unwrap()),
            Element::Hairpin("10.0.0.1/32".parse().unwrap()),
            Element::Hairpin("::/0".parse().unwrap()),
            Element::Inner("10.1.0.0/16".parse().unwrap()),
            Element::Inner("fd00:1::/64".parse().unwrap()),
        ]
    }

    fn written(element: &Element) -> Vec<u8> {
        let mut buf = Vec::new();
        element
            .push(PushSetelemListElemAttrs::new(&mut buf), true)
            .end_nested();
        buf
    }

    #[test]
    fn every_element_is_read_back_as_it_was_written() {
        for element in examples() {
            let buf = written(&element);
            let attributes = find_attr(&buf, 1).unwrap();
            assert_eq!(Element::parse(element.set(), attributes), Some(element));
        }
    }

    #[test]
    fn an_element_of_another_shape_is_not_understood() {
        for element in examples() {
            let buf = written(&element);
            let attributes = find_attr(&buf, 1).unwrap();
            let others = Set::ALL.into_iter().filter(|set| *set != element.set());
            for set in others {
                if let Some(other) = Element::parse(set, attributes) {
                    assert_ne!(other, element);
                }
            }
        }
    }

    #[test]
    fn only_the_plain_name_of_a_number_is_a_service_chain() {
        assert_eq!(Chain::named("s12"), Some(Chain::choice(12)));
        assert_eq!(Chain::named("q12").unwrap().part, Part::Queue);
        for name in [
            "slot",
            "s",
            "s012",
            "s+1",
            "t1",
            "s99999999999",
            "picked",
            "",
        ] {
            assert_eq!(Chain::named(name), None, "{name}");
        }
    }

    #[test]
    fn elements_are_written_as_nft_reads_them() {
        let text: Vec<_> = examples().iter().map(Element::text).collect();
        insta::assert_snapshot!(text.join("\n"));
    }
}
