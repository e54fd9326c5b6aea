//! The netlink socket of a queue.

use std::io;
use std::time::Duration;

use evenkeel_core::state::Queue;
use evenkeel_netlink::nfqueue::{QueueConfig, put_bind, put_config};
use evenkeel_netlink::{Channel, receive_buffer};
use netlink_sys::protocols::NETLINK_NETFILTER;

/// Of each packet: IPv6 with some extension headers, and ports. More than so many waiting packets go on by the plan.
pub(crate) const OPEN: QueueConfig = QueueConfig {
    copy: 128,
    max_len: 4096,
};
/// Nothing waits: a queue of no length is always full, and full means to go on.
pub(crate) const CLOSED: QueueConfig = QueueConfig { max_len: 0, ..OPEN };
/// Number of a request whose answer nobody waits for.
pub(crate) const UNHEARD: u32 = u32::MAX;

/// Memory for packets that wait to be read.
const BUFFER: usize = 8 << 20;
/// An answer to a request.
const MAX_ANSWER: usize = 1024;

/// Takes the queue in this thread's network namespace. `wait`: how long a read waits at most.
pub(crate) fn open(queue: Queue, wait: Duration) -> io::Result<Channel> {
    let mut channel = Channel::open(NETLINK_NETFILTER, MAX_ANSWER, wait)?;
    // What finds no room goes by the plan: no error is needed in its place.
    channel.ignore_overruns()?;
    receive_buffer(&channel, BUFFER)?;
    let mut request = Vec::new();
    put_bind(&mut request, 1, queue.0);
    requested(&mut channel, 1, &request, queue)?;
    request.clear();
    put_config(&mut request, 2, queue.0, OPEN);
    requested(&mut channel, 2, &request, queue)?;
    Ok(channel)
}

/// Sends a request and waits for its answer. The kernel answers while the request is being sent.
fn requested(channel: &mut Channel, seq: u32, request: &[u8], queue: Queue) -> io::Result<()> {
    channel
        .exchange(seq, request, |_| {})
        .map_err(|failed| explained(queue, failed.error))
}

/// The kernel says `EPERM` both to who lacks `CAP_NET_ADMIN` and to who binds another program's queue.
fn explained(queue: Queue, error: io::Error) -> io::Error {
    let number = queue.0;
    match (error.kind(), Row::of(queue)) {
        (io::ErrorKind::PermissionDenied | io::ErrorKind::ResourceBusy, Some(row)) => {
            let port = row.port;
            io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("NFQUEUE {number} is taken by another program (netlink port {port})"),
            )
        }
        (io::ErrorKind::PermissionDenied, None) => io::Error::new(
            error.kind(),
            format!("NFQUEUE {number} may not be taken: {error} (CAP_NET_ADMIN is needed)"),
        ),
        (kind, _) => io::Error::new(kind, format!("NFQUEUE {number} cannot be taken: {error}")),
    }
}

/// A line of `/proc/net/netfilter/nfnetlink_queue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Who has the queue: often its process number.
    pub(crate) port: u64,
    /// Packets dropped since the queue was full, or the socket was.
    pub(crate) dropped: u64,
    /// The number of the packet that was queued last.
    pub(crate) last_packet: u32,
}

impl Row {
    /// That of a queue in this thread's network namespace; `None` if nobody has it.
    pub(crate) fn of(queue: Queue) -> Option<Self> {
        let table =
            std::fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue").ok()?;
        Self::find(&table, queue)
    }

    /// The columns: number, port, waiting, copy mode, copy range, dropped since the queue was full, dropped since the
    /// socket was, last packet's number, 1.
    fn find(table: &str, queue: Queue) -> Option<Self> {
        table.lines().find_map(|line| {
            let fields: Vec<u64> = line
                .split_whitespace()
                .filter_map(|field| field.parse().ok())
                .collect();
            let [number, port, _, _, _, full, socket, last, ..] = fields[..] else {
                return None;
            };
            (number == u64::from(queue.0)).then_some(Self {
                port,
                dropped: full + socket,
                // Of 32 bits.
                last_packet: u32::try_from(last).unwrap_or_default(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_found_in_the_kernels_table() {
        let table = "    7  31337     0 2   128     3     4      100  1\n";
        let row = Row {
            port: 31337,
            dropped: 7,
            last_packet: 100,
        };
        assert_eq!(Row::find(table, Queue(7)), Some(row));
        assert_eq!(Row::find(table, Queue(8)), None);
    }
}
