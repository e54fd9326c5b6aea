//! Messages of conntrack (`linux/netfilter/nfnetlink_conntrack.h`). Pure.

use std::net::{IpAddr, SocketAddr};

use crate::attribute::{
    Attributes, find, get_be16, get_be32, get_be64, get_u8, get_v4, get_v6, put_be32,
};
use crate::message::Message;

/// Types of messages: `IPCTNL_MSG_CT_*`, with `NFNL_SUBSYS_CTNETLINK` as the upper byte.
pub mod kind {
    /// A connection, in an answer or an event.
    pub const NEW: u16 = 0x0100;
    /// Request for connections.
    pub const GET: u16 = 0x0101;
    /// Request to forget connections, or the event that one was.
    pub const DELETE: u16 = 0x0102;
}

/// Attributes.
pub mod attribute {
    /// `CTA_TUPLE_ORIG`: addresses and ports as the first packet had them.
    pub const TUPLE_ORIG: u16 = 1;
    /// `CTA_TUPLE_REPLY`: addresses and ports that answers have.
    pub const TUPLE_REPLY: u16 = 2;
    /// `CTA_STATUS`: of [`status`](super::status).
    pub const STATUS: u16 = 3;
    /// `CTA_PROTOINFO`.
    pub const PROTOINFO: u16 = 4;
    /// `CTA_MARK`.
    pub const MARK: u16 = 8;
    /// `CTA_COUNTERS_ORIG`: packets and bytes as the first packet went.
    pub const COUNTERS_ORIG: u16 = 9;
    /// `CTA_COUNTERS_REPLY`: of the answers.
    pub const COUNTERS_REPLY: u16 = 10;
    /// `CTA_COUNTERS_BYTES`, in [`COUNTERS_ORIG`] and [`COUNTERS_REPLY`].
    pub const COUNTERS_BYTES: u16 = 2;
    /// `CTA_ZONE`.
    pub const ZONE: u16 = 18;
    /// `CTA_MARK_MASK`, in requests.
    pub const MARK_MASK: u16 = 21;
    /// `CTA_STATUS_MASK`, in requests, since Linux 5.18.
    pub const STATUS_MASK: u16 = 26;
    /// `CTA_PROTOINFO_TCP`, in [`PROTOINFO`].
    pub const PROTOINFO_TCP: u16 = 1;
    /// `CTA_PROTOINFO_TCP_STATE`, in [`PROTOINFO_TCP`].
    pub const TCP_STATE: u16 = 1;
    /// `CTA_TUPLE_IP`, in [`TUPLE_ORIG`] and [`TUPLE_REPLY`].
    pub const TUPLE_IP: u16 = 1;
    /// `CTA_IP_V4_SRC`, in [`TUPLE_IP`].
    pub const IP_V4_SRC: u16 = 1;
    /// `CTA_IP_V4_DST`.
    pub const IP_V4_DST: u16 = 2;
    /// `CTA_IP_V6_SRC`.
    pub const IP_V6_SRC: u16 = 3;
    /// `CTA_IP_V6_DST`.
    pub const IP_V6_DST: u16 = 4;
    /// `CTA_TUPLE_PROTO`, in [`TUPLE_ORIG`] and [`TUPLE_REPLY`].
    pub const TUPLE_PROTO: u16 = 2;
    /// `CTA_PROTO_NUM`, in [`TUPLE_PROTO`].
    pub const PROTO_NUM: u16 = 1;
    /// `CTA_PROTO_SRC_PORT`.
    pub const PROTO_SRC_PORT: u16 = 2;
    /// `CTA_PROTO_DST_PORT`.
    pub const PROTO_DST_PORT: u16 = 3;
}

/// States of a TCP connection (`linux/netfilter/nf_conntrack_tcp.h`, `enum tcp_conntrack`).
pub mod tcp {
    /// `TCP_CONNTRACK_SYN_RECV`.
    pub const SYN_RECV: u8 = 2;
    /// `TCP_CONNTRACK_FIN_WAIT`: the first of the closing states.
    pub const FIN_WAIT: u8 = 4;
    /// `TCP_CONNTRACK_CLOSE`: the last of them.
    pub const CLOSE: u8 = 8;
}

/// Bits of a connection's status (`linux/netfilter/nf_conntrack_common.h`).
pub mod status {
    /// `IPS_ASSURED`: packets were seen both ways, and more than a question and its answer.
    pub const ASSURED: u32 = 1 << 2;
    /// `IPS_DST_NAT`: its destination is translated.
    pub const DST_NAT: u32 = 1 << 5;
    /// `IPS_DYING`: its end has been reported, or is about to be.
    pub const DYING: u32 = 1 << 9;
    /// `IPS_OFFLOAD`: a flowtable forwards it.
    pub const OFFLOAD: u32 = 1 << 14;
}

/// Appends what limits a request to connections whose mark, of the bits in `mask`, is `mark`.
pub fn put_mark_filter(buf: &mut Vec<u8>, mark: u32, mask: u32) {
    put_be32(buf, attribute::MARK, mark);
    put_be32(buf, attribute::MARK_MASK, mask);
}

/// Appends what limits a request to connections of whose status, of the bits in `mask`, these are set. Kernels before
/// 5.18 do not look at it, so an answer may have others, too.
pub fn put_status_filter(buf: &mut Vec<u8>, status: u32, mask: u32) {
    put_be32(buf, attribute::STATUS, status);
    put_be32(buf, attribute::STATUS_MASK, mask);
}

/// Where packets of one direction come from and go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// The number of the protocol, such as `IPPROTO_TCP`.
    pub protocol: u8,
    /// Address and port that they come from.
    pub source: SocketAddr,
    /// Address and port that they go to.
    pub destination: SocketAddr,
}

impl Tuple {
    /// Of [`attribute::TUPLE_ORIG`] or [`attribute::TUPLE_REPLY`]; `None` if it is not whole, or has no ports.
    fn decode(tuple: &[u8]) -> Option<Self> {
        let ip = find(tuple, attribute::TUPLE_IP)?;
        let protocol = find(tuple, attribute::TUPLE_PROTO)?;
        let address = |v4, v6| -> Option<IpAddr> {
            match find(ip, v4) {
                Some(bytes) => get_v4(bytes).map(IpAddr::V4),
                None => get_v6(find(ip, v6)?).map(IpAddr::V6),
            }
        };
        let port = |kind| get_be16(find(protocol, kind)?);
        Some(Self {
            protocol: get_u8(find(protocol, attribute::PROTO_NUM)?)?,
            source: SocketAddr::new(
                address(attribute::IP_V4_SRC, attribute::IP_V6_SRC)?,
                port(attribute::PROTO_SRC_PORT)?,
            ),
            destination: SocketAddr::new(
                address(attribute::IP_V4_DST, attribute::IP_V6_DST)?,
                port(attribute::PROTO_DST_PORT)?,
            ),
        })
    }
}

/// A connection as a message describes it. What the message does not say is empty, 0 or `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection<'a> {
    /// Addresses and ports of its first packet. The kernel writes those of one connection the same way each time.
    pub tuple: Option<&'a [u8]>,
    /// Addresses and ports of the answers.
    answers: Option<&'a [u8]>,
    /// The zone in which the tuple is unique.
    pub zone: &'a [u8],
    /// Its mark.
    pub mark: u32,
    /// Of [`status`].
    pub status: u32,
    /// `CTA_PROTOINFO`.
    info: &'a [u8],
    /// `CTA_COUNTERS_ORIG` and `CTA_COUNTERS_REPLY`.
    counters: [Option<&'a [u8]>; 2],
}

impl<'a> Connection<'a> {
    /// Reads a message's attributes.
    #[must_use]
    pub fn decode(attributes: &'a [u8]) -> Self {
        let mut connection = Self::default();
        for (kind, value) in Attributes::new(attributes) {
            match kind {
                attribute::TUPLE_ORIG => connection.tuple = Some(value),
                attribute::TUPLE_REPLY => connection.answers = Some(value),
                attribute::STATUS => connection.status = get_be32(value).unwrap_or(0),
                attribute::PROTOINFO => connection.info = value,
                attribute::MARK => connection.mark = get_be32(value).unwrap_or(0),
                attribute::ZONE => connection.zone = value,
                attribute::COUNTERS_ORIG => connection.counters[0] = Some(value),
                attribute::COUNTERS_REPLY => connection.counters[1] = Some(value),
                _ => {}
            }
        }
        connection
    }

    /// The number of its protocol, such as `IPPROTO_TCP`.
    #[must_use]
    pub fn protocol(&self) -> Option<u8> {
        let protocol = find(self.tuple?, attribute::TUPLE_PROTO)?;
        get_u8(find(protocol, attribute::PROTO_NUM)?)
    }

    /// Where its first packet came from and went to, before any translation.
    #[must_use]
    pub fn original(&self) -> Option<Tuple> {
        Tuple::decode(self.tuple?)
    }

    /// Where answers come from and go to, before they are translated back.
    #[must_use]
    pub fn reply(&self) -> Option<Tuple> {
        Tuple::decode(self.answers?)
    }

    /// Of TCP, the state; see [`tcp`].
    #[must_use]
    pub fn tcp_state(&self) -> Option<u8> {
        let info = find(self.info, attribute::PROTOINFO_TCP)?;
        get_u8(find(info, attribute::TCP_STATE)?)
    }

    /// Bytes to the server and back, if the kernel counts them (`net.netfilter.nf_conntrack_acct`).
    #[must_use]
    pub fn bytes(&self) -> Option<[u64; 2]> {
        let bytes = |counters: Option<&[u8]>| get_be64(find(counters?, attribute::COUNTERS_BYTES)?);
        let [orig, reply] = self.counters;
        Some([bytes(orig)?, bytes(reply)?])
    }

    /// Whether all of these bits of the status are set.
    #[must_use]
    pub fn has(&self, status: u32) -> bool {
        self.status & status == status
    }
}

/// What an event says of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has begun.
    New,
    /// Something of it has changed.
    Updated,
    /// It has been forgotten.
    Destroyed,
}

impl Change {
    /// Of a message that came to one of conntrack's groups; `None`: it is no such message.
    #[must_use]
    pub fn of(message: &Message<'_>) -> Option<Self> {
        match message.kind {
            kind::DELETE => Some(Self::Destroyed),
            // NLM_F_CREATE | NLM_F_EXCL are set for new ones.
            kind::NEW if message.flags != 0 => Some(Self::New),
            kind::NEW => Some(Self::Updated),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attribute::{nest, put};
    use crate::message::{Messages, flags};
    use crate::netfilter::{Head, put_request};

    #[test]
    fn a_dump_is_asked_for_by_mark() {
        let mut bytes = Vec::new();
        put_request(&mut bytes, Head::unspec(kind::GET, flags::DUMP), |buf| {
            put_mark_filter(buf, 7, 0x7f00_0000);
        });
        #[rustfmt::skip]
        let expected = [
            36, 0, 0, 0, 1, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
            0, 0, 0, 0, // nfgenmsg
            8, 0, 8, 0, 0, 0, 0, 7,
            8, 0, 21, 0, 0x7f, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
    }

    /// A connection of a protocol, in a TCP state.
    fn connection(protocol: u8, state: u8) -> Vec<u8> {
        let mut buf = Vec::new();
        nest(&mut buf, attribute::TUPLE_ORIG, |buf| {
            nest(buf, attribute::TUPLE_PROTO, |buf| {
                put(buf, attribute::PROTO_NUM, &[protocol]);
            });
        });
        put_be32(
            &mut buf,
            attribute::STATUS,
            status::ASSURED | status::OFFLOAD,
        );
        nest(&mut buf, attribute::PROTOINFO, |buf| {
            nest(buf, attribute::PROTOINFO_TCP, |buf| {
                put(buf, attribute::TCP_STATE, &[state]);
            });
        });
        put_be32(&mut buf, attribute::MARK, 0x8000_0007);
        put(&mut buf, attribute::ZONE, &[0, 1]);
        for (kind, bytes) in [
            (attribute::COUNTERS_ORIG, 700_u64),
            (attribute::COUNTERS_REPLY, 1 << 40),
        ] {
            nest(&mut buf, kind, |buf| {
                put(buf, attribute::COUNTERS_BYTES, &bytes.to_be_bytes());
            });
        }
        buf
    }

    #[test]
    fn a_connection_is_read() {
        let bytes = connection(6, tcp::FIN_WAIT);
        let read = Connection::decode(&bytes);
        assert_eq!(
            (read.protocol(), read.tcp_state()),
            (Some(6), Some(tcp::FIN_WAIT))
        );
        assert_eq!(read.bytes(), Some([700, 1 << 40]));
        assert_eq!(Connection::default().bytes(), None);
        assert_eq!((read.mark, read.zone), (0x8000_0007, &[0, 1][..]));
        assert!(read.has(status::OFFLOAD) && !read.has(status::OFFLOAD | status::DYING));
    }

    /// Packets of UDP from and to these.
    fn tuple(buf: &mut Vec<u8>, kind: u16, source: SocketAddr, destination: SocketAddr) {
        nest(buf, kind, |buf| {
            nest(buf, attribute::TUPLE_IP, |buf| {
                for (number, address) in [(1, source), (2, destination)] {
                    match address.ip() {
                        IpAddr::V4(ip) => put(buf, number, &ip.octets()),
                        IpAddr::V6(ip) => put(buf, number + 2, &ip.octets()),
                    }
                }
            });
            nest(buf, attribute::TUPLE_PROTO, |buf| {
                put(buf, attribute::PROTO_NUM, &[17]);
                put(buf, 2, &source.port().to_be_bytes());
                put(buf, 3, &destination.port().to_be_bytes());
            });
        });
    }

    #[test]
    fn both_directions_of_a_connection_are_read() {
        for [client, service, server] in [
            ["192.0.2.9:4000", "192.0.2.1:53", "10.0.0.1:5353"],
            ["[2001:db8::9]:4000", "[2001:db8::1]:53", "[fd00::1]:5353"],
        ] {
            let [client, service, server] = [client, service, server].map(|it| it.parse().unwrap());
            let mut bytes = Vec::new();
            tuple(&mut bytes, attribute::TUPLE_ORIG, client, service);
            tuple(&mut bytes, attribute::TUPLE_REPLY, server, client);
            let read = Connection::decode(&bytes);
            let expected = |source, destination| {
                Some(Tuple {
                    protocol: 17,
                    source,
                    destination,
                })
            };
            assert_eq!(read.original(), expected(client, service));
            assert_eq!(read.reply(), expected(server, client));
        }
        let bytes = connection(6, 1);
        let read = Connection::decode(&bytes);
        assert_eq!(
            (read.original(), read.reply()),
            (None, None),
            "without addresses"
        );
    }

    #[test]
    fn an_event_is_a_beginning_a_change_or_an_end() {
        let change = |kind, flags| {
            let mut bytes = Vec::new();
            put_request(&mut bytes, Head::unspec(kind, 0), |_| {});
            let message = Messages::new(&bytes).next().unwrap();
            Change::of(&Message { flags, ..message })
        };
        assert_eq!(change(kind::NEW, 0x600), Some(Change::New));
        assert_eq!(change(kind::NEW, 0), Some(Change::Updated));
        assert_eq!(change(kind::DELETE, 0), Some(Change::Destroyed));
        assert_eq!(change(kind::GET, 0), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
            let read = |bytes: &[u8]| {
                let it = Connection::decode(bytes);
                (it.protocol(), it.tcp_state(), it.original(), it.reply())
            };
            read(&bytes);
            bytes = connection(6, 1);
            read(&bytes[..cut.index(bytes.len())]);
        }
    }
}
