//! Whose connection a packet begins.

use std::net::SocketAddr;

use etherparse::{Ipv6ExtensionSlice, LaxIpSlice};
use evenkeel_core::flow::Flow;
use evenkeel_core::model::Protocol;

/// The flow of a packet that begins with its IP header. `None` for what has no ports, or does not show them: a later
/// fragment, another protocol, what is cut off.
pub(crate) fn flow(packet: &[u8]) -> Option<Flow> {
    // Lax: only the first bytes of the packet are here.
    let (ip, _) = LaxIpSlice::from_slice(packet).ok()?;
    if is_later_fragment(&ip) {
        return None;
    }
    let payload = ip.payload();
    let protocol = [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .find(|it| it.number() == payload.ip_number.0)?;
    // Both begin with the ports. A whole header of TCP may be more than is here.
    let [source, destination] = [0, 2].map(|at| {
        let bytes = payload.payload.get(at..)?.first_chunk()?;
        Some(u16::from_be_bytes(*bytes))
    });
    Some(Flow {
        protocol,
        source: SocketAddr::new(ip.source_addr(), source?),
        destination: SocketAddr::new(ip.destination_addr(), destination?),
    })
}

/// Whether it is a fragment that is not the first.
fn is_later_fragment(ip: &LaxIpSlice<'_>) -> bool {
    match ip {
        LaxIpSlice::Ipv4(ip) => ip.header().fragments_offset().value() != 0,
        LaxIpSlice::Ipv6(ip) => ip.extensions().clone().into_iter().any(|it| match it {
            Ipv6ExtensionSlice::Fragment(it) => it.fragment_offset().value() != 0,
            _ => false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    /// IPv4 without options, and the first bytes of TCP.
    fn tcp4() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(ports_of(1000, 80));
        packet
    }

    fn ports_of(source: u16, destination: u16) -> Vec<u8> {
        [source.to_be_bytes(), destination.to_be_bytes()].concat()
    }

    fn v6_with(kind: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, kind, 64];
        packet.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend(rest);
        packet
    }

    #[test]
    fn the_addresses_and_ports_of_tcp_are_read() {
        let flow = flow(&tcp4()).unwrap();
        assert_eq!(flow.protocol, Protocol::Tcp);
        assert_eq!(flow.source, "192.0.2.1:1000".parse().unwrap());
        assert_eq!(flow.destination, "192.0.2.2:80".parse().unwrap());
    }

    #[test]
    fn options_of_ipv4_are_passed_over() {
        let mut packet = tcp4();
        packet[0] = 0x46;
        packet.splice(20..20, [1, 1, 1, 0]);
        assert_eq!(flow(&packet), flow(&tcp4()));
        packet[0] = 0x44;
        assert_eq!(flow(&packet), None);
    }

    #[test]
    fn a_later_fragment_has_no_flow() {
        let mut packet = tcp4();
        packet[6] = 0x20;
        assert!(flow(&packet).is_some(), "the first of several fragments");
        packet[7] = 1;
        assert_eq!(flow(&packet), None);
        let (first, later) = ([17, 0, 0, 1, 0, 0, 0, 9], [17, 0, 0, 8, 0, 0, 0, 9]);
        let after = |header: [u8; 8]| v6_with(44, &[header.to_vec(), ports_of(5, 6)].concat());
        assert!(flow(&after(first)).is_some());
        assert_eq!(flow(&after(later)), None);
    }

    #[test]
    fn extension_headers_of_ipv6_are_passed_over() {
        let plain = flow(&v6_with(17, &ports_of(5, 53))).unwrap();
        assert_eq!(plain.protocol, Protocol::Udp);
        assert_eq!(plain.destination, "[2001:db8::2]:53".parse().unwrap());
        let hop = [43, 0, 0, 0, 0, 0, 0, 0];
        let mut routing = [0; 16];
        (routing[0], routing[1]) = (17, 1);
        let rest = [hop.to_vec(), routing.to_vec(), ports_of(5, 53)].concat();
        assert_eq!(flow(&v6_with(0, &rest)), Some(plain));
    }

    #[test]
    fn what_has_no_ports_has_no_flow() {
        let mut icmp = tcp4();
        icmp[9] = 1;
        assert_eq!(flow(&icmp), None);
        assert_eq!(flow(&v6_with(58, &ports_of(1, 2))), None);
        assert_eq!(flow(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_harm(version in prop::sample::select(vec![0x45_u8, 0x4f, 0x60, 0]), mut bytes in prop::collection::vec(any::<u8>(), 0..160)) {
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let whole = flow(&bytes);
            let short = bytes.get(..bytes.len() / 2).and_then(flow);
            prop_assert!(short.is_none() || short == whole, "what is cut off says nothing else");
        }
    }
}
