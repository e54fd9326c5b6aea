//! All connections at once.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use evenkeel_core::connections::{Counts, Phase};
use evenkeel_core::mark;
use evenkeel_core::state::BackendId;
use evenkeel_netlink::conntrack::{kind, put_mark_filter};
use evenkeel_netlink::netfilter::{Head, put_request};
use evenkeel_netlink::{Channel, Messages, RequestError, acknowledged, control, flags};
use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::reader::{Connection, Reader};

/// The kernel puts at most 32 KiB into a datagram of a dump.
const MAX_DATAGRAM: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(10);

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
    /// Requests all connections that may be our servers'.
    pub(crate) fn begin() -> io::Result<Self> {
        let channel = Channel::open(NETLINK_NETFILTER, MAX_DATAGRAM, TIMEOUT)?;
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
        self.next_attributes(|attributes| {
            reader
                .connection(attributes)
                .filter(|it| !it.dying)
                .into_iter()
                .for_each(&mut each);
        })
    }

    /// The same with each connection's attributes, whosever it is.
    pub(crate) fn next_attributes(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<bool> {
        self.channel.receive()?;
        for message in Messages::new(self.channel.datagram()) {
            match message.kind {
                kind::NEW => each(message.attributes()),
                control::ERROR | control::DONE => {
                    let outcome = acknowledged(message.kind, message.payload);
                    return outcome.map(|()| false).map_err(RequestError::with_message);
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

/// The request for connections, of both IP versions, whose mark has no bit but those of backends. (A mark of 0 cannot
/// be left out so.)
fn request() -> Vec<u8> {
    let mut request = Vec::with_capacity(64);
    put_request(&mut request, Head::unspec(kind::GET, flags::DUMP), |buf| {
        put_mark_filter(buf, 0, mark::NO_BACKEND);
    });
    request
}
