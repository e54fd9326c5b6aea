//! The part of BER that LDAP uses (RFC 4511, section 5.1): tags of a byte, definite lengths.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;

/// An element: its tag, its length, and what is in it.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let mut element = vec![tag];
    match length {
        [.., last] if content.len() < 0x80 => element.push(last),
        _ => {
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            let digits = length.get(zeros..).unwrap_or_default();
            element.extend(u8::try_from(digits.len()).map(|count| 0x80 | count));
            element.extend(digits);
        }
    }
    element.extend(content);
    element
}

/// A length, from its first byte and those that follow.
pub(crate) enum Length {
    Is(usize),
    /// So many bytes follow that have it.
    Follows(usize),
}

impl Length {
    /// `None`: none that LDAP allows, or more than four bytes.
    pub(crate) fn of(first: u8) -> Option<Self> {
        match first {
            0..=0x7f => Some(Self::Is(first.into())),
            // Some servers always use four.
            0x81..=0x84 => Some(Self::Follows((first & 0x7f).into())),
            _ => None,
        }
    }
}

/// The number that these bytes are, the highest first; four at most.
pub(crate) fn number(bytes: &[u8]) -> Option<usize> {
    let fits = (1..=4).contains(&bytes.len());
    let number = bytes
        .iter()
        .fold(0, |sum: u32, byte| sum << 8 | u32::from(*byte));
    usize::try_from(number).ok().filter(|_| fits)
}

/// Takes the next element: its tag and what is in it.
pub(crate) fn next<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, after) = rest.split_first()?;
    let (&first, mut after) = after.split_first()?;
    let length = match Length::of(first)? {
        Length::Is(length) => length,
        Length::Follows(count) => {
            let (digits, behind) = after.split_at_checked(count)?;
            after = behind;
            number(digits)?
        }
    };
    let (content, behind) = after.split_at_checked(length)?;
    *rest = behind;
    Some((tag, content))
}

/// Takes the next element, if it has this tag.
pub(crate) fn expect<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    next(rest).filter(|(is, _)| *is == tag).map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        for (length, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
            (65_536, &[4, 0x83, 1, 0, 0]),
        ] {
            let content = vec![b'x'; length];
            let made = element(OCTETS, &[&content]);
            assert!(made.starts_with(head), "{length}");
            let mut rest = &made[..];
            assert_eq!(next(&mut rest), Some((OCTETS, &content[..])), "{length}");
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_length_may_have_zeros_before_it() {
        let mut rest = &b"\x04\x84\0\0\0\x01xy"[..];
        assert_eq!(next(&mut rest), Some((OCTETS, &b"x"[..])));
        assert_eq!(rest, b"y");
    }

    #[test]
    fn what_is_longer_than_there_is_is_no_element() {
        for bytes in [
            &b""[..],
            b"\x04",
            b"\x04\x02x",
            b"\x04\x80x\0\0",
            b"\x04\x82\x01",
            b"\x04\x84\xff\xff\xff\xffx",
            b"\x04\x85\0\0\0\0\x01x",
            b"\x04\xff",
        ] {
            assert_eq!(next(&mut &bytes[..]), None, "{bytes:?}");
        }
        assert_eq!(expect(&mut &b"\x02\x01\x03"[..], OCTETS), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(&[1, 0, 0, 0, 0]), None);
    }
}
