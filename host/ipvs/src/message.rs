//! Framing: the headers of netlink and generic netlink.

use netlink_bindings::builtin::Nlmsghdr;
use netlink_bindings::utils;

/// Flags of a request (`linux/netlink.h`).
pub(crate) mod flags {
    pub(crate) const REQUEST: u16 = 0x1;
    pub(crate) const ACK: u16 = 0x4;
    pub(crate) const DUMP: u16 = 0x300;
}

/// Kinds of control messages (`linux/netlink.h`).
pub(crate) mod kind {
    pub(crate) const ERROR: u16 = 2;
    pub(crate) const DONE: u16 = 3;
    /// The family of generic netlink that tells the others' numbers (`GENL_ID_CTRL`).
    pub(crate) const CONTROL: u16 = 16;
}

/// Bytes of `struct genlmsghdr`.
const GENERIC: usize = 4;

/// What a request is, apart from its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of the generic netlink family.
    pub(crate) family: u16,
    pub(crate) flags: u16,
    pub(crate) seq: u32,
    pub(crate) command: u8,
    pub(crate) version: u8,
}

/// One request.
pub(crate) fn encode(head: Head, attributes: &[u8]) -> Vec<u8> {
    let mut header = Nlmsghdr {
        len: 0,
        r#type: head.family,
        flags: head.flags | flags::REQUEST,
        seq: head.seq,
        pid: 0,
    };
    let len = Nlmsghdr::len() + GENERIC + attributes.len();
    header.len = u32::try_from(len).unwrap_or(u32::MAX);
    let mut buf = Vec::with_capacity(len);
    buf.extend_from_slice(header.as_slice());
    buf.extend_from_slice(&[head.command, head.version, 0, 0]);
    buf.extend_from_slice(attributes);
    buf
}

/// One received message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) seq: u32,
    /// What follows netlink's header.
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// What follows generic netlink's header.
    pub(crate) fn attributes(&self) -> &'a [u8] {
        self.payload.get(GENERIC..).unwrap_or_default()
    }
}

/// The messages of one datagram. Ends at the first that is cut off.
pub(crate) fn decode(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header = Nlmsghdr::new_from_slice(rest.get(..Nlmsghdr::len())?)?;
        let len = usize::try_from(header.len).ok()?;
        let payload = rest.get(Nlmsghdr::len()..len)?;
        rest = rest.get(utils::nla_align_up(len)..).unwrap_or_default();
        Some(Message {
            kind: header.r#type,
            seq: header.seq,
            payload,
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_its_headers_and_attributes() {
        let head = Head {
            family: 0x1c,
            flags: flags::ACK,
            seq: 7,
            command: 4,
            version: 1,
        };
        let bytes = encode(head, &[5, 0, 1, 0, 9, 0, 0, 0]);
        #[rustfmt::skip]
        let expected = [
            28, 0, 0, 0, 0x1c, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
            4, 1, 0, 0, // genlmsghdr
            5, 0, 1, 0, 9, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
        let read: Vec<_> = decode(&bytes).collect();
        assert_eq!((read[0].kind, read[0].seq), (0x1c, 7));
        assert_eq!(read[0].attributes(), [5, 0, 1, 0, 9, 0, 0, 0]);
        assert_eq!(decode(&bytes[..27]).count(), 0, "one that is cut off");
    }

    proptest! {
        #[test]
        fn no_datagram_panics_or_goes_on_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&bytes).take(1_000).count() < 1_000);
        }
    }
}
