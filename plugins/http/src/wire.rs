//! What has arrived and was not used yet.

use std::io::{self, Read};

/// Bytes to ask the connection for at a time.
const PIECE: usize = 16 * 1024;

/// A reader with a buffer that can be looked at as a whole.
#[derive(Debug)]
pub(crate) struct Wire<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: Read> Wire<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
        }
    }

    /// Where it comes from.
    pub(crate) fn reader(&mut self) -> &mut R {
        &mut self.reader
    }

    /// What has arrived and was not used yet.
    pub(crate) fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Waits for more; `false` if there will be none.
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        let old = self.buffer.len();
        self.buffer.resize(old + PIECE, 0);
        let read = self.reader.read(&mut self.buffer[old..]);
        self.buffer
            .truncate(old + read.as_ref().map_or(0, |length| *length));
        Ok(read? > 0)
    }

    /// The first bytes, up to that many, are used.
    pub(crate) fn consume(&mut self, length: usize) {
        self.buffer.drain(..length.min(self.buffer.len()));
    }
}
