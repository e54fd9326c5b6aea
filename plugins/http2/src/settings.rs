//! What the two sides tell each other about themselves (RFC 9113, section 6.5).

use crate::error::Error;
use crate::frame::{Frame, kind};
use crate::hpack::MAX_LIST;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// The client's.
pub(crate) fn ours() -> Frame {
    let list = u32::try_from(MAX_LIST).unwrap_or(u32::MAX);
    let settings = [
        (HEADER_TABLE_SIZE, 0),
        (ENABLE_PUSH, 0),
        (MAX_HEADER_LIST_SIZE, list),
    ];
    let mut payload = Vec::new();
    for (setting, value) in settings {
        payload.extend_from_slice(&setting.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    Frame::new(kind::SETTINGS, 0, 0, payload)
}

/// How many bytes the server takes of a stream at first, if it says so: the one of its settings that matters here, since
/// frames are never longer than the shortest limit and requests come one after the other.
pub(crate) fn initial_window(payload: &[u8]) -> Result<Option<i64>, Error> {
    let (settings, []) = payload.as_chunks::<6>() else {
        return Err(Error::malformed("settings that are cut off"));
    };
    let mut window = None;
    for &[s1, s2, v1, v2, v3, v4] in settings {
        let value = u32::from_be_bytes([v1, v2, v3, v4]);
        match u16::from_be_bytes([s1, s2]) {
            INITIAL_WINDOW_SIZE if value > 0x7fff_ffff => {
                return Err(Error::malformed(format!("a window of {value} bytes")));
            }
            INITIAL_WINDOW_SIZE => window = Some(i64::from(value)),
            MAX_FRAME_SIZE if !(16_384..=16_777_215).contains(&value) => {
                return Err(Error::malformed(format!("frames of {value} bytes")));
            }
            _ => {}
        }
    }
    Ok(window)
}
