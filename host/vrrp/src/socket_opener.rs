//! The socket opener: a thread that opens and closes sockets: joining a multicast group, and leaving it, wait for the
//! kernel's `rtnl` lock, which whoever changes interfaces may hold for long.

use std::io;

use evenkeel_addresses::channel::{Sender, forwarder};
use evenkeel_core::model::Family;

use crate::socket::AdvertSocket;

/// What is to be done.
pub(crate) enum SocketJob {
    /// Open a socket.
    Open(SocketOrder),
    /// Close one.
    Close(AdvertSocket),
}

/// A socket that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketOrder {
    /// The interface's.
    pub(crate) index: u32,
    pub(crate) family: Family,
    /// Whether it is to join the multicast group.
    pub(crate) group: bool,
    /// No other order has this number.
    pub(crate) number: u64,
}

/// A socket that was wanted, or why there is none.
pub(crate) struct OpenedSocket {
    pub(crate) order: SocketOrder,
    pub(crate) socket: io::Result<AdvertSocket>,
}

/// Starts the thread, in the network namespace of the caller. It ends when its sender is gone and all is done.
///
/// # Errors
/// When the system gives no thread or file descriptors.
pub(crate) fn start(tell: impl Fn(OpenedSocket) + Send + 'static) -> io::Result<Sender<SocketJob>> {
    forwarder("vrrp-sockets", move |job| match job {
        SocketJob::Open(order) => tell(OpenedSocket {
            order,
            socket: open(order),
        }),
        SocketJob::Close(socket) => drop(socket),
    })
}

fn open(order: SocketOrder) -> io::Result<AdvertSocket> {
    let mut socket = AdvertSocket::open(order.index, order.family)?;
    if order.group {
        socket.join_group()?;
    }
    Ok(socket)
}
