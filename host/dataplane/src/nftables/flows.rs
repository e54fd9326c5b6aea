//! Ending established flows.

use std::io;
use std::time::{Duration, Instant};

use evenkeel_core::mark::FULL_NAT;
use evenkeel_core::state::BackendId;
use evenkeel_netlink::conntrack::{Connection, kind, put_mark_filter, status};

use super::socket::{Netfilter, undisturbed};
use super::wire::{Head, flags};

/// How long the kernel may take to take a flowtable down, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Deletes the conntrack entries of a backend, of both IP versions, whether or not its service is full NAT.
///
/// A request without a tuple deletes every entry that the filter lets through; the filter is the mark. All bits but
/// that of full NAT are compared, so that the marks of slots and of refused connections do not match.
pub(super) fn kill(socket: &mut Netfilter, backend: BackendId) -> io::Result<()> {
    let head = Head::unspec(kind::DELETE, flags::ACK);
    socket.ask(head, |buf| of(buf, backend), |_| {})
}

/// Whether flows of a backend are offloaded.
pub(super) fn are_offloaded(socket: &mut Netfilter, backend: BackendId) -> io::Result<bool> {
    let head = Head::unspec(kind::GET, flags::DUMP);
    let mut there = false;
    undisturbed(|| {
        there = false;
        socket.ask(
            head,
            |buf| of(buf, backend),
            |answer| {
                let it = Connection::decode(answer.attributes());
                there |= it.has(status::OFFLOAD) && !it.has(status::DYING);
            },
        )
    })?;
    Ok(there)
}

/// Deletes the entries of a backend as soon as none of its flows is offloaded any more: the kernel takes down a
/// flowtable some time after it was told to.
pub(super) fn kill_when_on_slow_path(socket: &mut Netfilter, backend: BackendId) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    while are_offloaded(socket, backend)? {
        if Instant::now() > end {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the kernel does not take them out of its flowtable",
            ));
        }
        std::thread::sleep(PAUSE);
    }
    kill(socket, backend)
}

fn of(buf: &mut Vec<u8>, backend: BackendId) {
    put_mark_filter(buf, backend.get(), !FULL_NAT);
}
