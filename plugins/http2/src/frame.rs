//! Frames (RFC 9113, sections 4 and 6).

use crate::error::Error;

/// Bytes before a frame's payload.
pub(crate) const HEADER: usize = 9;
/// The most bytes of a payload, until a peer says that it takes more.
pub(crate) const MAX_PAYLOAD: usize = 16_384;

/// The kinds of frames.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Flags, each of some kinds of frames.
pub(crate) mod flag {
    /// Of SETTINGS and PING.
    pub(crate) const ACK: u8 = 1;
    /// Of DATA and HEADERS.
    pub(crate) const END_STREAM: u8 = 1;
    /// Of HEADERS and CONTINUATION.
    pub(crate) const END_HEADERS: u8 = 4;
    /// Of DATA and HEADERS.
    pub(crate) const PADDED: u8 = 8;
    /// Of HEADERS.
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// 0: the connection as a whole.
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: Vec<u8>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload,
        }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Appends its bytes. Its payload has [`MAX_PAYLOAD`] bytes at most.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        to.extend_from_slice(&length.to_be_bytes()[1..]);
        to.extend_from_slice(&[self.kind, self.flags]);
        to.extend_from_slice(&self.stream.to_be_bytes());
        to.extend_from_slice(&self.payload);
    }

    /// The payload without padding, and in HEADERS without the priority.
    pub(crate) fn content(&self) -> Result<&[u8], Error> {
        let mut rest = &self.payload[..];
        let mut padding = 0;
        if self.has(flag::PADDED) {
            let (first, others) = rest
                .split_first()
                .ok_or_else(|| Error::malformed("padding that is missing"))?;
            (padding, rest) = (usize::from(*first), others);
        }
        if self.kind == kind::HEADERS && self.has(flag::PRIORITY) {
            rest = rest
                .get(5..)
                .ok_or_else(|| Error::malformed("a priority that is too short"))?;
        }
        let length = rest.len().checked_sub(padding);
        length
            .and_then(|length| rest.get(..length))
            .ok_or_else(|| Error::malformed("padding that is longer than its frame"))
    }
}

/// What a frame begins with: the length of its payload, and itself without that.
pub(crate) fn header(bytes: [u8; HEADER]) -> (usize, Frame) {
    let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = bytes;
    let length = usize::from(l1) << 16 | usize::from(l2) << 8 | usize::from(l3);
    // The first bit means nothing (RFC 9113, section 4.1).
    let stream = u32::from_be_bytes([s1, s2, s3, s4]) & 0x7fff_ffff;
    (length, Frame::new(kind, flags, stream, Vec::new()))
}
