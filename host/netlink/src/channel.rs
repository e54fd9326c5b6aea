//! Requests to the kernel, and its answers.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr};

use crate::acknowledgement::{RequestError, acknowledged};
use crate::limits::receive_timeout;
use crate::message::{Message, Messages, control, flags};

/// A socket between the kernel, in the network namespace of the thread that opened it, and us; and the datagram that
/// was read last.
#[derive(Debug)]
pub struct Channel {
    socket: Socket,
    port: u32,
    datagram: Vec<u8>,
}

impl Channel {
    /// Opens one of a protocol such as `NETLINK_NETFILTER`. `longest`: bytes that a datagram has at the most; of each
    /// kind of answers the kernel has a limit of its own. `timeout`: how long to wait for an answer. The kernel answers
    /// while the request is sent, so that is for the case that it never will.
    ///
    /// # Errors
    /// The kernel's, such as `EPROTONOSUPPORT`.
    pub fn open(protocol: isize, longest: usize, timeout: Duration) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        let port = socket.bind_auto()?.port_number();
        socket.connect(&SocketAddr::new(0, 0))?;
        // Acknowledgements without the request, but with the kernel's message: what `acknowledged` reads.
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        receive_timeout(&socket, timeout)?;
        Ok(Self {
            socket,
            port,
            datagram: Vec::with_capacity(longest),
        })
    }

    /// What finds no room in the socket is dropped without an error (`NETLINK_NO_ENOBUFS`).
    ///
    /// # Errors
    /// The kernel's.
    pub fn ignore_overruns(&mut self) -> io::Result<()> {
        self.socket.set_no_enobufs(true)
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

    /// Sends a request of number `seq`, and hands each message of the answer to `each`, up to the acknowledgement or
    /// the end of the dump.
    ///
    /// # Errors
    /// The kernel's, such as `ENOENT`; `EINTR` if what was dumped has changed meanwhile; the socket's.
    pub fn exchange(
        &mut self,
        seq: u32,
        request: &[u8],
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), RequestError> {
        self.send(request)?;
        let mut interrupted = false;
        loop {
            self.receive()?;
            for answer in Messages::new(&self.datagram).filter(|it| it.seq == seq) {
                interrupted |= answer.flags & flags::DUMP_INTR != 0;
                match answer.kind {
                    control::ERROR | control::DONE => {
                        acknowledged(answer.kind, answer.payload)?;
                        return if interrupted {
                            Err(io::Error::from_raw_os_error(libc::EINTR).into())
                        } else {
                            Ok(())
                        };
                    }
                    _ => each(&answer),
                }
            }
        }
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
