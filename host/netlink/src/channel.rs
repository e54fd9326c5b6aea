//! Requests to the kernel, and its answers.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr};

use crate::limits::receive_timeout;

/// A socket between the kernel, in the network namespace of the thread that opened it, and us; and the datagram that was read last.
#[derive(Debug)]
pub struct Channel {
    socket: Socket,
    port: u32,
    datagram: Vec<u8>,
}

impl Channel {
    /// Opens one of a protocol such as `NETLINK_NETFILTER`. `longest`: bytes that a datagram has at the most; of each kind of answers the kernel
    /// has a limit of its own. `patience`: how long to wait for an answer. The kernel answers while it is being asked, so that is for the case
    /// that it never will.
    ///
    /// # Errors
    /// The kernel's, such as `EPROTONOSUPPORT`.
    pub fn open(protocol: isize, longest: usize, patience: Duration) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        let port = socket.bind_auto()?.port_number();
        socket.connect(&SocketAddr::new(0, 0))?;
        // Acknowledgements without the request, but with the kernel's words: what `acknowledged` reads.
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        receive_timeout(&socket, patience)?;
        Ok(Self {
            socket,
            port,
            datagram: Vec::with_capacity(longest),
        })
    }

    /// The port by which the kernel knows this socket.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Sends messages in one datagram.
    ///
    /// # Errors
    /// The kernel's. What it has against a message it says in an answer.
    pub fn send(&self, messages: &[u8]) -> io::Result<()> {
        self.socket.send(messages, 0).map(drop)
    }

    /// Waits for the next datagram.
    ///
    /// # Errors
    /// `WouldBlock` when none came in time; one that is longer than foreseen, which would be a bug.
    pub fn receive(&mut self) -> io::Result<()> {
        loop {
            self.datagram.clear();
            match self.socket.recv(&mut self.datagram, libc::MSG_TRUNC) {
                Ok(len) if len > self.datagram.len() => {
                    return Err(io::Error::other(format!("a datagram of {len} bytes")));
                }
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The datagram that was received last.
    #[must_use]
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// Throws away what waits to be read.
    pub fn drain(&mut self) {
        loop {
            self.datagram.clear();
            let read = self.socket.recv(&mut self.datagram, libc::MSG_DONTWAIT);
            if read.is_err() {
                return;
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
