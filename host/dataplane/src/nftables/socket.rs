//! The netlink socket: requests, dumps and batches.

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::change::{Step, Subject};
use super::encode::Batch;
use super::wire::{Head, Message, Messages, flags, kind, message, text};
use crate::Error;

/// Bytes that may wait to be read, and that one batch may have: the largest batches are of some megabytes.
const BUFFER: usize = 64 << 20;
/// More than the kernel puts into one datagram of a dump.
const DATAGRAM: usize = 256 << 10;
/// The kernel answers while the request is being sent, so this is for the case that it never will.
const PATIENCE: i64 = 10;
/// How often a dump is begun anew when the tables change while it runs.
const TRIES: u32 = 50;

/// A connection to the kernel's netfilter. It is kept open, since closing one waits for the kernel's grace period.
#[derive(Debug)]
pub(super) struct Netfilter {
    socket: Socket,
    port: u32,
    seq: u32,
    datagram: Vec<u8>,
}

/// Why a batch has not taken effect.
#[derive(Debug)]
pub(super) enum Failed {
    /// The socket failed.
    Unsent(io::Error),
    /// The kernel refused a step of this, if it named one.
    Refused(Option<Subject>, io::Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unsent(source) => io_error("send a batch to nf_tables")(source),
            Failed::Refused(subject, source) => {
                let what = subject.map_or_else(|| "the batch".to_owned(), |s| s.to_string());
                Self::Refused { what, source }
            }
        }
    }
}

impl Netfilter {
    /// Opens one in the network namespace of this thread.
    pub(super) fn open() -> Result<Self, Error> {
        Self::try_open().map_err(io_error("open a netlink socket"))
    }

    fn try_open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        let port = socket.bind_auto()?.port_number();
        socket.connect(&SocketAddr::new(0, 0))?;
        // Errors without the offending message, but with the kernel's words.
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        enlarge(&socket)?;
        setsockopt(
            &socket,
            sockopt::ReceiveTimeout,
            &TimeVal::seconds(PATIENCE),
        )?;
        Ok(Self {
            socket,
            port,
            seq: 0,
            datagram: Vec::with_capacity(DATAGRAM),
        })
    }

    /// The port that the kernel names as the author of what this socket changes.
    pub(super) fn port(&self) -> u32 {
        self.port
    }

    /// Sends a batch and waits for its acknowledgement.
    pub(super) fn commit(&mut self, table: &str, steps: &[Step]) -> Result<(), Error> {
        self.try_commit(table, steps).map_err(Error::from)
    }

    /// The same; tells what a step that was refused is a part of.
    pub(super) fn try_commit(&mut self, table: &str, steps: &[Step]) -> Result<(), Failed> {
        let batch = Batch::new(table, self.seq.wrapping_add(1), steps);
        self.seq = batch.last_seq().wrapping_add(1);
        self.socket.send(&batch.bytes, 0).map_err(Failed::Unsent)?;
        let mut refused = None;
        loop {
            self.receive().map_err(Failed::Unsent)?;
            for answer in Messages::new(&self.datagram).filter(|m| m.kind == kind::ERROR) {
                let last = answer.seq == batch.last_seq();
                match outcome(&answer) {
                    Err(source) if refused.is_none() => {
                        refused = Some(Failed::Refused(batch.subject(answer.seq), source));
                    }
                    Ok(()) if last && refused.is_none() => return Ok(()),
                    Ok(()) | Err(_) => {}
                }
            }
            // All errors of a batch have been queued when the first can be read, but not all in one datagram.
            if let Some(refused) = refused {
                self.drain();
                return Err(refused);
            }
        }
    }

    /// Sends a request and hands each message of the answer to `each`, which returns whether it makes sense of it.
    ///
    /// # Errors
    /// With the kernel's error, such as `ENOENT`.
    pub(super) fn ask(
        &mut self,
        head: Head,
        attributes: impl FnOnce(&mut Vec<u8>),
        mut each: impl FnMut(&Message<'_>),
    ) -> io::Result<()> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        let mut request = Vec::with_capacity(256);
        message(&mut request, Head { seq, ..head }, attributes);
        self.socket.send(&request, 0)?;
        let mut interrupted = false;
        loop {
            self.receive()?;
            for answer in Messages::new(&self.datagram).filter(|m| m.seq == seq) {
                interrupted |= answer.flags & flags::DUMP_INTR != 0;
                match answer.kind {
                    kind::ERROR | kind::DONE => {
                        outcome(&answer)?;
                        return if interrupted {
                            Err(interrupted_error())
                        } else {
                            Ok(())
                        };
                    }
                    _ => each(&answer),
                }
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
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

    /// Throws away what is left of an answer.
    fn drain(&mut self) {
        loop {
            self.datagram.clear();
            if self
                .socket
                .recv(&mut self.datagram, libc::MSG_DONTWAIT)
                .is_err()
            {
                return;
            }
        }
    }
}

/// Gives a socket large buffers: as large as wanted with `CAP_NET_ADMIN`, else as large as allowed.
pub(super) fn enlarge(socket: &Socket) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &BUFFER)?;
    }
    if setsockopt(socket, sockopt::SndBufForce, &BUFFER).is_err() {
        setsockopt(socket, sockopt::SndBuf, &BUFFER)?;
    }
    Ok(())
}

/// Runs what reads the tables until it was not disturbed by a change.
pub(super) fn undisturbed<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut tries = 1;
    loop {
        match read() {
            Err(error) if is_interrupted(&error) && tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

/// The error for an answer that mixes states of before and after a change.
pub(super) fn interrupted_error() -> io::Error {
    io::Error::from_raw_os_error(libc::EINTR)
}

fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// What an acknowledgement (`NLMSG_ERROR`, or the end of a dump) says.
fn outcome(answer: &Message<'_>) -> io::Result<()> {
    let code = answer
        .payload
        .first_chunk()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 {
        return Ok(());
    }
    let error = io::Error::from_raw_os_error(code.wrapping_neg());
    // After the code and the header of the message: NLMSGERR_ATTR_MSG.
    let words = answer
        .payload
        .get(20..)
        .filter(|_| answer.kind == kind::ERROR)
        .and_then(|attributes| netlink_bindings::utils::find_attr(attributes, 1))
        .and_then(text);
    Err(match words {
        Some(words) => io::Error::new(error.kind(), format!("{error}: {words}")),
        None => error,
    })
}

/// An [`Error::Io`] with what was being done.
pub(super) fn io_error(what: &str) -> impl Fn(io::Error) -> Error + use<'_> {
    move |source| Error::Io {
        what: what.to_owned(),
        source,
    }
}
