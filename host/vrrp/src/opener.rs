//! A thread that opens and closes sockets: joining a multicast group, and leaving it, wait for the kernel's `rtnl` lock, which
//! whoever changes interfaces may hold for long.

use std::io;

use evenkeel_core::model::Family;

use crate::mailbox::{Receiver, Sender, mailbox};
use crate::socket::AdvertSocket;

/// What is to be done.
pub(crate) enum Job {
    /// Open a socket.
    Open(Order),
    /// Close one.
    Close(AdvertSocket),
}

/// A socket that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// The interface's.
    pub(crate) index: u32,
    pub(crate) family: Family,
    /// Whether it is to hear the multicast group.
    pub(crate) group: bool,
    /// No other order has this number.
    pub(crate) number: u64,
}

/// A socket that was wanted, or why there is none.
pub(crate) struct Delivery {
    pub(crate) order: Order,
    pub(crate) socket: io::Result<AdvertSocket>,
}

/// Starts the thread, in the network namespace of the caller. It ends when the mailbox is closed and empty.
///
/// # Errors
/// When the system gives no thread or file descriptors.
pub(crate) fn start(tell: impl Fn(Delivery) + Send + 'static) -> io::Result<Sender<Job>> {
    let (sender, receiver) = mailbox()?;
    std::thread::Builder::new()
        .name("vrrp-sockets".into())
        .spawn(move || work(receiver, tell))?;
    Ok(sender)
}

fn work(mut jobs: Receiver<Job>, tell: impl Fn(Delivery)) {
    while let Some(jobs) = jobs.wait() {
        for job in jobs {
            match job {
                Job::Open(order) => tell(Delivery {
                    order,
                    socket: open(order),
                }),
                Job::Close(socket) => drop(socket),
            }
        }
    }
}

fn open(order: Order) -> io::Result<AdvertSocket> {
    let mut socket = AdvertSocket::open(order.index, order.family)?;
    if order.group {
        socket.join_group()?;
    }
    Ok(socket)
}
