//! Netlink framing: message headers written and taken apart. Attributes are the business of `netlink_bindings`.

use netlink_bindings::builtin::Nlmsghdr;
use netlink_bindings::nftables::Nfgenmsg;
use netlink_bindings::utils;

/// Flags of a request (`linux/netlink.h`).
pub(super) mod flags {
    pub(in super::super) const REQUEST: u16 = 0x1;
    pub(in super::super) const ACK: u16 = 0x4;
    pub(in super::super) const DUMP: u16 = 0x300;
    pub(in super::super) const CREATE: u16 = 0x400;
    pub(in super::super) const EXCL: u16 = 0x200;
    pub(in super::super) const APPEND: u16 = 0x800;
    /// In an answer: what is dumped has changed meanwhile.
    pub(in super::super) const DUMP_INTR: u16 = 0x10;
}

/// Kinds of messages: control messages (`linux/netlink.h`), batches and nf_tables (`linux/netfilter/nf_tables.h`), conntrack
/// (`linux/netfilter/nfnetlink_conntrack.h`). A subsystem's number is the high byte.
pub(super) mod kind {
    pub(in super::super) const ERROR: u16 = 2;
    pub(in super::super) const DONE: u16 = 3;
    pub(in super::super) const BATCH_BEGIN: u16 = 16;
    pub(in super::super) const BATCH_END: u16 = 17;
    pub(in super::super) const NEW_TABLE: u16 = 0x0a00;
    pub(in super::super) const GET_TABLE: u16 = 0x0a01;
    pub(in super::super) const NEW_CHAIN: u16 = 0x0a03;
    pub(in super::super) const GET_CHAIN: u16 = 0x0a04;
    pub(in super::super) const DEL_CHAIN: u16 = 0x0a05;
    pub(in super::super) const NEW_RULE: u16 = 0x0a06;
    pub(in super::super) const GET_RULE: u16 = 0x0a07;
    pub(in super::super) const DEL_RULE: u16 = 0x0a08;
    pub(in super::super) const GET_SET: u16 = 0x0a0a;
    pub(in super::super) const NEW_ELEMENT: u16 = 0x0a0c;
    pub(in super::super) const GET_ELEMENT: u16 = 0x0a0d;
    pub(in super::super) const DEL_ELEMENT: u16 = 0x0a0e;
    pub(in super::super) const NEW_GENERATION: u16 = 0x0a0f;
    pub(in super::super) const GET_GENERATION: u16 = 0x0a10;
    pub(in super::super) const NEW_FLOWTABLE: u16 = 0x0a16;
    pub(in super::super) const GET_FLOWTABLE: u16 = 0x0a17;
    pub(in super::super) const DEL_FLOWTABLE: u16 = 0x0a18;
    pub(in super::super) const CT_GET: u16 = 0x0101;
    pub(in super::super) const CT_DELETE: u16 = 0x0102;
}

/// `NFPROTO_INET`: the family of our table.
pub(super) const INET: u8 = 1;
/// `NFPROTO_UNSPEC`: any family.
pub(super) const UNSPEC: u8 = 0;
/// `NFNL_SUBSYS_NFTABLES`: whom a batch is for.
pub(super) const SUBSYS_NFTABLES: u16 = 10;

/// What a message's header says, apart from its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) seq: u32,
    pub(super) family: u8,
    pub(super) res_id: u16,
}

impl Head {
    /// A request about our table's family.
    pub(super) fn new(kind: u16, flags: u16) -> Self {
        Self {
            kind,
            flags: flags | flags::REQUEST,
            seq: 0,
            family: INET,
            res_id: 0,
        }
    }
}

/// Appends one message whose attributes `attributes` writes.
pub(super) fn message(buf: &mut Vec<u8>, head: Head, attributes: impl FnOnce(&mut Vec<u8>)) {
    let start = buf.len();
    let mut header = Nlmsghdr {
        len: 0,
        r#type: head.kind,
        flags: head.flags | flags::REQUEST,
        seq: head.seq,
        pid: 0,
    };
    buf.extend_from_slice(header.as_slice());
    let mut netfilter = Nfgenmsg {
        nfgen_family: head.family,
        ..Nfgenmsg::default()
    };
    netfilter.set_res_id(head.res_id);
    buf.extend_from_slice(netfilter.as_slice());
    attributes(buf);
    utils::align(buf);
    // A batch is far below 4 GiB: the socket's send buffer ends it before.
    header.len = u32::try_from(buf.len() - start).unwrap_or(u32::MAX);
    if let Some(place) = buf.get_mut(start..start + Nlmsghdr::len()) {
        place.copy_from_slice(header.as_slice());
    }
}

/// One received message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) seq: u32,
    /// Netlink port of whoever caused it.
    pub(super) port: u32,
    /// What follows the header.
    pub(super) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// What follows the netfilter header.
    pub(super) fn attributes(&self) -> &'a [u8] {
        self.payload.get(Nfgenmsg::len()..).unwrap_or_default()
    }

    /// The family in the netfilter header.
    pub(super) fn family(&self) -> u8 {
        self.payload.first().copied().unwrap_or_default()
    }
}

/// The messages of one datagram. Stops at the first that is cut off.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(super) fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = Nlmsghdr::new_from_slice(self.rest.get(..Nlmsghdr::len())?)?;
        let len = usize::try_from(header.len).ok()?;
        let payload = self.rest.get(Nlmsghdr::len()..len)?;
        self.rest = self
            .rest
            .get(utils::nla_align_up(len)..)
            .unwrap_or_default();
        Some(Message {
            kind: header.r#type,
            flags: header.flags,
            seq: header.seq,
            port: header.pid,
            payload,
        })
    }
}

/// The text of a NUL-terminated attribute.
pub(super) fn text(attribute: &[u8]) -> Option<&str> {
    std::str::from_utf8(attribute.strip_suffix(&[0]).unwrap_or(attribute)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_back_as_it_was_written() {
        let mut buf = Vec::new();
        let head = Head {
            seq: 7,
            ..Head::new(kind::GET_TABLE, flags::ACK)
        };
        message(&mut buf, head, |buf| buf.extend_from_slice(&[1, 2, 3]));
        message(&mut buf, head, |_| {});
        let read: Vec<_> = Messages::new(&buf).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].kind, read[0].seq, read[0].family()),
            (kind::GET_TABLE, 7, INET)
        );
        assert_eq!(read[0].attributes(), [1, 2, 3, 0]);
    }

    #[test]
    fn a_message_that_is_cut_off_is_not_returned() {
        let mut buf = Vec::new();
        message(&mut buf, Head::new(kind::GET_TABLE, 0), |_| {});
        buf.pop();
        assert_eq!(Messages::new(&buf).count(), 0);
    }
}
