//! The Ethernet frames that tell a network where an address is: gratuitous ARP requests and unsolicited neighbour
//! advertisements, as bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::icmpv6::NeighborAdvertisementHeader;
use etherparse::{
    ArpEthIpv4Packet, ArpOperation, EtherType, Ethernet2Header, Icmpv6Header, Icmpv6Type, IpNumber,
    Ipv6Header,
};

/// An Ethernet address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
/// The Ethernet address of [`ALL_NODES`] (RFC 2464 section 7).
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
/// A neighbour advertisement with one option.
const MESSAGE_LENGTH: u16 = 32;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A frame that tells that `addr` is found at `mac`.
///
/// `router` is said in IPv6 frames only: whether this machine forwards packets (RFC 4861 section 4.4). Hosts that had
/// it as a router and learn otherwise forget their routes through it.
pub(super) fn announcement(addr: IpAddr, mac: Mac, router: bool) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => gratuitous_arp(addr, mac),
        IpAddr::V6(addr) => neighbour_advertisement(addr, mac, router),
    }
}

/// An ARP announcement (RFC 5227 section 3): a request whose sender and target are both the address. The target
/// hardware address, which means nothing in a request, is the broadcast address, as keepalived sends it.
fn gratuitous_arp(addr: Ipv4Addr, mac: Mac) -> Vec<u8> {
    let arp = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: mac,
        sender_ipv4: addr.octets(),
        target_mac: BROADCAST,
        target_ipv4: addr.octets(),
    };
    let mut frame = ethernet(mac, BROADCAST, EtherType::ARP);
    frame.extend(arp.to_bytes());
    frame
}

/// An unsolicited neighbour advertisement to all nodes (RFC 4861 sections 4.4 and 7.2.6, RFC 9568 section 6.4.2): it
/// overrides what neighbours believe.
fn neighbour_advertisement(addr: Ipv6Addr, mac: Mac, router: bool) -> Vec<u8> {
    // The target, and an option: target link-layer address, one unit of eight bytes.
    let mut body = addr.octets().to_vec();
    body.extend([2, 1]);
    body.extend(mac);
    let ip = Ipv6Header {
        payload_length: MESSAGE_LENGTH,
        next_header: IpNumber::IPV6_ICMP,
        hop_limit: 255,
        source: addr.octets(),
        destination: ALL_NODES.octets(),
        ..Ipv6Header::default()
    };
    let mut icmp = Icmpv6Header::new(Icmpv6Type::NeighborAdvertisement(
        NeighborAdvertisementHeader {
            router,
            solicited: false,
            r#override: true,
        },
    ));
    // It cannot be too long.
    let _ = icmp.update_checksum(ip.source, ip.destination, &body);
    let mut frame = ethernet(mac, ALL_NODES_MAC, EtherType::IPV6);
    frame.extend(ip.to_bytes());
    frame.extend(icmp.to_bytes());
    frame.extend(body);
    frame
}

fn ethernet(source: Mac, destination: Mac, ether_type: EtherType) -> Vec<u8> {
    let header = Ethernet2Header {
        source,
        destination,
        ether_type,
    };
    header.to_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use etherparse::checksum::Sum16BitWords;

    use super::*;

    const MAC: Mac = [0x02, 0x11, 0x22, 0x33, 0x44, 0x55];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn a_gratuitous_arp_is_a_request_from_and_for_the_address() {
        let frame = announcement([10, 9, 0, 100].into(), MAC, true);
        assert_eq!(
            hex(&frame),
            "ffffffffffff021122334455\
             0806\
             0001080006040001\
             0211223344550a090064\
             ffffffffffff0a090064"
        );
    }

    #[test]
    fn a_neighbour_advertisement_overrides_and_has_a_good_checksum() {
        let addr: Ipv6Addr = "2001:db8::100".parse().unwrap();
        let frame = announcement(addr.into(), MAC, false);
        assert_eq!(
            hex(&frame),
            "333300000001021122334455\
             86dd\
             6000000000203aff\
             20010db8000000000000000000000100\
             ff020000000000000000000000000001\
             88009094\
             20000000\
             20010db8000000000000000000000100\
             0201021122334455"
        );
        let message = &frame[54..];
        let pseudo_header = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58]].concat();
        let sum = Sum16BitWords::new()
            .add_slice(&pseudo_header)
            .add_slice(message);
        assert_eq!(
            sum.ones_complement(),
            0,
            "with its checksum the sum is zero"
        );
    }

    #[test]
    fn a_machine_that_forwards_says_that_it_is_a_router() {
        let addr: Ipv6Addr = "2001:db8::100".parse().unwrap();
        let frame = announcement(addr.into(), MAC, true);
        assert_eq!(frame[58], 0xa0);
    }
}
