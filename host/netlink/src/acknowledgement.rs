//! What the kernel thinks of a request (`NLMSG_ERROR`, and the end of a dump, `NLMSG_DONE`; `linux/netlink.h`).

use std::{fmt, io};

use netlink_bindings::utils::find_attr;

/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// The error's number and the header of the request, after which come attributes.
const HEAD: usize = 20;
/// `NLMSGERR_ATTR_MSG`.
const WORDS: u16 = 1;

/// A request that has not been carried out.
#[derive(Debug)]
pub struct Refused {
    /// With the kernel's number.
    pub error: io::Error,
    /// What else the kernel says, if anything.
    pub words: Option<String>,
}

impl Refused {
    /// The error, with the kernel's words after it where there are any; then it has no number any more, only its kind.
    #[must_use]
    pub fn with_words(self) -> io::Error {
        match &self.words {
            Some(_) => io::Error::new(self.error.kind(), self.to_string()),
            None => self.error,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.words {
            Some(words) => write!(f, "{}: {words}", self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

/// What a message of type `NLMSG_ERROR` or `NLMSG_DONE` says; `payload` is what comes after its header.
///
/// # Errors
/// [`Refused`].
pub fn acknowledged(kind: u16, payload: &[u8]) -> Result<(), Refused> {
    let code = payload
        .first_chunk()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 {
        return Ok(());
    }
    let words = payload
        .get(HEAD..)
        .filter(|_| kind == ERROR)
        .and_then(|attributes| find_attr(attributes, WORDS))
        .map(text);
    Err(Refused {
        error: io::Error::from_raw_os_error(code.wrapping_neg()),
        words,
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

    const DONE: u16 = 3;

    /// An acknowledgement with an attribute.
    fn answer(code: i32, words: &[u8]) -> Vec<u8> {
        let len = u16::try_from(4 + words.len()).unwrap();
        [
            &code.to_ne_bytes(),
            &[0; 16][..],
            &len.to_ne_bytes(),
            &WORDS.to_ne_bytes(),
            words,
        ]
        .concat()
    }

    #[test]
    fn zero_is_no_refusal() {
        assert!(acknowledged(ERROR, &answer(0, b"")).is_ok());
        assert!(acknowledged(DONE, &[]).is_ok());
    }

    #[test]
    fn a_refusal_has_the_kernels_number_and_its_words() {
        let refused = acknowledged(ERROR, &answer(-libc::ENOENT, b"no such chain\0")).unwrap_err();
        assert_eq!(refused.error.raw_os_error(), Some(libc::ENOENT));
        assert_eq!(refused.words.as_deref(), Some("no such chain"));
        assert_eq!(
            refused.with_words().to_string(),
            "No such file or directory (os error 2): no such chain"
        );
    }

    #[test]
    fn without_words_the_number_stays() {
        let refused = acknowledged(DONE, &(-libc::EINTR).to_ne_bytes()).unwrap_err();
        assert_eq!(refused.words, None);
        assert_eq!(refused.with_words().raw_os_error(), Some(libc::EINTR));
    }

    #[test]
    fn cut_off_answers_are_harmless() {
        let whole = answer(-libc::ENOENT, b"words\0");
        for len in 0..whole.len() {
            let _ = acknowledged(ERROR, whole.get(..len).unwrap());
        }
        assert!(
            acknowledged(ERROR, &[1, 2]).is_ok(),
            "no number, no refusal"
        );
    }
}
