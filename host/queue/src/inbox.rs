//! Datagrams of a queue's socket, many at once.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd as _};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};

/// Packets read at once.
pub(crate) const BATCH: usize = 64;
/// A datagram holds one packet, and some attributes.
const MAX_DATAGRAM: usize = 1024;

/// Datagrams that were read at once.
pub(crate) struct Inbox {
    buffers: Vec<[u8; MAX_DATAGRAM]>,
    lengths: Vec<usize>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffers: vec![[0; MAX_DATAGRAM]; BATCH],
            lengths: Vec::with_capacity(BATCH),
            headers: MultiHeaders::preallocate(BATCH, None),
        }
    }

    /// Reads what there is; `how`: whether to wait for the first.
    pub(crate) fn receive(&mut self, socket: &impl AsFd, how: MsgFlags) -> Result<(), Errno> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        self.lengths.clear();
        let headers = &mut self.headers;
        let received = recvmmsg(
            socket.as_fd().as_raw_fd(),
            headers,
            slices.iter_mut(),
            how,
            None,
        )?;
        self.lengths.extend(received.map(|it| it.bytes));
        Ok(())
    }

    /// Those that were read last.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.buffers
            .iter()
            .zip(&self.lengths)
            .map(|(buffer, length)| buffer.get(..*length).unwrap_or_default())
    }
}
