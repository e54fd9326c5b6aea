//! Raw sockets: adverts come and go through [`AdvertSocket`], announcements leave through [`FrameSocket`].

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use evenkeel_core::model::Family;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, recv, recvmsg, sendmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};

/// The protocol number of VRRP.
const VRRP: i32 = 112;
/// Where adverts go over IPv4 (RFC 9568 section 5.1.1.2).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where adverts go over IPv6 (RFC 9568 section 5.1.2.2).
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// Adverts never pass a router (RFC 9568 section 5.1.1.3).
const TTL: u32 = 255;
/// Class selector 6, "internetwork control" (RFC 2474 section 4.2.2).
const TRAFFIC_CLASS: u32 = 0xc0;
/// The highest priority in this machine's own queues (`tc-prio`: band of interactive traffic); what is allowed to anyone.
const QUEUE_PRIORITIES: [u32; 2] = [7, 6];

/// The longest advert has 255 IPv6 addresses; the longest IPv4 header 60 bytes.
const LONGEST: usize = 8 + 255 * 16 + 60;

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) payload: &'a [u8],
}

/// A raw socket of protocol 112 and one family, bound to one interface. Never waits.
pub(crate) struct AdvertSocket {
    socket: Socket,
    family: Family,
    index: u32,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

impl AdvertSocket {
    /// Opens one on the interface of this index. Takes `CAP_NET_RAW`.
    ///
    /// # Errors
    /// What the kernel says: mostly that it is not allowed, or that there is no such interface.
    pub(crate) fn open(index: u32, family: Family) -> io::Result<Self> {
        let device = NonZeroU32::new(index);
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(domain, kind, Some(Protocol::from(VRRP)))?;
        match family {
            Family::V4 => {
                // Also the way out for multicast.
                socket.bind_device_by_index_v4(device)?;
                socket.set_multicast_loop_v4(false)?;
                socket.set_multicast_ttl_v4(TTL)?;
                socket.set_ttl_v4(TTL)?;
                socket.set_tos_v4(TRAFFIC_CLASS)?;
            }
            Family::V6 => {
                socket.bind_device_by_index_v6(device)?;
                socket.set_multicast_if_v6(index)?;
                socket.set_multicast_loop_v6(false)?;
                socket.set_multicast_hops_v6(TTL)?;
                socket.set_unicast_hops_v6(TTL)?;
                socket.set_tclass_v6(TRAFFIC_CLASS)?;
                // On a macvlan the source is a link-local address of the interface below it.
                socket.set_freebind_v6(true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
        }
        // After the traffic class, which changes it. Not being first in a queue is no reason to do without adverts.
        let _ = QUEUE_PRIORITIES
            .iter()
            .find(|priority| socket.set_priority(**priority).is_ok());
        Ok(Self {
            socket,
            family,
            index,
            buffer: vec![0; LONGEST],
            control: nix::cmsg_space!(libc::in6_pktinfo, libc::c_int),
        })
    }

    /// Takes adverts to the multicast group from now on. May wait for whoever changes interfaces.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn join_group(&mut self) -> io::Result<()> {
        match self.family {
            Family::V4 => {
                let interface = InterfaceIndexOrAddress::Index(self.index);
                self.socket.join_multicast_v4_n(&GROUP_V4, &interface)
            }
            Family::V6 => self.socket.join_multicast_v6(&GROUP_V6, self.index),
        }
    }

    /// Sends a message from one of this machine's addresses.
    ///
    /// # Errors
    /// What the kernel says; [`io::ErrorKind::InvalidInput`] for an address of another family than the socket's.
    pub(crate) fn send(
        &self,
        source: IpAddr,
        destination: IpAddr,
        payload: &[u8],
    ) -> io::Result<()> {
        let (fd, data) = (self.socket.as_raw_fd(), [IoSlice::new(payload)]);
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from(source).to_be(),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                let to = SockaddrIn::from(SocketAddrV4::new(destination, 0));
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmsg(fd, &data, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: source.octets(),
                    },
                    ipi6_ifindex: self.index,
                };
                let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, self.index));
                let control = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmsg(fd, &data, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
        Ok(())
    }

    /// The next message; `None`: none for now.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Received<'_>>> {
        let result = match self.family {
            Family::V4 => self.receive_v4().map(Some),
            Family::V6 => self.receive_v6(),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            result => result,
        }
    }

    /// A raw IPv4 socket gives the whole packet.
    fn receive_v4(&mut self) -> io::Result<Received<'_>> {
        let fd = self.socket.as_raw_fd();
        let length = recv(fd, &mut self.buffer, MsgFlags::MSG_DONTWAIT)?;
        let packet = self.buffer.get(..length).unwrap_or_default();
        parse_v4(packet).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn receive_v6(&mut self) -> io::Result<Option<Received<'_>>> {
        let fd = self.socket.as_raw_fd();
        let (length, source, mut ttl, mut destination) = {
            let mut data = [IoSliceMut::new(&mut self.buffer)];
            let control = Some(self.control.as_mut_slice());
            let message = recvmsg::<SockaddrIn6>(fd, &mut data, control, MsgFlags::MSG_DONTWAIT)?;
            let (mut ttl, mut destination) = (None, None);
            for item in message.cmsgs()? {
                match item {
                    ControlMessageOwned::Ipv6HopLimit(limit) => ttl = u8::try_from(limit).ok(),
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                    }
                    _ => {}
                }
            }
            (message.bytes, message.address, ttl, destination)
        };
        let (Some(source), Some(ttl), Some(destination)) = (source, ttl.take(), destination.take())
        else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok(Some(Received {
            source: source.ip().into(),
            destination: destination.into(),
            ttl,
            payload: self.buffer.get(..length).unwrap_or_default(),
        }))
    }
}

impl AsFd for AdvertSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The parts of an IPv4 packet (RFC 791 section 3.1); `None` if it is too short.
fn parse_v4(packet: &[u8]) -> Option<Received<'_>> {
    let (header, _) = packet.split_first_chunk::<20>()?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    let address = |at: usize| {
        let bytes: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(bytes))
    };
    Some(Received {
        source: address(12)?,
        destination: address(16)?,
        ttl: header[8],
        payload: packet.get(header_length.max(20)..)?,
    })
}

/// A packet socket that sends Ethernet frames and takes none. Never waits.
pub(crate) struct FrameSocket(Socket);

impl FrameSocket {
    /// Opens one. Takes `CAP_NET_RAW`.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn open() -> io::Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        // Protocol 0: the kernel hands it no frames.
        Socket::new(Domain::PACKET, kind, None).map(Self)
    }

    /// Sends a whole frame out of the interface of this index.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn send(&self, index: u32, frame: &[u8]) -> io::Result<()> {
        let index = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.0.send_to(frame, &packet_address(index)?).map(drop)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "17 and 20")]
fn packet_address(index: i32) -> io::Result<SockAddr> {
    const FAMILY: libc::sa_family_t = libc::AF_PACKET as libc::sa_family_t;
    const LENGTH: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    #[expect(
        unsafe_code,
        reason = "socket2 has no safe way to make a packet address"
    )]
    // SAFETY: the storage is zeroed and larger than a sockaddr_ll, for which all zeros is valid; family and length are set.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address = &mut *storage.cast::<libc::sockaddr_ll>();
            address.sll_family = FAMILY;
            address.sll_ifindex = index;
            *length = LENGTH;
            Ok(())
        })
    }?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::{Context as _, Result, ensure};
    use evenkeel_tests::{Lab, Node, eventually, isolated};
    use nix::net::if_::if_nametoindex;

    use super::*;

    /// Two machines with a cable, `eth0` on both.
    fn cable() -> Result<[Node; 2]> {
        let lab = Lab::new()?;
        let (a, b) = (lab.node("a")?, lab.node("b")?);
        lab.cable(&a, "eth0", &b, "eth0")?;
        for (node, number) in [(&a, 1), (&b, 2)] {
            node.add_address("eth0", &format!("10.9.0.{number}/24"))?;
            node.add_address("eth0", &format!("fe80::{number}/64"))?;
        }
        Ok([a, b])
    }

    fn open(node: &Node, family: Family) -> Result<AdvertSocket> {
        node.enter(|| {
            let mut socket = AdvertSocket::open(if_nametoindex("eth0")?, family)?;
            socket.join_group()?;
            Ok(socket)
        })?
    }

    /// What came: source, destination, TTL, payload.
    fn receive(socket: &mut AdvertSocket) -> Result<(IpAddr, IpAddr, u8, Vec<u8>)> {
        eventually("an advert", Duration::from_secs(5), || {
            let received = socket.receive()?;
            Ok(received.map(|r| (r.source, r.destination, r.ttl, r.payload.to_vec())))
        })
    }

    #[test]
    fn an_advert_arrives_with_its_addresses_and_its_ttl() -> Result<()> {
        isolated(|| {
            let [a, b] = cable()?;
            let cases: [(Family, IpAddr, [IpAddr; 2]); 2] = [
                (
                    Family::V4,
                    "10.9.0.1".parse()?,
                    [GROUP_V4.into(), "10.9.0.2".parse()?],
                ),
                (
                    Family::V6,
                    "fe80::1".parse()?,
                    [GROUP_V6.into(), "fe80::2".parse()?],
                ),
            ];
            for (family, source, destinations) in cases {
                let (from, mut to) = (open(&a, family)?, open(&b, family)?);
                for destination in destinations {
                    from.send(source, destination, b"advert")?;
                    let received = receive(&mut to)?;
                    ensure!(
                        received == (source, destination, 255, b"advert".to_vec()),
                        "{received:?}"
                    );
                }
                ensure!(to.receive()?.is_none());
            }
            Ok(())
        })
    }

    #[test]
    fn nothing_is_heard_of_the_group_before_it_is_joined() -> Result<()> {
        isolated(|| {
            let [a, b] = cable()?;
            let from = open(&a, Family::V4)?;
            let mut to = b.enter(|| AdvertSocket::open(if_nametoindex("eth0")?, Family::V4))??;
            let source = "10.9.0.1".parse()?;
            from.send(source, GROUP_V4.into(), b"to the group")?;
            from.send(source, "10.9.0.2".parse()?, b"to the peer")?;
            let (.., payload) = receive(&mut to)?;
            ensure!(payload == b"to the peer");
            Ok(())
        })
    }

    #[test]
    fn a_frame_arrives_as_it_was_sent() -> Result<()> {
        isolated(|| {
            let [a, b] = cable()?;
            let capture = evenkeel_tests::Capture::start(&b)?;
            let frame =
                crate::frames::announcement("10.9.0.100".parse()?, [2, 0, 0, 0, 0, 7], false);
            a.enter(|| -> Result<()> {
                let index = if_nametoindex("eth0")?;
                FrameSocket::open()?.send(index, &frame).context("not sent")
            })??;
            eventually("the frame", Duration::from_secs(5), || {
                let seen = capture.frames().iter().any(|seen| seen.bytes == frame);
                Ok(seen.then_some(()))
            })
        })
    }

    #[test]
    fn options_in_an_ip_header_are_skipped() {
        let mut packet = vec![0; 24];
        packet[0] = 0x46;
        packet[8] = 255;
        packet[12..16].copy_from_slice(&[10, 9, 0, 1]);
        packet[16..20].copy_from_slice(&[224, 0, 0, 18]);
        packet.extend(b"advert");
        let received = parse_v4(&packet).unwrap();
        assert_eq!(received.payload, b"advert");
        assert_eq!(received.ttl, 255);
        assert_eq!(received.source, IpAddr::from([10, 9, 0, 1]));
        assert_eq!(received.destination, IpAddr::from([224, 0, 0, 18]));
    }

    #[test]
    fn a_packet_shorter_than_its_header_is_nothing() {
        assert_eq!(parse_v4(&[0x45; 19]), None);
        assert_eq!(parse_v4(&[0x4f; 59]), None);
        assert_eq!(parse_v4(&[]), None);
    }
}
