//! All interfaces and addresses, kept up to date by the kernel's messages; and what of that an instance needs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use evenkeel_addresses::announce::Mac;
use evenkeel_addresses::{SERVICE_MARK, VRRP_MARK};
use evenkeel_core::model::{self, Tracked};
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link::Link;

/// `IFA_PROTO` of addresses that Evenkeel put on an interface: for services, and for virtual routers. No advert comes
/// from them.
const MARKS: [AddressProtocol; 2] = [
    AddressProtocol::Other(SERVICE_MARK),
    AddressProtocol::Other(VRRP_MARK),
];

/// What a configuration wants to know about interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Interest {
    /// The interfaces.
    names: BTreeSet<String>,
    /// Addresses that move: no advert comes from them.
    moving: BTreeSet<IpAddr>,
    /// Addresses that adverts are configured to come from.
    sources: BTreeSet<IpAddr>,
}

impl Interest {
    pub(super) fn of(config: &model::Vrrp) -> Self {
        let mut interest = Self::default();
        for instance in &config.instances {
            interest.names.insert(instance.interface.clone());
            interest.names.extend(instance.virtual_mac.clone());
            interest.sources.extend(instance.source);
            for track in &instance.track {
                if let Tracked::Interface(name) = &track.what {
                    interest.names.insert(name.clone());
                }
            }
            for address in &instance.addresses {
                interest.names.insert(address.interface.clone());
                // An owner's addresses are the machine's own ones.
                if instance.priority < 255 {
                    interest.moving.insert(address.addr);
                }
            }
        }
        interest
    }
}

/// All interfaces and addresses.
#[derive(Debug, Default)]
pub(super) struct Table {
    links: BTreeMap<u32, Entry>,
    /// By interface, in the order of the kernel.
    addresses: BTreeMap<u32, Vec<Address>>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    up: bool,
    mac: Option<Mac>,
}

#[derive(Debug)]
struct Address {
    addr: IpAddr,
    prefix: u8,
    /// It can be sent from.
    usable: bool,
    /// It has one of [`MARKS`].
    ours: bool,
}

impl Address {
    /// An interface may have an address twice, with different prefix lengths.
    fn place(&self) -> (IpAddr, u8) {
        (self.addr, self.prefix)
    }
}

impl Table {
    /// Takes in what the kernel says. Messages about other things change nothing.
    pub(super) fn apply(&mut self, message: &RouteNetlinkMessage) {
        match message {
            RouteNetlinkMessage::NewLink(link) if whole(link) => {
                // A change of something else may come without the name.
                if let Some(entry) = entry(link) {
                    self.links.insert(link.header.index, entry);
                }
            }
            RouteNetlinkMessage::DelLink(link) if whole(link) => {
                self.links.remove(&link.header.index);
                self.addresses.remove(&link.header.index);
            }
            RouteNetlinkMessage::NewAddress(message) => {
                if let Some(new) = address(message) {
                    let all = self.addresses.entry(message.header.index).or_default();
                    match all.iter_mut().find(|old| old.place() == new.place()) {
                        Some(old) => *old = new,
                        None => all.push(new),
                    }
                }
            }
            RouteNetlinkMessage::DelAddress(message) => {
                if let Some(gone) = address(message) {
                    let all = self.addresses.entry(message.header.index).or_default();
                    all.retain(|address| address.place() != gone.place());
                }
            }
            _ => {}
        }
    }

    /// The interfaces of interest that exist, by name.
    pub(super) fn links(&self, interest: &Interest) -> BTreeMap<String, Link> {
        self.links
            .iter()
            .filter(|(_, entry)| interest.names.contains(&entry.name))
            .map(|(index, entry)| (entry.name.clone(), self.link(*index, entry, interest)))
            .collect()
    }

    /// Of the configured sources, which ones are there and can be used.
    pub(super) fn sources(&self, interest: &Interest) -> BTreeMap<IpAddr, bool> {
        let usable: BTreeSet<IpAddr> = self
            .addresses
            .values()
            .flatten()
            .filter(|address| address.usable)
            .map(|address| address.addr)
            .collect();
        let sources = interest.sources.iter();
        sources
            .map(|source| (*source, usable.contains(source)))
            .collect()
    }

    fn link(&self, index: u32, entry: &Entry, interest: &Interest) -> Link {
        let sources = || {
            self.addresses
                .get(&index)
                .into_iter()
                .flatten()
                .filter(|a| a.usable && !a.ours && !interest.moving.contains(&a.addr))
                .map(|a| a.addr)
        };
        let ipv4 = |addr| match addr {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        };
        let link_local = |addr| match addr {
            IpAddr::V6(addr) if addr.is_unicast_link_local() => Some(addr),
            _ => None,
        };
        Link {
            name: entry.name.clone(),
            index,
            up: entry.up,
            mac: entry.mac,
            ipv4: sources().find_map(ipv4),
            ipv6: sources().find_map(link_local),
        }
    }
}

/// Whether a message is about the interface itself. A bridge tells of its ports in messages of its own family.
fn whole(link: &LinkMessage) -> bool {
    link.header.interface_family == AddressFamily::Unspec
}

fn entry(link: &LinkMessage) -> Option<Entry> {
    let name = link.attributes.iter().find_map(|a| match a {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let ethernet = link.header.link_layer_type == LinkLayerType::Ether;
    let mac = link.attributes.iter().find_map(|a| match a {
        LinkAttribute::Address(mac) if ethernet => Mac::try_from(mac.as_slice()).ok(),
        _ => None,
    });
    let running = LinkFlags::Up | LinkFlags::Running;
    let up = link.header.flags.contains(running);
    Some(Entry { name, up, mac })
}

fn address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut other) = (None, None);
    let mut flags = AddressFlags::empty();
    let mut ours = false;
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link the other one is the peer's.
            AddressAttribute::Local(addr) => local = Some(*addr),
            AddressAttribute::Address(addr) => other = Some(*addr),
            AddressAttribute::Flags(all) => flags = *all,
            AddressAttribute::Protocol(protocol) => ours = MARKS.contains(protocol),
            _ => {}
        }
    }
    let unusable = AddressFlags::Tentative | AddressFlags::Dadfailed;
    let optimistic = flags.contains(AddressFlags::Optimistic);
    Some(Address {
        addr: local.or(other)?,
        prefix: message.header.prefix_len,
        usable: optimistic || !flags.intersects(unusable),
        ours,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const ETH0: u32 = 2;

    fn v4(addr: [u8; 4]) -> IpAddr {
        addr.into()
    }

    fn new_link(index: u32, name: &str, flags: LinkFlags) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = flags;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
        ];
        message
    }

    fn up(index: u32, name: &str) -> RouteNetlinkMessage {
        RouteNetlinkMessage::NewLink(new_link(index, name, LinkFlags::Up | LinkFlags::Running))
    }

    fn new_address(addr: IpAddr, flags: AddressFlags, mark: Option<u8>) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = ETH0;
        message.attributes = vec![
            AddressAttribute::Address(addr),
            AddressAttribute::Flags(flags),
        ];
        message
            .attributes
            .extend(mark.map(|m| AddressAttribute::Protocol(AddressProtocol::Other(m))));
        message
    }

    fn add(addr: IpAddr) -> RouteNetlinkMessage {
        RouteNetlinkMessage::NewAddress(new_address(addr, AddressFlags::empty(), None))
    }

    fn interest() -> Interest {
        Interest {
            names: ["eth0".to_owned()].into(),
            moving: [v4([10, 9, 0, 100])].into(),
            sources: [v4([10, 9, 0, 1])].into(),
        }
    }

    fn table(messages: impl IntoIterator<Item = RouteNetlinkMessage>) -> Table {
        let mut table = Table::default();
        for message in messages {
            table.apply(&message);
        }
        table
    }

    fn eth0(table: &Table) -> Option<Link> {
        table.links(&interest()).remove("eth0")
    }

    #[test]
    fn the_source_is_the_first_address_that_does_not_move() {
        let marked = new_address(v4([10, 9, 0, 101]), AddressFlags::empty(), Some(0x66));
        let table = table([
            up(ETH0, "eth0"),
            add(v4([10, 9, 0, 100])),
            RouteNetlinkMessage::NewAddress(marked),
            add(v4([10, 9, 0, 1])),
            add(v4([10, 9, 0, 2])),
        ]);
        assert_eq!(eth0(&table).unwrap().ipv4, Some(Ipv4Addr::new(10, 9, 0, 1)));
    }

    #[test]
    fn an_address_that_is_gone_is_no_source() {
        let mut table = table([up(ETH0, "eth0"), add(v4([10, 9, 0, 1]))]);
        let gone = new_address(v4([10, 9, 0, 1]), AddressFlags::empty(), None);
        table.apply(&RouteNetlinkMessage::DelAddress(gone));
        assert_eq!(eth0(&table).unwrap().ipv4, None);
    }

    #[test]
    fn a_configured_source_may_be_on_any_interface_and_counts_until_its_last_entry_goes() {
        let source = v4([10, 9, 0, 1]);
        let entry = |prefix| {
            let mut message = new_address(source, AddressFlags::empty(), None);
            message.header.index = 7;
            message.header.prefix_len = prefix;
            message
        };
        let mut table = table([up(ETH0, "eth0")]);
        let is_there = |table: &Table| table.sources(&interest()).remove(&source);
        assert_eq!(is_there(&table), Some(false));
        for prefix in [24, 32] {
            table.apply(&RouteNetlinkMessage::NewAddress(entry(prefix)));
        }
        table.apply(&RouteNetlinkMessage::DelAddress(entry(32)));
        assert_eq!(is_there(&table), Some(true));
        table.apply(&RouteNetlinkMessage::DelAddress(entry(24)));
        assert_eq!(is_there(&table), Some(false));
    }

    #[test]
    fn a_tentative_link_local_address_waits_until_it_is_sure() {
        let addr: Ipv6Addr = "fe80::1".parse().unwrap();
        let tentative = new_address(addr.into(), AddressFlags::Tentative, None);
        let mut table = table([
            up(ETH0, "eth0"),
            add("2001:db8::1".parse().unwrap()),
            RouteNetlinkMessage::NewAddress(tentative),
        ]);
        assert_eq!(eth0(&table).unwrap().ipv6, None);
        table.apply(&add(addr.into()));
        assert_eq!(eth0(&table).unwrap().ipv6, Some(addr));
    }

    #[test]
    fn an_interface_without_carrier_is_not_up() {
        let down = new_link(ETH0, "eth0", LinkFlags::Up);
        let table = table([RouteNetlinkMessage::NewLink(down)]);
        assert!(!eth0(&table).unwrap().up);
    }

    #[test]
    fn an_interface_that_leaves_a_bridge_is_still_there() {
        let mut port = new_link(ETH0, "eth0", LinkFlags::Up);
        port.header.interface_family = AddressFamily::Bridge;
        let table = table([up(ETH0, "eth0"), RouteNetlinkMessage::DelLink(port)]);
        assert!(eth0(&table).unwrap().up);
    }

    #[test]
    fn a_renamed_interface_is_known_by_its_new_name_only() {
        let table = table([up(ETH0, "eth0"), up(ETH0, "lan")]);
        assert_eq!(eth0(&table), None);
    }

    #[test]
    fn an_interface_made_again_has_its_new_number_and_no_old_addresses() {
        let old = new_link(ETH0, "eth0", LinkFlags::Up);
        let table = table([
            up(ETH0, "eth0"),
            add(v4([10, 9, 0, 1])),
            RouteNetlinkMessage::DelLink(old),
            up(7, "eth0"),
        ]);
        let link = eth0(&table).unwrap();
        assert_eq!((link.index, link.ipv4), (7, None));
    }
}
