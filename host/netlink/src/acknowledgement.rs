//! What the kernel thinks of a request (`NLMSG_ERROR`, and the end of a dump, `NLMSG_DONE`; `linux/netlink.h`).

use std::{fmt, io};

use crate::attribute::find;
use crate::message::control::ERROR;

/// The error's number and the header of the request, after which come attributes.
const HEAD: usize = 20;
/// `NLMSGERR_ATTR_MSG`.
const MESSAGE: u16 = 1;

/// Why a request has not been carried out: the kernel refused it, or the socket failed.
#[derive(Debug)]
pub struct RequestError {
    /// With the kernel's number.
    pub error: io::Error,
    /// The kernel's message about it, if there is one.
    pub message: Option<String>,
}

impl RequestError {
    /// The error, with the kernel's message after it where there is one; then it has no number any more, only its kind.
    #[must_use]
    pub fn with_message(self) -> io::Error {
        match &self.message {
            Some(_) => io::Error::new(self.error.kind(), self.to_string()),
            None => self.error,
        }
    }
}

impl From<io::Error> for RequestError {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            message: None,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{}: {message}", self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

/// What a message of type `NLMSG_ERROR` or `NLMSG_DONE` says; `payload` is what comes after its header.
///
/// # Errors
/// [`RequestError`], unless the number is 0.
pub fn acknowledged(kind: u16, payload: &[u8]) -> Result<(), RequestError> {
    let code = payload
        .first_chunk()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 {
        return Ok(());
    }
    let message = payload
        .get(HEAD..)
        .filter(|_| kind == ERROR)
        .and_then(|attributes| find(attributes, MESSAGE))
        .map(text);
    Err(RequestError {
        error: io::Error::from_raw_os_error(code.wrapping_neg()),
        message,
    })
}

/// With or without the zero at its end.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default())
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::control::DONE;

    /// An acknowledgement with an attribute.
    fn answer(code: i32, message: &[u8]) -> Vec<u8> {
        let len = u16::try_from(4 + message.len()).unwrap();
        [
            &code.to_ne_bytes(),
            &[0; 16][..],
            &len.to_ne_bytes(),
            &MESSAGE.to_ne_bytes(),
            message,
        ]
        .concat()
    }

    #[test]
    fn zero_is_no_refusal() {
        assert!(acknowledged(ERROR, &answer(0, b"")).is_ok());
        assert!(acknowledged(DONE, &[]).is_ok());
    }

    #[test]
    fn a_refusal_has_the_kernels_number_and_its_message() {
        let refused = acknowledged(ERROR, &answer(-libc::ENOENT, b"no such chain\0")).unwrap_err();
        assert_eq!(refused.error.raw_os_error(), Some(libc::ENOENT));
        assert_eq!(refused.message.as_deref(), Some("no such chain"));
        assert_eq!(
            refused.with_message().to_string(),
            "No such file or directory (os error 2): no such chain"
        );
    }

    #[test]
    fn without_a_message_the_number_stays() {
        let refused = acknowledged(DONE, &(-libc::EINTR).to_ne_bytes()).unwrap_err();
        assert_eq!(refused.message, None);
        assert_eq!(refused.with_message().raw_os_error(), Some(libc::EINTR));
    }

    #[test]
    fn cut_off_answers_are_harmless() {
        let whole = answer(-libc::ENOENT, b"message\0");
        for len in 0..whole.len() {
            let _ = acknowledged(ERROR, whole.get(..len).unwrap());
        }
        assert!(
            acknowledged(ERROR, &[1, 2]).is_ok(),
            "no number, no refusal"
        );
    }
}
