//! ICMP echo (RFC 792, and RFC 4443 section 4).

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::place;
use super::transport::ProbeError;

/// Bytes of data in a request, at most: it is to fit into one packet.
pub(super) const MAX_DATA: usize = 1400;
/// Bytes of an ICMP header with identifier and sequence number.
const HEADER: usize = 8;
/// An IPv4 header with all its options, an ICMP header and the data.
const PACKET: usize = 60 + HEADER + MAX_DATA;
/// Type of an answer.
const REPLY_V4: u8 = 0;
const REPLY_V6: u8 = 129;

/// Sends one request with so many bytes of data, and waits for its answer: how long that took.
pub(super) async fn echo(address: IpAddr, bytes: usize) -> Result<Duration, ProbeError> {
    let _place = place::place()?;
    let (socket, raw) = open(address)?;
    socket.connect(&SocketAddr::new(address, 0).into())?;
    let socket = register(socket)?;
    let number = IcmpEchoHeader {
        id: fastrand::u16(..),
        seq: fastrand::u16(..),
    };
    let data: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(bytes)
        .collect();
    let request = request(address, number, &data);
    let sent = Instant::now();
    socket
        .async_io(tokio::io::Interest::WRITABLE, |socket| {
            socket.send(&request)
        })
        .await?;
    loop {
        let packet = socket
            .async_io(tokio::io::Interest::READABLE, receive)
            .await?;
        // A datagram socket of the kernel's has a number of its own, and gets nothing else's.
        let id = raw.then_some(number.id);
        if answers(&packet, address, raw, (id, number.seq), &data) {
            return Ok(sent.elapsed());
        }
    }
}

/// A socket for ICMP, and whether it is a raw one: it is where the kernel lets nobody have the others
/// (`net.ipv4.ping_group_range`), which is so as a rule.
fn open(address: IpAddr) -> Result<(Socket, bool), ProbeError> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let open = |kind: Type| Socket::new(domain, kind.nonblocking(), Some(protocol));
    if let Ok(socket) = open(Type::DGRAM) {
        return Ok((socket, false));
    }
    match open(Type::RAW) {
        Ok(socket) => Ok((socket, true)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(ProbeError::Own(
            "ICMP cannot be sent (it needs CAP_NET_RAW, or a net.ipv4.ping_group_range with the daemon's group)"
                .to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}

fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    #[expect(unsafe_code, reason = "the safe way is deprecated")]
    // SAFETY: `Socket` owns its descriptor and always gives the same number.
    let registered = unsafe { AsyncFd::register(socket) };
    registered.map_err(io::Error::from)
}

fn request(address: IpAddr, number: IcmpEchoHeader, data: &[u8]) -> Vec<u8> {
    let header = match address {
        IpAddr::V4(_) => Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(number), data)
            .to_bytes()
            .to_vec(),
        // The kernel puts the checksum in (RFC 3542, section 3.1).
        IpAddr::V6(_) => Icmpv6Header::new(Icmpv6Type::EchoRequest(number))
            .to_bytes()
            .to_vec(),
    };
    [&header, data].concat()
}

fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; PACKET];
    let length = { socket }.read(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

/// Whether a packet is the answer to a request with this identifier, if it counts, this sequence number and these data.
fn answers(
    packet: &[u8],
    address: IpAddr,
    raw: bool,
    (id, seq): (Option<u16>, u16),
    data: &[u8],
) -> bool {
    // A raw socket for IPv4 gets the IP header, too (raw(7)).
    let header = match packet.first() {
        Some(first) if raw && address.is_ipv4() => usize::from(first & 0x0f) * 4,
        _ => 0,
    };
    let reply = if address.is_ipv4() {
        REPLY_V4
    } else {
        REPLY_V6
    };
    let Some((&[kind, code, _, _, id0, id1, seq0, seq1], rest)) = packet
        .get(header..)
        .and_then(|message| message.split_first_chunk::<HEADER>())
    else {
        return false;
    };
    (kind, code) == (reply, 0)
        && id.is_none_or(|id| id == u16::from_be_bytes([id0, id1]))
        && u16::from_be_bytes([seq0, seq1]) == seq
        && rest == data
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    #[test]
    fn requests_are_those_of_the_rfcs() {
        let number = IcmpEchoHeader { id: 0x1234, seq: 7 };
        let v4 = request(V4, number, b"ab");
        // 0x0800 + 0x1234 + 0x0007 + 0x6162 = 0x7b9d, whose complement is 0x8462.
        assert_eq!(v4, [8, 0, 0x84, 0x62, 0x12, 0x34, 0, 7, b'a', b'b']);
        assert_eq!(request(V6, number, b""), [128, 0, 0, 0, 0x12, 0x34, 0, 7]);
    }

    #[test]
    fn only_the_answer_to_the_own_request_counts() {
        let ip = [0x45; 20];
        let answer = [0, 0, 9, 9, 0x12, 0x34, 0, 7, b'a'];
        let packet = [&ip[..], &answer].concat();
        let own = (Some(0x1234), 7);
        assert!(answers(&packet, V4, true, own, b"a"));
        assert!(answers(&answer, V4, false, (None, 7), b"a"));
        assert!(answers(
            &[129, 0, 9, 9, 0x12, 0x34, 0, 7],
            V6,
            true,
            own,
            b""
        ));
        for (packet, address, number, data) in [
            // Another's, an earlier one's, with other data, a request on the same machine, an error.
            (&packet[..], V4, (Some(0x1235), 7), &b"a"[..]),
            (&packet[..], V4, (Some(0x1234), 8), b"a"),
            (&packet[..], V4, own, b"b"),
            (
                &[&ip[..], &[8, 0, 9, 9, 0x12, 0x34, 0, 7, b'a']].concat(),
                V4,
                own,
                b"a",
            ),
            (&[&ip[..], &[3, 1, 9, 9, 0, 0, 0, 0]].concat(), V4, own, b""),
            (&packet[..24], V4, own, b"a"),
            (&[], V4, own, b""),
            (&[0x4f], V4, own, b""),
        ] {
            assert!(!answers(packet, address, true, number, data), "{packet:?}");
        }
    }
}
