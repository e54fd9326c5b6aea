//! Whose connection a packet begins.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use evenkeel_core::flow::Flow;
use evenkeel_core::model::Protocol;

/// The flow of a packet that begins with its IP header. `None` for what has no ports, or does not show them: a later fragment, another
/// protocol, what is cut off.
pub(crate) fn flow(packet: &[u8]) -> Option<Flow> {
    match packet.first()? >> 4 {
        4 => v4(packet),
        6 => v6(packet),
        _ => None,
    }
}

fn v4(packet: &[u8]) -> Option<Flow> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    let fragment = u16::from_be_bytes(packet.get(6..8)?.try_into().ok()?) & 0x1fff;
    if length < 20 || fragment != 0 {
        return None;
    }
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes).into())
    };
    ports(
        *packet.get(9)?,
        packet.get(length..)?,
        address(12)?,
        address(16)?,
    )
}

/// Extension headers that say where the next one begins (RFC 8200 section 4): hop-by-hop options, routing, destination options.
const OPTIONS: [u8; 3] = [0, 43, 60];
const FRAGMENT: u8 = 44;

fn v6(packet: &[u8]) -> Option<Flow> {
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(bytes).into())
    };
    let (source, destination) = (address(8)?, address(24)?);
    let mut kind = *packet.get(6)?;
    let mut rest = packet.get(40..)?;
    loop {
        let length = match kind {
            FRAGMENT => {
                let offset = u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?) >> 3;
                if offset != 0 {
                    return None;
                }
                8
            }
            kind if OPTIONS.contains(&kind) => (usize::from(*rest.get(1)?) + 1) * 8,
            kind => return ports(kind, rest, source, destination),
        };
        kind = *rest.first()?;
        rest = rest.get(length..)?;
    }
}

fn ports(protocol: u8, rest: &[u8], source: IpAddr, destination: IpAddr) -> Option<Flow> {
    let protocol = [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .find(|it| it.number() == protocol)?;
    let port = |at: usize| -> Option<u16> {
        Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?))
    };
    Some(Flow {
        protocol,
        source: SocketAddr::new(source, port(0)?),
        destination: SocketAddr::new(destination, port(2)?),
    })
}

#[cfg(test)]
mod tests {
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
