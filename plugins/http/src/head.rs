//! The first part of an answer: status and header fields (RFC 9112, sections 4 to 6).

use std::io::Read;

use evenkeel_sdk::CheckError;
use httparse::{Header, Status};

use crate::framing::Framing;
use crate::method::Method;
use crate::wire::Wire;

/// The most bytes of status line and header fields.
const MAX_HEAD: usize = 64 * 1024;
/// The most header fields.
const MAX_FIELDS: usize = 256;
/// The most interim answers (1xx) before the one that counts.
const MAX_INTERIM: usize = 16;

/// What an answer begins with, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Where the body ends, with HTTP/1.1.
    pub(crate) framing: Framing,
    /// The Location header (RFC 9110, section 10.2.2).
    pub(crate) location: Option<String>,
    /// Whether another request may follow on the connection.
    pub(crate) keep: bool,
}

/// Reads up to the body of the answer that counts, passing over interim ones.
pub(crate) fn read(wire: &mut Wire<impl Read>, method: Method) -> Result<Head, CheckError> {
    for _ in 0..=MAX_INTERIM {
        let length = arrive(wire)?;
        let mut head = parse(&wire.buffered()[..length])?;
        wire.consume(length);
        // 101 ends HTTP/1.1 on this connection, so that nothing else would follow.
        if head.status == 101 || !(100..200).contains(&head.status) {
            if method == Method::Head {
                head.framing = Framing::Length(0);
            }
            return Ok(head);
        }
    }
    Err(CheckError::new(format!(
        "more than {MAX_INTERIM} interim answers"
    )))
}

/// Waits until the buffer begins with a whole head, and says how long that is.
///
/// It is parsed only then, so that a server which sends single bytes does not cost a parse for each.
fn arrive(wire: &mut Wire<impl Read>) -> Result<usize, CheckError> {
    let mut searched = 0;
    loop {
        let bytes = wire.buffered();
        if !begins_like_http(bytes) {
            return Err(CheckError::new("the answer is not HTTP/1"));
        }
        if let Some(length) = end(bytes, searched) {
            return if length > MAX_HEAD {
                Err(too_long())
            } else {
                Ok(length)
            };
        }
        if bytes.len() > MAX_HEAD {
            return Err(too_long());
        }
        searched = bytes.len();
        if !wire.more()? {
            let reason = match wire.buffered() {
                [] => "closed without an answer",
                _ => "closed in the middle of the header",
            };
            return Err(CheckError::new(reason));
        }
    }
}

fn too_long() -> CheckError {
    CheckError::new(format!("header longer than {} KiB", MAX_HEAD / 1024))
}

/// Where the empty line ends that ends a head. The first `searched` bytes have none that is whole.
fn end(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let mut newlines = memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| from + at);
    // A single line feed ends a line as well (RFC 9112, section 2.2).
    newlines.find_map(|at| match bytes.get(at + 1..) {
        Some([b'\n', ..]) => Some(at + 2),
        Some([b'\r', b'\n', ..]) => Some(at + 3),
        _ => None,
    })
}

/// Whether the bytes that are there could be the beginning of an answer.
fn begins_like_http(bytes: &[u8]) -> bool {
    let wanted = b"HTTP/1.";
    // Empty lines before a message are passed over by the parser.
    let bytes = bytes.trim_ascii_start();
    let length = bytes.len().min(wanted.len());
    bytes[..length] == wanted[..length]
}

fn parse(bytes: &[u8]) -> Result<Head, CheckError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response
        .parse(bytes)
        .map_err(|error| CheckError::new(format!("malformed answer: {error}")))?;
    let (Status::Complete(_), Some(status), Some(version)) =
        (parsed, response.code, response.version)
    else {
        return Err(CheckError::new("malformed answer: incomplete header"));
    };
    let closes = values(response.headers, "connection").any(|it| it.eq_ignore_ascii_case(b"close"));
    let location = response
        .headers
        .iter()
        .find(|it| it.name.eq_ignore_ascii_case("location"));
    Ok(Head {
        status,
        framing: framing(status, version, response.headers)?,
        location: location.map(|it| String::from_utf8_lossy(it.value).into_owned()),
        keep: version == 1 && status != 101 && !closes,
    })
}

/// RFC 9112, section 6.3, for the answer to a GET. (One to HEAD has no body.)
fn framing(status: u16, version: u8, fields: &[Header<'_>]) -> Result<Framing, CheckError> {
    if status < 200 || status == 204 || status == 304 {
        return Ok(Framing::Length(0));
    }
    let codings: Vec<&[u8]> = values(fields, "transfer-encoding").collect();
    if let Some(last) = codings.last() {
        if version == 0 {
            return Err(CheckError::new(
                "malformed answer: Transfer-Encoding with HTTP/1.0",
            ));
        }
        let chunked = last.eq_ignore_ascii_case(b"chunked");
        return Ok(if chunked {
            Framing::Chunked
        } else {
            Framing::Close
        });
    }
    let mut length = None;
    for value in values(fields, "content-length") {
        let said = number(value)
            .filter(|said| length.is_none_or(|known| known == *said))
            .ok_or_else(|| CheckError::new("malformed answer: invalid Content-Length"))?;
        length = Some(said);
    }
    Ok(length.map_or(Framing::Close, Framing::Length))
}

/// The parts of all fields of that name, which are lists with commas.
fn values<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .flat_map(|field| field.value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

/// Digits only (`parse` alone would take a sign).
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
