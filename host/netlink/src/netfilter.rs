//! Messages to and from netfilter (`struct nfgenmsg`, `linux/netfilter/nfnetlink.h`): of nf_tables, conntrack, NFQUEUE.

use crate::message::{self, Header, flags, put_message};

/// Bytes of the netlink header and of netfilter's after it: attributes begin there.
pub const HEADERS: usize = message::HEADER + 4;

/// `NFPROTO_UNSPEC`: any family.
pub const UNSPEC: u8 = 0;
/// `NFPROTO_INET`: of nf_tables, both IP versions in one.
pub const INET: u8 = 1;

/// What a message's headers say. The upper byte of the type is the subsystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The type.
    pub kind: u16,
    /// Of [`flags`].
    pub flags: u16,
    /// The number by which answers name the request.
    pub seq: u32,
    /// `NFPROTO_*`.
    pub family: u8,
    /// What the subsystem makes of it, such as a queue's number.
    pub res_id: u16,
}

impl Head {
    /// A request about what is of family [`INET`].
    #[must_use]
    pub fn new(kind: u16, flags: u16) -> Self {
        Self {
            kind,
            flags: flags | flags::REQUEST,
            seq: 0,
            family: INET,
            res_id: 0,
        }
    }

    /// A request about any family: of subsystems that know no other.
    #[must_use]
    pub fn unspec(kind: u16, flags: u16) -> Self {
        Self {
            family: UNSPEC,
            ..Self::new(kind, flags)
        }
    }
}

/// Appends one request whose attributes `attributes` appends.
pub fn put_request(buf: &mut Vec<u8>, head: Head, attributes: impl FnOnce(&mut Vec<u8>)) {
    let header = Header {
        kind: head.kind,
        flags: head.flags | flags::REQUEST,
        seq: head.seq,
    };
    put_message(buf, header, |buf| {
        let [high, low] = head.res_id.to_be_bytes();
        buf.extend_from_slice(&[head.family, 0, high, low]);
        attributes(buf);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_headers_and_attributes() {
        let mut bytes = Vec::new();
        let head = Head {
            seq: 7,
            res_id: 0x0102,
            ..Head::new(0x0a01, flags::ACK)
        };
        put_request(&mut bytes, head, |buf| {
            buf.extend_from_slice(&[5, 0, 1, 0, 9]);
        });
        #[rustfmt::skip]
        let expected = [
            28, 0, 0, 0, 1, 10, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
            1, 0, 1, 2, // nfgenmsg
            5, 0, 1, 0, 9, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
    }
}
