//! A connection, on which requests are made one after the other.

use std::io::{Read, Write};

use crate::Field;
use crate::error::{self, Error};
use crate::frame::{Frame, MAX_PAYLOAD, flag, kind};
use crate::frames::Frames;
use crate::hpack;
use crate::settings;

/// What a client says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that either side takes before it says that it takes more (section 6.9.2).
const WINDOW: i64 = 65_535;
/// The greatest window.
const MAX_WINDOW: i64 = 0x7fff_ffff;
/// Frames of one answer that bring nothing of it.
const MOST_IDLE: usize = 1_000;
/// Interim answers (1xx) before the one that counts.
const MOST_INTERIM: usize = 16;
/// CONTINUATION frames of one header.
const MOST_CONTINUATIONS: usize = 64;

/// A client's side of a connection.
#[derive(Debug)]
pub struct Http2<S> {
    frames: Frames<S>,
    /// The request that is under way, or was the last one.
    stream: u32,
    /// Whether the server has sent all of its answer.
    ended: bool,
    /// Whether the server has said that it takes no more requests.
    leaving: bool,
    trailers: Vec<Field>,
    /// How many bytes the server takes: of the connection, of a stream at its start, and of the one under way.
    connection_window: i64,
    initial_window: i64,
    stream_window: i64,
    /// How many bytes it may send, likewise.
    connection_room: i64,
    stream_room: i64,
    /// Frames that brought nothing since the request.
    idle: usize,
    /// Bytes of the body that are to come, if the server has said how many.
    length: Option<u64>,
}

/// What a server says of its answer.
enum Event {
    Headers(Vec<Field>),
    Data(Vec<u8>),
}

impl<S: Read + Write> Http2<S> {
    /// Over a stream of bytes of which nothing was used. Nothing is sent before the first request.
    #[must_use]
    pub fn new(io: S) -> Self {
        let mut frames = Frames::new(io, PREFACE);
        frames.push(&settings::ours());
        Self {
            frames,
            stream: 0,
            ended: true,
            leaving: false,
            trailers: Vec::new(),
            connection_window: WINDOW,
            initial_window: WINDOW,
            stream_window: WINDOW,
            connection_room: WINDOW,
            stream_room: WINDOW,
            idle: 0,
            length: None,
        }
    }

    /// Whether another request may follow.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.leaving && self.stream < 0x7fff_0000
    }

    /// Sends a request: pseudo-headers first, names in small letters. What is left of the answer to the one before is not
    /// wanted any more.
    ///
    /// # Errors
    /// It cannot be sent; an answer may have come nevertheless.
    pub fn request(&mut self, fields: &[(&str, &str)], body: &[u8]) -> Result<(), Error> {
        self.cancel();
        self.stream = if self.stream == 0 { 1 } else { self.stream + 2 };
        self.ended = false;
        self.trailers.clear();
        self.stream_window = self.initial_window;
        self.stream_room = WINDOW;
        self.idle = 0;
        self.length = None;
        let block = hpack::encode(fields);
        let mut pieces = block.chunks(MAX_PAYLOAD).peekable();
        let mut kind = kind::HEADERS;
        let mut flags = if body.is_empty() { flag::END_STREAM } else { 0 };
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                flags |= flag::END_HEADERS;
            }
            self.push(kind, flags, self.stream, piece.to_vec());
            (kind, flags) = (kind::CONTINUATION, 0);
        }
        let mut pieces = body.chunks(MAX_PAYLOAD).peekable();
        while let Some(piece) = pieces.next() {
            let length = i64::try_from(piece.len()).unwrap_or(i64::MAX);
            self.frames.flush()?;
            while self.connection_window.min(self.stream_window) < length && !self.ended {
                self.wait_for_room()?;
            }
            self.connection_window -= length;
            self.stream_window -= length;
            let flags = match pieces.peek() {
                Some(_) => 0,
                None => flag::END_STREAM,
            };
            self.push(kind::DATA, flags, self.stream, piece.to_vec());
        }
        self.frames.flush()
    }

    /// The fields of the answer, the status first. Interim ones are passed over.
    ///
    /// # Errors
    /// There is no answer, or none as RFC 9113 has it.
    pub fn head(&mut self) -> Result<(u16, Vec<Field>), Error> {
        for _ in 0..=MOST_INTERIM {
            if self.ended {
                break;
            }
            let Event::Headers(fields) = self.event()? else {
                return Err(Error::malformed("a body without a header"));
            };
            let status = status(&fields)?;
            if !(100..200).contains(&status) {
                let said = crate::value(&fields, "content-length");
                self.length = said.map(length).transpose()?;
                return Ok((status, fields));
            }
        }
        Err(Error::malformed("interim answers without a final one"))
    }

    /// The next piece of the body; `None`: it has ended.
    ///
    /// # Errors
    /// The body breaks off, or is none as RFC 9113 has it.
    pub fn data(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.ended {
            return Ok(None);
        }
        match self.event()? {
            Event::Data(piece) => {
                let taken = piece.len() as u64;
                let wrong = || Error::malformed("a body of another length than it should be");
                if let Some(left) = &mut self.length {
                    *left = left.checked_sub(taken).ok_or_else(wrong)?;
                }
                if self.ended && self.length.is_some_and(|left| left > 0) {
                    return Err(wrong());
                }
                Ok(Some(piece))
            }
            Event::Headers(fields) => {
                if !self.ended {
                    return Err(Error::malformed("a header after the body that is no end"));
                }
                if fields.iter().any(|(name, _)| name.starts_with(':')) {
                    return Err(Error::malformed("a pseudo-header after the body"));
                }
                self.trailers = fields;
                Ok(None)
            }
        }
    }

    /// The fields after the body, once that has ended.
    #[must_use]
    pub fn trailers(&self) -> &[Field] {
        &self.trailers
    }

    /// Says that the rest of the answer is not wanted, with the next request.
    fn cancel(&mut self) {
        if !self.ended && self.stream > 0 {
            const CANCEL: u32 = 8;
            let code = CANCEL.to_be_bytes().to_vec();
            self.push(kind::RST_STREAM, 0, self.stream, code);
        }
    }

    fn push(&mut self, kind: u8, flags: u8, stream: u32, payload: Vec<u8>) {
        self.frames.push(&Frame::new(kind, flags, stream, payload));
    }

    /// Reads until the server takes more, or says something that ends the request.
    fn wait_for_room(&mut self) -> Result<(), Error> {
        let frame = self.frames.next()?;
        match self.take(frame)? {
            None => Ok(()),
            Some(_) => Err(Error::Server(
                "an answer came before all was asked".to_owned(),
            )),
        }
    }

    /// Waits for something of the answer.
    fn event(&mut self) -> Result<Event, Error> {
        loop {
            let frame = self.frames.next()?;
            if let Some(event) = self.take(frame)? {
                return Ok(event);
            }
        }
    }

    /// Does what a frame asks for, and says what it brings of the answer.
    fn take(&mut self, frame: Frame) -> Result<Option<Event>, Error> {
        let event = match frame.kind {
            kind::DATA => self.take_data(&frame)?,
            kind::HEADERS => self.take_headers(&frame)?,
            _ => {
                self.take_other(&frame)?;
                None
            }
        };
        // What cannot be sent is no matter while something can be read: the server may have gone after its answer.
        let _ = self.frames.flush();
        if event.is_none() {
            self.idle += 1;
            if self.idle > MOST_IDLE {
                return Err(Error::malformed(format!(
                    "more than {MOST_IDLE} frames that bring nothing"
                )));
            }
        }
        Ok(event)
    }

    /// Whether a frame is of the answer; not, if it is of one that is not wanted any more.
    fn is_wanted(&self, frame: &Frame) -> Result<bool, Error> {
        if frame.stream == 0 || frame.stream > self.stream || frame.stream.is_multiple_of(2) {
            let what = format!("a frame of stream {}", frame.stream);
            return Err(Error::malformed(what));
        }
        if frame.stream < self.stream {
            return Ok(false);
        }
        if self.ended {
            return Err(Error::malformed("a frame after the end of the answer"));
        }
        Ok(true)
    }

    fn take_data(&mut self, frame: &Frame) -> Result<Option<Event>, Error> {
        let wanted = self.is_wanted(frame)?;
        let content = frame.content()?.to_vec();
        let length = i64::try_from(frame.payload.len()).unwrap_or(i64::MAX);
        self.connection_room -= length;
        if wanted {
            self.stream_room -= length;
            self.ended = frame.has(flag::END_STREAM);
        }
        if self.connection_room < 0 || self.stream_room < 0 {
            return Err(Error::malformed("more bytes than were asked for"));
        }
        if self.connection_room < WINDOW / 2 {
            let more = WINDOW - self.connection_room;
            self.connection_room = WINDOW;
            self.more(0, more);
        }
        if wanted && !self.ended && self.stream_room < WINDOW / 2 {
            let more = WINDOW - self.stream_room;
            self.stream_room = WINDOW;
            self.more(self.stream, more);
        }
        Ok((wanted && (self.ended || !content.is_empty())).then_some(Event::Data(content)))
    }

    /// Says that more may come.
    fn more(&mut self, stream: u32, bytes: i64) {
        let bytes = u32::try_from(bytes).unwrap_or_default();
        let bytes = bytes.to_be_bytes().to_vec();
        self.push(kind::WINDOW_UPDATE, 0, stream, bytes);
    }

    fn take_headers(&mut self, frame: &Frame) -> Result<Option<Event>, Error> {
        let wanted = self.is_wanted(frame)?;
        let mut block = frame.content()?.to_vec();
        let mut whole = frame.has(flag::END_HEADERS);
        for _ in 0..MOST_CONTINUATIONS {
            if whole || block.len() > hpack::MAX_LIST {
                break;
            }
            let next = self.frames.next()?;
            if next.kind != kind::CONTINUATION || next.stream != frame.stream {
                return Err(Error::malformed("a header that is not continued"));
            }
            block.extend_from_slice(&next.payload);
            whole = next.has(flag::END_HEADERS);
        }
        if !whole || block.len() > hpack::MAX_LIST {
            let max = hpack::MAX_LIST / 1024;
            return Err(Error::malformed(format!(
                "a header of more than {max} KiB or {MOST_CONTINUATIONS} frames"
            )));
        }
        let fields = hpack::decode(&block)?;
        if !wanted {
            return Ok(None);
        }
        well_formed(&fields)?;
        self.ended = frame.has(flag::END_STREAM);
        Ok(Some(Event::Headers(fields)))
    }

    /// Frames that are of no answer.
    fn take_other(&mut self, frame: &Frame) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::malformed(what));
        match (frame.kind, frame.payload.len()) {
            (kind::SETTINGS | kind::PING | kind::GOAWAY, _) if frame.stream != 0 => {
                wrong("a frame of the connection on a stream")
            }
            (kind::SETTINGS, length) if frame.has(flag::ACK) => match length {
                0 => Ok(()),
                _ => wrong("settings where there are none"),
            },
            (kind::SETTINGS, _) => self.take_settings(&frame.payload),
            (kind::PING, 8) if frame.has(flag::ACK) => wrong("an answer to no ping"),
            (kind::PING, 8) => {
                self.push(kind::PING, flag::ACK, 0, frame.payload.clone());
                Ok(())
            }
            (kind::PING, _) => wrong("a ping of another length"),
            (kind::GOAWAY, _) => self.take_leave(&frame.payload),
            (kind::RST_STREAM, 4) => {
                if frame.stream == self.stream && self.ended {
                    return Ok(());
                }
                if !self.is_wanted(frame)? {
                    return Ok(());
                }
                let name = error::name(number(&frame.payload));
                Err(Error::Server(format!(
                    "the server resets the request: {name}"
                )))
            }
            (kind::RST_STREAM, _) => wrong("a reset of another length"),
            (kind::WINDOW_UPDATE, 4) => self.take_window(frame),
            (kind::WINDOW_UPDATE, _) => wrong("a window of another length"),
            (kind::PRIORITY, 5) => Ok(()),
            (kind::PRIORITY, _) => wrong("a priority of another length"),
            (kind::PUSH_PROMISE, _) => wrong("a push, which was not allowed"),
            (kind::CONTINUATION, _) => wrong("a continuation of nothing"),
            // What is unknown is passed over (section 5.5).
            _ => Ok(()),
        }
    }

    fn take_settings(&mut self, payload: &[u8]) -> Result<(), Error> {
        if let Some(window) = settings::initial_window(payload)? {
            self.stream_window += window - self.initial_window;
            self.initial_window = window;
        }
        self.push(kind::SETTINGS, flag::ACK, 0, Vec::new());
        Ok(())
    }

    fn take_window(&mut self, frame: &Frame) -> Result<(), Error> {
        let more = i64::from(number(&frame.payload) & 0x7fff_ffff);
        let window = match frame.stream {
            0 => &mut self.connection_window,
            stream if stream == self.stream => &mut self.stream_window,
            // Of a request before, or of none.
            _ => return self.is_wanted(frame).map(drop),
        };
        *window += more;
        if more == 0 || *window > MAX_WINDOW {
            return Err(Error::malformed("a window that cannot be"));
        }
        Ok(())
    }

    fn take_leave(&mut self, payload: &[u8]) -> Result<(), Error> {
        let Some((start, said)) = payload.split_at_checked(8) else {
            return Err(Error::malformed("a goodbye that is cut off"));
        };
        let (last, code) = start.split_at(4);
        let (last, code) = (number(last) & 0x7fff_ffff, number(code));
        self.leaving = true;
        if code == 0 && (self.ended || last >= self.stream) {
            return Ok(());
        }
        let name = error::name(code);
        let said = &said[..said.len().min(80)];
        let said = match said {
            [] => String::new(),
            said => format!(", \"{}\"", said.escape_ascii()),
        };
        let reason = format!("the server ends the connection: {name}{said}");
        Err(match code {
            0 => Error::Gone(reason),
            _ => Error::Server(reason),
        })
    }
}

/// Four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |it| u32::from_be_bytes(*it))
}

/// Whether fields are such as HTTP/2 has them (sections 8.2 and 8.3).
fn well_formed(fields: &[Field]) -> Result<(), Error> {
    let mut regular = false;
    for (name, value) in fields {
        let pseudo = name.starts_with(':');
        let rest = name.strip_prefix(':').unwrap_or(name);
        let right =
            |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && byte != b':';
        if rest.is_empty() || !rest.bytes().all(right) || (pseudo && (regular || name != ":status"))
        {
            let name = name.escape_default();
            return Err(Error::malformed(format!("the header \"{name}\"")));
        }
        if value.contains(['\0', '\r', '\n']) {
            return Err(Error::malformed(format!("the value of the header {name}")));
        }
        regular |= !pseudo;
    }
    Ok(())
}

/// Three digits, once.
fn status(fields: &[Field]) -> Result<u16, Error> {
    let mut all = fields.iter().filter(|(name, _)| name == ":status");
    let (first, others) = (all.next(), all.next());
    first
        .filter(|(_, value)| others.is_none() && value.len() == 3)
        .and_then(|(_, value)| value.parse().ok())
        .filter(|status| (100..=999).contains(status))
        .ok_or_else(|| Error::malformed("no status"))
}

/// Digits only.
fn length(text: &str) -> Result<u64, Error> {
    let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let length = text.parse().ok().filter(|_| digits);
    length.ok_or_else(|| Error::malformed("invalid Content-Length"))
}
