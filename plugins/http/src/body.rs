//! The body of an answer, and the search in it (RFC 9112, sections 6 and 7).

use std::io::Read;

use evenkeel_sdk::CheckError;
use httparse::Status;
use memchr::memmem::Finder;

use crate::head::{Framing, Head};
use crate::wire::Wire;

/// The most bytes of a chunk's first line.
const MAX_CHUNK_LINE: usize = 4096;

/// Takes what comes in pieces.
pub(crate) trait Search {
    /// Takes the next piece. Whether enough is known by now.
    fn add(&mut self, piece: &[u8]) -> Result<bool, CheckError>;
}

/// Reads the body until the text was found in it. It is looked for in the first `max` bytes.
pub(crate) fn find(
    wire: &mut Wire<impl Read>,
    head: &Head,
    text: &str,
    max: usize,
) -> Result<(), CheckError> {
    let mut search = TextSearch {
        finder: Finder::new(text),
        seen: Vec::new(),
        searched: 0,
        max,
    };
    if read(wire, head, &mut search)? {
        Ok(())
    } else {
        Err(CheckError::new(format!("body does not contain {text:?}")))
    }
}

/// Reads the body until `search` knows enough. `Ok(false)`: it has come to its end before.
pub(crate) fn read(
    wire: &mut Wire<impl Read>,
    head: &Head,
    search: &mut dyn Search,
) -> Result<bool, CheckError> {
    match head.framing {
        Framing::Length(length) => sized(wire, length, search),
        Framing::Chunked => chunked(wire, search),
        Framing::Close => until_closed(wire, search),
    }
}

/// Looks for a text.
struct TextSearch<'a> {
    finder: Finder<'a>,
    seen: Vec<u8>,
    searched: usize,
    max: usize,
}

impl Search for TextSearch<'_> {
    /// Whether the text is in what was seen, now that `piece` was too.
    fn add(&mut self, piece: &[u8]) -> Result<bool, CheckError> {
        let room = self.max.saturating_sub(self.seen.len());
        self.seen.extend_from_slice(&piece[..piece.len().min(room)]);
        // A match may begin in earlier pieces.
        let from = self
            .searched
            .saturating_sub(self.finder.needle().len().saturating_sub(1));
        if self.finder.find(&self.seen[from..]).is_some() {
            return Ok(true);
        }
        self.searched = self.seen.len();
        if piece.len() > room {
            let wanted = String::from_utf8_lossy(self.finder.needle());
            return Err(CheckError::new(format!(
                "{wanted:?} is not in the first {} bytes of the body",
                self.max
            )));
        }
        Ok(false)
    }
}

/// The next `length` bytes. `Ok(false)`: they are used up, without the text.
fn sized(
    wire: &mut Wire<impl Read>,
    length: u64,
    search: &mut dyn Search,
) -> Result<bool, CheckError> {
    let mut left = length;
    while left > 0 {
        let here = wire.buffered().len();
        let take = usize::try_from(left).map_or(here, |left| left.min(here));
        if take == 0 {
            need_more(wire)?;
            continue;
        }
        if search.add(&wire.buffered()[..take])? {
            return Ok(true);
        }
        wire.consume(take);
        left -= take as u64;
    }
    Ok(false)
}

fn until_closed(wire: &mut Wire<impl Read>, search: &mut dyn Search) -> Result<bool, CheckError> {
    loop {
        if search.add(wire.buffered())? {
            return Ok(true);
        }
        wire.consume(usize::MAX);
        if !wire.more()? {
            return Ok(false);
        }
    }
}

fn chunked(wire: &mut Wire<impl Read>, search: &mut dyn Search) -> Result<bool, CheckError> {
    loop {
        let size = chunk_size(wire)?;
        if size == 0 {
            return Ok(false);
        }
        if sized(wire, size, search)? {
            return Ok(true);
        }
        end_of_chunk(wire)?;
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
