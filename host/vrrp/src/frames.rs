//! The Ethernet frames that tell a network where an address is: gratuitous ARP requests and unsolicited neighbour
//! advertisements, as bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
/// The Ethernet address of [`ALL_NODES`] (RFC 2464 section 7).
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A frame that tells that `addr` is found at `mac`.
///
/// `router` is said in IPv6 frames only: whether this machine forwards packets (RFC 4861 section 4.4). Hosts that had it as
/// a router and hear otherwise forget their routes through it.
pub(crate) fn announcement(addr: IpAddr, mac: Mac, router: bool) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => gratuitous_arp(addr, mac),
        IpAddr::V6(addr) => neighbour_advertisement(addr, mac, router),
    }
}

/// An ARP announcement (RFC 5227 section 3): a request whose sender and target are both the address. The target hardware
/// address, which means nothing in a request, is the broadcast address, as keepalived sends it.
fn gratuitous_arp(addr: Ipv4Addr, mac: Mac) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend(BROADCAST);
    frame.extend(mac);
    frame.extend([0x08, 0x06]);
    // Ethernet, IPv4, lengths 6 and 4, request (RFC 826).
    frame.extend([0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(addr.octets());
    frame.extend(BROADCAST);
    frame.extend(addr.octets());
    frame
}

/// An unsolicited neighbour advertisement to all nodes (RFC 4861 sections 4.4 and 7.2.6, RFC 9568 section 6.4.2): it overrides
/// what neighbours believe.
fn neighbour_advertisement(addr: Ipv6Addr, mac: Mac, router: bool) -> Vec<u8> {
    const ICMPV6: u8 = 58;
    const LENGTH: u8 = 32;
    const ROUTER: u8 = 0x80;
    const OVERRIDE: u8 = 0x20;

    let mut message = Vec::with_capacity(usize::from(LENGTH));
    // Type 136, code 0, checksum below.
    message.extend([136, 0, 0, 0]);
    message.extend([if router { ROUTER | OVERRIDE } else { OVERRIDE }, 0, 0, 0]);
    message.extend(addr.octets());
    // Option: target link-layer address, one unit of eight bytes.
    message.extend([2, 1]);
    message.extend(mac);

    let pseudo_header = addr
        .octets()
        .into_iter()
        .chain(ALL_NODES.octets())
        .chain([0, 0, 0, LENGTH, 0, 0, 0, ICMPV6]);
    let checksum = checksum(pseudo_header.chain(message.iter().copied()));
    message.splice(2..4, checksum);

    let mut frame = Vec::with_capacity(54 + message.len());
    frame.extend(ALL_NODES_MAC);
    frame.extend(mac);
    frame.extend([0x86, 0xdd]);
    // Version 6, no traffic class, no flow label; payload length, next header, hop limit.
    frame.extend([0x60, 0, 0, 0, 0, LENGTH, ICMPV6, 255]);
    frame.extend(addr.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
    frame
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: impl Iterator<Item = u8>) -> [u8; 2] {
    let mut sum: u32 = 0;
    for (position, byte) in bytes.enumerate() {
        let high = position % 2 == 0;
        sum += u32::from(byte) << if high { 8 } else { 0 };
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
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
        let sum = pseudo_header.iter().chain(message).copied();
        assert_eq!(checksum(sum), [0, 0], "with its checksum the sum is zero");
    }

    #[test]
    fn a_machine_that_forwards_says_that_it_is_a_router() {
        let addr: Ipv6Addr = "2001:db8::100".parse().unwrap();
        let frame = announcement(addr.into(), MAC, true);
        assert_eq!(frame[58], 0xa0);
    }
}
