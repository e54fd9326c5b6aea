//! The netlink socket: requests, dumps and batches.

use std::io;
use std::time::Duration;

use evenkeel_netlink::{Channel, RequestError, acknowledged, control, receive_buffer, send_buffer};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::encode::Batch;
use super::step::{NftStep as Step, Subject};
use super::wire::{Head, Message, Messages, message};
use crate::Error;

/// Bytes that may wait to be read, and that one batch may have: the largest batches are of some megabytes.
pub(super) const BUFFER: usize = 64 << 20;
/// More than the kernel puts into one datagram of a dump.
const MAX_DATAGRAM: usize = 256 << 10;
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a dump is begun anew when the tables change while it runs.
const MAX_TRIES: u32 = 50;

/// A connection to the kernel's netfilter. It is kept open, since closing one waits for the kernel's grace period.
#[derive(Debug)]
pub(super) struct Netfilter {
    channel: Channel,
    seq: u32,
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
        let channel = Channel::open(NETLINK_NETFILTER, MAX_DATAGRAM, TIMEOUT)?;
        receive_buffer(&channel, BUFFER)?;
        send_buffer(&channel, BUFFER)?;
        Ok(Self { channel, seq: 0 })
    }

    /// The port that the kernel names as the author of what this socket changes.
    pub(super) fn port(&self) -> u32 {
        self.channel.port()
    }

    /// Sends a batch and waits for its acknowledgement.
    pub(super) fn commit(&mut self, table: &str, steps: &[Step]) -> Result<(), Error> {
        self.try_commit(table, steps).map_err(Error::from)
    }

    /// The same; tells what a step that was refused is a part of.
    pub(super) fn try_commit(&mut self, table: &str, steps: &[Step]) -> Result<(), Failed> {
        let batch = Batch::new(table, self.seq.wrapping_add(1), steps);
        self.seq = batch.last_seq().wrapping_add(1);
        self.channel.send(&batch.bytes).map_err(Failed::Unsent)?;
        let mut refused = None;
        loop {
            self.channel.receive().map_err(Failed::Unsent)?;
            for answer in
                Messages::new(self.channel.datagram()).filter(|m| m.kind == control::ERROR)
            {
                let last = answer.seq == batch.last_seq();
                match acknowledged(answer.kind, answer.payload).map_err(RequestError::with_message)
                {
                    Err(source) if refused.is_none() => {
                        refused = Some(Failed::Refused(batch.subject(answer.seq), source));
                    }
                    Ok(()) if last && refused.is_none() => return Ok(()),
                    Ok(()) | Err(_) => {}
                }
            }
            // All errors of a batch have been queued when the first can be read, but not all in one datagram.
            if let Some(refused) = refused {
                self.channel.drain();
                return Err(refused);
            }
        }
    }

    /// Sends a request and hands each message of the answer to `each`.
    ///
    /// # Errors
    /// With the kernel's error, such as `ENOENT`.
    pub(super) fn ask(
        &mut self,
        head: Head,
        attributes: impl FnOnce(&mut Vec<u8>),
        each: impl FnMut(&Message<'_>),
    ) -> io::Result<()> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        let mut request = Vec::with_capacity(256);
        message(&mut request, Head { seq, ..head }, attributes);
        self.channel
            .exchange(seq, &request, each)
            .map_err(RequestError::with_message)
    }
}

/// Runs what reads the tables until it was not disturbed by a change.
pub(super) fn undisturbed<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut tries = 1;
    loop {
        match read() {
            Err(error) if is_interrupted(&error) && tries < MAX_TRIES => tries += 1,
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

/// An [`Error::Io`] with what was being done.
pub(super) fn io_error(what: &str) -> impl Fn(io::Error) -> Error + use<'_> {
    move |source| Error::Io {
        what: what.to_owned(),
        source,
    }
}
