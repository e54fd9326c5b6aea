//! Asking the server.

use evenkeel_sdk::{CheckError, Dialogue, shown};

use crate::packet::{self, COM_QUERY, Rest};
use crate::refusal::refused;

const READ_ONLY: &str = "read_only";
/// What a list of columns, and one of rows, ends with.
const EOF: u8 = 0xfe;

/// Whether the server says that it is read-only.
pub(crate) fn is_read_only(server: &mut Dialogue) -> Result<bool, CheckError> {
    let mut query = vec![COM_QUERY];
    query.extend(b"SELECT @@global.read_only");
    server.send(packet::packet(0, &query))?;
    // A column, what it is, the end of the columns; a row, the end of the rows.
    if next(server)? != [1] {
        return Err(CheckError::new("read_only: not a result of one column"));
    }
    let _column = next(server)?;
    let end = next(server)?;
    let row = next(server)?;
    if end.first() != Some(&EOF) || row.first() == Some(&EOF) || next(server)?.first() != Some(&EOF)
    {
        return Err(CheckError::new("read_only: not a result of one row"));
    }
    let mut rest = Rest(&row);
    let value = rest.byte().and_then(|length| rest.take(length.into()));
    // MariaDB 12 has words, of which all but OFF are degrees of it.
    match value {
        Some(b"0" | b"OFF") => Ok(false),
        Some(b"1" | b"ON" | b"NO_LOCK" | b"NO_LOCK_NO_ADMIN") => Ok(true),
        _ => Err(CheckError::new(format!(
            "read_only: got {}, which is neither 0 nor 1",
            shown(value.unwrap_or(&row))
        ))),
    }
}

fn next(server: &mut Dialogue) -> Result<Vec<u8>, CheckError> {
    let (_, payload) = packet::read(server, READ_ONLY)?;
    match payload.split_first() {
        Some((&packet::ERR, rest)) => Err(refused(READ_ONLY, rest)),
        _ => Ok(payload),
    }
}
