//! What the kernel's error numbers mean.

use std::io;

use crate::error::{Error, Reason};

/// What a call was about, on which the meaning of an error's number depends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    Service,
    Destination,
    Other,
}

/// The error that an error number means for what was done to `subject`.
pub(crate) fn failed(what: &str, error: io::Error, subject: Subject) -> Error {
    let reason = match (error.raw_os_error(), subject) {
        (Some(libc::EPERM), _) => Reason::NotPermitted,
        (Some(libc::EEXIST), _) => Reason::Exists,
        (Some(libc::ESRCH), Subject::Service | Subject::Destination) => Reason::NoService,
        (Some(libc::ENOENT), Subject::Destination) => Reason::NoDestination,
        (Some(libc::ENOENT), Subject::Service) => {
            Reason::NoModule("there is no such scheduler or persistence engine".to_owned())
        }
        (Some(libc::EAGAIN | libc::ENOBUFS) | None, _) => {
            return Error::Io {
                what: what.to_owned(),
                source: error,
            };
        }
        _ => Reason::Other(error),
    };
    Error::Refused {
        what: what.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_errors_are_said_in_words() {
        let words = |number, subject| {
            failed("x", io::Error::from_raw_os_error(number), subject).to_string()
        };
        assert_eq!(
            words(libc::EEXIST, Subject::Service),
            "x: it is there already"
        );
        assert_eq!(
            words(libc::ESRCH, Subject::Destination),
            "x: there is no such service"
        );
        assert_eq!(
            words(libc::ENOENT, Subject::Destination),
            "x: the service has no such destination"
        );
        assert!(words(libc::ENOENT, Subject::Service).contains("scheduler"));
        assert!(words(libc::EPERM, Subject::Other).contains("CAP_NET_ADMIN"));
    }
}
