//! Where a body of HTTP/1.1 ends (RFC 9112, sections 6 and 7).

use std::io::Read;

use evenkeel_sdk::CheckError;
use httparse::Status;

use crate::search::Search;
use crate::wire::Wire;

/// The most bytes of a chunk's first line.
const MAX_CHUNK_LINE: usize = 4096;
/// The most bytes of the fields after the last chunk.
const MAX_TRAILER: usize = 16 * 1024;

/// How it says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After that many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// A body that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes are to come.
    Sized(u64),
    /// The first line of a chunk is to come.
    Line,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// The line end after a chunk's data is to come.
    End,
    /// The fields after the last chunk are to come.
    Trailer,
    /// Whatever comes until the connection ends.
    Close,
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Sized(length),
            Framing::Chunked => Self::Line,
            Framing::Close => Self::Close,
        }
    }
}

impl Body {
    /// Reads until `search` knows enough; it may be called once more then. `Ok(false)`: the body has come to its end
    /// before.
    pub(crate) fn read(
        &mut self,
        wire: &mut Wire<impl Read>,
        search: &mut dyn Search,
    ) -> Result<bool, CheckError> {
        loop {
            match *self {
                Self::Sized(0) | Self::Trailer => return Ok(false),
                Self::Chunk(0) => *self = Self::End,
                Self::Sized(left) | Self::Chunk(left) => {
                    let here = wire.buffered().len();
                    let take = usize::try_from(left).map_or(here, |left| left.min(here));
                    if take == 0 {
                        need_more(wire)?;
                        continue;
                    }
                    let found = search.add(&wire.buffered()[..take])?;
                    wire.consume(take);
                    let left = left - take as u64;
                    *self = match self {
                        Self::Chunk(_) => Self::Chunk(left),
                        _ => Self::Sized(left),
                    };
                    if found {
                        return Ok(true);
                    }
                }
                Self::Line => {
                    *self = match chunk_size(wire)? {
                        0 => Self::Trailer,
                        size => Self::Chunk(size),
                    };
                }
                Self::End => {
                    end_of_chunk(wire)?;
                    *self = Self::Line;
                }
                Self::Close => {
                    let found = search.add(wire.buffered())?;
                    wire.consume(usize::MAX);
                    if found {
                        return Ok(true);
                    }
                    if !wire.more()? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Reads the rest of it, of `max` bytes at most, so that another answer can follow. Whether it can.
    pub(crate) fn pass(
        &mut self,
        wire: &mut Wire<impl Read>,
        max: usize,
    ) -> Result<bool, CheckError> {
        let too_long = |left: u64| left > max as u64;
        if *self == Self::Close || matches!(*self, Self::Sized(left) if too_long(left)) {
            return Ok(false);
        }
        if self.read(wire, &mut Room(max))? {
            return Ok(false);
        }
        if *self == Self::Trailer {
            trailer(wire)?;
        }
        // What nobody asked for is no answer to the next request.
        Ok(wire.buffered().is_empty())
    }
}

/// How many bytes may still come.
struct Room(usize);

impl Search for Room {
    fn add(&mut self, piece: &[u8]) -> Result<bool, CheckError> {
        let enough = piece.len() > self.0;
        self.0 = self.0.saturating_sub(piece.len());
        Ok(enough)
    }
}

/// Reads a chunk's first line.
fn chunk_size(wire: &mut Wire<impl Read>) -> Result<u64, CheckError> {
    loop {
        match httparse::parse_chunk_size(wire.buffered()) {
            Ok(Status::Complete((length, size))) => {
                wire.consume(length);
                return Ok(size);
            }
            Ok(Status::Partial) if wire.buffered().len() <= MAX_CHUNK_LINE => need_more(wire)?,
            Ok(Status::Partial) | Err(_) => return Err(malformed_chunk()),
        }
    }
}

/// Reads the line end after a chunk's data.
fn end_of_chunk(wire: &mut Wire<impl Read>) -> Result<(), CheckError> {
    loop {
        let length = match wire.buffered() {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [] | [b'\r'] => {
                need_more(wire)?;
                continue;
            }
            _ => return Err(malformed_chunk()),
        };
        wire.consume(length);
        return Ok(());
    }
}

/// Reads the fields after the last chunk, and the empty line that ends them.
fn trailer(wire: &mut Wire<impl Read>) -> Result<(), CheckError> {
    let mut read = 0;
    loop {
        let Some(at) = memchr::memchr(b'\n', wire.buffered()) else {
            if read + wire.buffered().len() > MAX_TRAILER {
                return Err(malformed_chunk());
            }
            need_more(wire)?;
            continue;
        };
        let empty = wire.buffered()[..at].trim_ascii().is_empty();
        read += at + 1;
        wire.consume(at + 1);
        if empty {
            return Ok(());
        }
        if read > MAX_TRAILER {
            return Err(malformed_chunk());
        }
    }
}

fn malformed_chunk() -> CheckError {
    CheckError::new("malformed answer: invalid chunk")
}

/// Waits for bytes that the framing promises.
fn need_more(wire: &mut Wire<impl Read>) -> Result<(), CheckError> {
    if wire.more()? {
        Ok(())
    } else {
        Err(CheckError::new("closed in the middle of the body"))
    }
}
