//! What IPVS says as an error of a data plane.

use std::io;

use evenkeel_ipvs::Reason;

use crate::Error;

/// Errors of IPVS as those of a data plane.
pub(super) fn error(error: evenkeel_ipvs::Error) -> Error {
    match error {
        evenkeel_ipvs::Error::Refused { what, reason } => Error::Refused {
            source: match reason {
                Reason::Other(source) => source,
                words => words.to_io(),
            },
            what,
        },
        evenkeel_ipvs::Error::Io { what, source } => Error::Io { what, source },
        evenkeel_ipvs::Error::Absent(why) => Error::Io {
            what: "open IPVS".to_owned(),
            source: io::Error::new(io::ErrorKind::Unsupported, why),
        },
        garbled @ evenkeel_ipvs::Error::Garbled(_) => Error::Garbled(garbled.to_string()),
    }
}
