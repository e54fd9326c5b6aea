//! Ending established flows.

use std::io;

use evenkeel_core::state::BackendId;
use netlink_bindings::conntrack::PushConntrackAttrs;

use super::layout::SNAT;
use super::socket::Netfilter;
use super::wire::{Head, UNSPEC, flags, kind};

/// Deletes the conntrack entries of a backend, of both IP versions, whether or not its service is full NAT.
///
/// A request without a tuple deletes every entry that the filter lets through; the filter is the mark. All bits but that of
/// full NAT are compared, so that the marks of slots and of refused connections do not match.
pub(super) fn kill(socket: &mut Netfilter, backend: BackendId) -> io::Result<()> {
    let head = Head {
        family: UNSPEC,
        ..Head::new(kind::CT_DELETE, flags::ACK)
    };
    let filter = |buf: &mut Vec<u8>| {
        PushConntrackAttrs::new(buf)
            .push_mark(backend.get())
            .push_mark_mask(!SNAT)
            .end_nested();
    };
    socket.ask(head, filter, |_| {})
}
