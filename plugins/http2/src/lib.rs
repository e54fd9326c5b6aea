//! A client of HTTP/2 (RFC 9113) for checkers: one request after the other, over any stream of bytes.
//!
//! It is no plugin, and a part of those that speak HTTP/2. Whatever a server sends, memory is bounded: a frame has 16 KiB,
//! a header 64 KiB and 256 fields, and what brings nothing (pings, settings, empty frames) may come so often.
//!
//! The server is told to keep no table of headers (`SETTINGS_HEADER_TABLE_SIZE` 0), so that no header depends on the ones
//! before it, and to push nothing.

mod connection;
mod error;
mod frame;
mod frames;
mod hpack;
mod huffman;
mod settings;

pub use connection::Http2;
pub use error::Error;

/// A header field: its name, in small letters, and its value.
pub type Field = (String, String);

/// The value of the first field with that name.
#[must_use]
pub fn value<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    let mut fields = fields.iter();
    fields
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests;
