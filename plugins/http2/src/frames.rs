//! Frames in and out of a stream of bytes.

use std::io::{Read, Write};

use crate::error::Error;
use crate::frame::{Frame, HEADER, MAX_PAYLOAD, header, kind};

/// Bytes to ask for at a time.
const PIECE: usize = 16 * 1024;
/// Bytes of an answer that is no HTTP/2 in a reason.
const SHOWN: usize = 40;

/// A stream of bytes, with what has arrived of it and what is to be sent.
#[derive(Debug)]
pub(crate) struct Frames<S> {
    io: S,
    buffer: Vec<u8>,
    pending: Vec<u8>,
    /// Whether the server has sent a frame.
    begun: bool,
}

impl<S: Read + Write> Frames<S> {
    /// With bytes that are sent first.
    pub(crate) fn new(io: S, first: &[u8]) -> Self {
        Self {
            io,
            buffer: Vec::new(),
            pending: first.to_vec(),
            begun: false,
        }
    }

    /// Puts it behind what is to be sent.
    pub(crate) fn push(&mut self, frame: &Frame) {
        frame.write(&mut self.pending);
    }

    /// Sends what is to be sent.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.io.write_all(&pending)?;
        }
        Ok(())
    }

    /// Waits for the next one.
    pub(crate) fn next(&mut self) -> Result<Frame, Error> {
        while !self.begun && self.buffer.len() < HEADER {
            self.might_begin()?;
            self.more()?;
        }
        self.might_begin()?;
        self.begun = true;
        loop {
            if let Some(start) = self.buffer.first_chunk::<HEADER>() {
                let (length, mut frame) = header(*start);
                if length > MAX_PAYLOAD {
                    return Err(Error::malformed(format!("a frame of {length} bytes")));
                }
                if let Some(payload) = self.buffer.get(HEADER..HEADER + length) {
                    frame.payload = payload.to_vec();
                    self.buffer.drain(..HEADER + length);
                    return Ok(frame);
                }
            }
            self.more()?;
        }
    }

    /// The first frame of a server is one of SETTINGS (RFC 9113, section 3.4).
    fn might_begin(&self) -> Result<(), Error> {
        if self.begun {
            return Ok(());
        }
        let http1 = b"HTTP/1.";
        let length = self.buffer.len().min(http1.len());
        if length == http1.len() && self.buffer[..length] == http1[..length] {
            return Err(Error::Server("the server speaks HTTP/1, not HTTP/2".into()));
        }
        // It has 16,384 bytes at most: its length begins with a 0.
        let right = match self.buffer[..] {
            [b'H', ..] => length < http1.len(),
            [0, _, _, other, ..] => other == kind::SETTINGS,
            [0, ..] | [] => true,
            _ => false,
        };
        if right {
            return Ok(());
        }
        let start = &self.buffer[..self.buffer.len().min(SHOWN)];
        let start = start.escape_ascii();
        Err(Error::Server(format!(
            "the answer is not HTTP/2; it begins with \"{start}\""
        )))
    }

    fn more(&mut self) -> Result<(), Error> {
        let old = self.buffer.len();
        self.buffer.resize(old + PIECE, 0);
        let read = self.io.read(&mut self.buffer[old..]);
        let length = read.as_ref().map_or(0, |length| *length);
        self.buffer.truncate(old + length);
        if read? > 0 {
            return Ok(());
        }
        Err(Error::Gone(
            if !self.begun && old == 0 {
                "closed without an answer"
            } else if old == 0 {
                "closed before the end of the answer"
            } else {
                "closed in the middle of a frame"
            }
            .into(),
        ))
    }
}
