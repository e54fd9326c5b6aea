//! The kernel's events.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use evenkeel_core::connections::Event;
use evenkeel_netlink::{Messages, receive_buffer};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::filter;
use crate::reader::Reader;

/// `NFNLGRP_CONNTRACK_NEW`, `_UPDATE`, `_DESTROY` (`linux/netfilter/nfnetlink_compat.h`).
const GROUPS: [u32; 3] = [1, 2, 3];
/// An event has some 300 bytes.
const MAX_DATAGRAM: usize = 8 << 10;

/// A socket that receives events. Nothing is ever sent through it.
pub(crate) struct Events {
    socket: Socket,
    datagram: Vec<u8>,
}

/// How reading went.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Read {
    /// Messages that were delivered.
    pub(crate) events: u64,
    /// How often some were lost.
    pub(crate) overruns: u64,
    /// All that were waiting have been read.
    pub(crate) empty: bool,
}

impl Events {
    /// Listens in this thread's network namespace. `buffer`: bytes that may wait to be read.
    pub(crate) fn listen(buffer: usize, filtered: bool) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        receive_buffer(&socket, buffer)?;
        socket.set_non_blocking(true)?;
        if filtered {
            filter::attach(&socket)?;
        }
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        Ok(Self {
            socket,
            datagram: Vec::with_capacity(MAX_DATAGRAM),
        })
    }

    /// Hands out what is waiting, of at most `limit` messages.
    ///
    /// After an overrun the kernel sends nothing more until all that waits has been read, and does not say so again.
    pub(crate) fn read(
        &mut self,
        reader: &Reader,
        limit: u64,
        mut each: impl FnMut(Event),
    ) -> io::Result<Read> {
        let mut read = Read::default();
        while read.events < limit {
            self.datagram.clear();
            match self.socket.recv(&mut self.datagram, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    read.empty = true;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    read.overruns += 1;
                    continue;
                }
                Err(error) => return Err(error),
            }
            for message in Messages::new(&self.datagram) {
                read.events += 1;
                reader.event(&message).into_iter().for_each(&mut each);
            }
        }
        Ok(read)
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
