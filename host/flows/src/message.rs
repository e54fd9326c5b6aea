//! What conntrack's messages say.

use std::hash::{BuildHasher as _, RandomState};

use evenkeel_core::connections::{Event, Key, Phase};
use evenkeel_core::state::BackendId;
use netlink_bindings::builtin::Nlmsghdr;
use netlink_bindings::nftables::Nfgenmsg;
use netlink_bindings::utils;

/// Kinds of messages: control messages (`linux/netlink.h`) and conntrack's, with the subsystem's number in the high byte
/// (`linux/netfilter/nfnetlink_conntrack.h`).
pub(crate) mod kind {
    pub(crate) const ERROR: u16 = 2;
    pub(crate) const DONE: u16 = 3;
    pub(crate) const CT_NEW: u16 = 0x0100;
    pub(crate) const CT_GET: u16 = 0x0101;
    pub(crate) const CT_DELETE: u16 = 0x0102;
}

/// Attributes (`linux/netfilter/nfnetlink_conntrack.h`).
pub(crate) mod attribute {
    pub(crate) const TUPLE_ORIG: u16 = 1;
    pub(crate) const STATUS: u16 = 3;
    pub(crate) const PROTOINFO: u16 = 4;
    pub(crate) const MARK: u16 = 8;
    pub(crate) const ZONE: u16 = 18;
    /// In `PROTOINFO`.
    pub(crate) const PROTOINFO_TCP: u16 = 1;
    /// In `PROTOINFO_TCP`.
    pub(crate) const TCP_STATE: u16 = 1;
    /// In `TUPLE_ORIG`.
    pub(crate) const TUPLE_PROTO: u16 = 2;
    /// In `TUPLE_PROTO`.
    pub(crate) const PROTO_NUM: u16 = 1;
}

/// States of a TCP connection (`linux/netfilter/nf_conntrack_tcp.h`, `enum tcp_conntrack`).
pub(crate) mod tcp {
    pub(crate) const SYN_RECV: u8 = 2;
    pub(crate) const FIN_WAIT: u8 = 4;
    pub(crate) const CLOSE: u8 = 8;
}

/// Bits of a connection's status (`linux/netfilter/nf_conntrack_common.h`).
pub(crate) mod status {
    /// `IPS_ASSURED`: it was established once.
    pub(crate) const ASSURED: u32 = 1 << 2;
    /// `IPS_DYING`: its end has been told, or is about to be.
    pub(crate) const DYING: u32 = 1 << 9;
}

/// Bit of a mark that says that its backend's service is full NAT.
pub(crate) const FULL_NAT: u32 = 0x8000_0000;

/// Length of the netlink header and the netfilter header after it.
pub(crate) const HEADERS: usize = Nlmsghdr::len() + Nfgenmsg::len();

/// The backend whose connections have this mark.
fn backend(mark: u32) -> Option<BackendId> {
    BackendId::new(mark & !FULL_NAT)
}

/// One netlink message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    /// What follows the netlink header.
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// What follows the netfilter header.
    pub(crate) fn attributes(&self) -> &'a [u8] {
        self.payload.get(Nfgenmsg::len()..).unwrap_or_default()
    }
}

/// The messages of one datagram. Stops at the first that is cut off.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = Nlmsghdr::new_from_slice(self.0.get(..Nlmsghdr::len())?)?;
        let len = usize::try_from(header.len).ok()?;
        let payload = self.0.get(Nlmsghdr::len()..len)?;
        self.0 = (self.0.get(utils::nla_align_up(len)..)).unwrap_or_default();
        Some(Message {
            kind: header.r#type,
            flags: header.flags,
            payload,
        })
    }
}

/// A connection to one of our servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) key: Key,
    pub(crate) backend: BackendId,
    pub(crate) phase: Phase,
    /// It is being taken out: its `DESTROY` has been sent, or is about to be.
    pub(crate) dying: bool,
}

/// Reads connections. Names them by a hash with a key of this process, so that no client can make two with one name.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    hash: RandomState,
}

impl Reader {
    /// The connection that a message's attributes describe; `None` if it goes to none of our servers.
    pub(crate) fn connection(&self, attributes: &[u8]) -> Option<Connection> {
        let (mut tuple, mut zone) = (None, &[][..]);
        let (mut mark, mut bits, mut info) = (0, 0, &[][..]);
        let mut at = 0;
        while let Some((header, value)) = utils::chop_header(attributes, &mut at) {
            match header.r#type {
                attribute::TUPLE_ORIG => tuple = Some(value),
                attribute::STATUS => bits = number(value),
                attribute::PROTOINFO => info = value,
                attribute::MARK => mark = number(value),
                attribute::ZONE => zone = value,
                _ => {}
            }
        }
        let backend = backend(mark)?;
        let tuple = tuple?;
        // The kernel writes a tuple the same way each time, so its bytes name it.
        Some(Connection {
            key: Key(self.hash.hash_one((tuple, zone))),
            backend,
            phase: phase(tuple, info),
            dying: bits & status::DYING != 0,
        })
    }

    /// What a message of one of conntrack's groups says.
    pub(crate) fn event(&self, message: &Message<'_>) -> Option<Event> {
        let it = self.connection(message.attributes())?;
        match message.kind {
            kind::CT_DELETE => Some(Event::Gone(it.key)),
            // NLM_F_CREATE | NLM_F_EXCL are set for new ones.
            kind::CT_NEW if message.flags != 0 => Some(Event::New(it.key, it.backend, it.phase)),
            kind::CT_NEW => Some(Event::Changed(it.key, it.backend, it.phase)),
            _ => None,
        }
    }
}

/// How IPVS would count it: see [`Phase`].
fn phase(tuple: &[u8], info: &[u8]) -> Phase {
    let protocol = utils::find_attr(tuple, attribute::TUPLE_PROTO)
        .and_then(|it| utils::find_attr(it, attribute::PROTO_NUM))
        .and_then(|it| it.first().copied());
    if protocol.map(i32::from) != Some(libc::IPPROTO_TCP) {
        return Phase::Inactive;
    }
    let state = utils::find_attr(info, attribute::PROTOINFO_TCP)
        .and_then(|it| utils::find_attr(it, attribute::TCP_STATE))
        .and_then(|it| it.first().copied());
    match state {
        Some(tcp::FIN_WAIT..=tcp::CLOSE) => Phase::Inactive,
        // Also "simultaneous open" (9), and where the state is not told: that of the first packet.
        _ => Phase::Active,
    }
}

/// An attribute that is a number.
fn number(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |it| u32::from_be_bytes(*it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_of_backends_are_backends() {
        let number = |mark| backend(mark).map(BackendId::get);
        assert_eq!(number(7), Some(7));
        assert_eq!(number(0x8000_0007), Some(7));
        assert_eq!(number(0x80ff_ffff), Some(0x00ff_ffff));
        for mark in [
            0,
            0x8000_0000,
            0x4000_0001,
            0x2000_0000,
            0x0100_0001,
            0x1000_0007,
        ] {
            assert_eq!(number(mark), None, "{mark:#x}");
        }
    }

    #[test]
    fn what_is_cut_off_or_nonsense_is_no_connection_and_no_panic() {
        let reader = Reader::default();
        let mut bytes = Vec::new();
        for byte in 0..=255_u8 {
            bytes.push(byte.wrapping_mul(37));
            assert_eq!(reader.connection(&bytes), None);
            assert!(Messages(&bytes).count() < 20);
        }
    }
}
