//! All connections at once.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use evenkeel_core::connections::{Counts, Phase};
use evenkeel_core::state::BackendId;
use evenkeel_netlink::{Channel, Refused, acknowledged};
use netlink_bindings::builtin::Nlmsghdr;
use netlink_bindings::conntrack::PushConntrackAttrs;
use netlink_bindings::nftables::Nfgenmsg;
use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::message::{Connection, FULL_NAT, HEADERS, Messages, Reader, kind};

/// The kernel puts at most 32 KiB into a datagram of a dump.
const DATAGRAM: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
/// `NLM_F_REQUEST | NLM_F_DUMP` (`linux/netlink.h`).
const REQUEST_DUMP: u16 = 0x301;

/// The connections of every server, counted by one dump in this thread's network namespace; `total` is 0, since a dump
/// does not tell who is new. Servers without connections are left out.
///
/// # Errors
/// The kernel's: it needs `CAP_NET_ADMIN`.
pub fn count_once() -> io::Result<BTreeMap<BackendId, Counts>> {
    let mut counted: BTreeMap<BackendId, Counts> = BTreeMap::new();
    let mut dump = Dump::begin()?;
    let reader = Reader::default();
    let mut count = |it: Connection| {
        let counts = counted.entry(it.backend).or_default();
        let count = match it.phase {
            Phase::Active => &mut counts.active,
            Phase::Inactive => &mut counts.inactive,
        };
        *count = count.saturating_add(1);
    };
    while dump.next(&reader, &mut count)? {}
    Ok(counted)
}

/// A dump that goes on. It has a socket of its own, so that it can be read between events, and given up.
pub(crate) struct Dump {
    channel: Channel,
}

impl Dump {
    /// Asks the kernel for all connections that may be our servers'.
    pub(crate) fn begin() -> io::Result<Self> {
        let channel = Channel::open(NETLINK_NETFILTER, DATAGRAM, PATIENCE)?;
        channel.send(&request())?;
        Ok(Self { channel })
    }

    /// Reads the next part of the answer and hands out the connections in it, but not those that are being taken out.
    /// Returns whether there is more.
    pub(crate) fn next(
        &mut self,
        reader: &Reader,
        mut each: impl FnMut(Connection),
    ) -> io::Result<bool> {
        self.channel.receive()?;
        for message in Messages(self.channel.datagram()) {
            match message.kind {
                kind::CT_NEW => reader
                    .connection(message.attributes())
                    .filter(|it| !it.dying)
                    .into_iter()
                    .for_each(&mut each),
                kind::ERROR | kind::DONE => {
                    let outcome = acknowledged(message.kind, message.payload);
                    return outcome.map(|()| false).map_err(Refused::with_words);
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

/// Asks for connections whose mark has no bit but those of backends. (A mark of 0 cannot be left out so.)
fn request() -> Vec<u8> {
    let mut attributes = Vec::with_capacity(64);
    PushConntrackAttrs::new(&mut attributes)
        .push_mark(0)
        .push_mark_mask(!(FULL_NAT | BackendId::MAX))
        .end_nested();
    let header = Nlmsghdr {
        // Some forty bytes.
        len: u32::try_from(HEADERS + attributes.len()).unwrap_or_default(),
        r#type: kind::CT_GET,
        flags: REQUEST_DUMP,
        seq: 0,
        pid: 0,
    };
    // NFPROTO_UNSPEC: of both IP versions.
    let family = Nfgenmsg::default();
    [header.as_slice(), family.as_slice(), &attributes].concat()
}
