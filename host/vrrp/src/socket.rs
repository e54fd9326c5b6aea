//! The raw socket through which adverts come and go.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use etherparse::Ipv4HeaderSlice;
use evenkeel_core::model::Family;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, recv, recvmsg, sendmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

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
/// The highest priority in this machine's own queues (`tc-prio`: band of interactive traffic); what is allowed to
/// anyone.
const QUEUE_PRIORITIES: [u32; 2] = [7, 6];

/// The longest advert has 255 IPv6 addresses; the longest IPv4 header 60 bytes.
const MAX_PACKET: usize = 8 + 255 * 16 + 60;

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
            buffer: vec![0; MAX_PACKET],
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

/// The parts of an IPv4 packet; `None`: it is shorter than its header.
fn parse_v4(packet: &[u8]) -> Option<Received<'_>> {
    let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
    Some(Received {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.ttl(),
        payload: packet.get(header.slice().len()..)?,
    })
}

#[cfg(test)]
mod tests;
