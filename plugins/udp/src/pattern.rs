//! Bytes of which some digits may be any.

use std::fmt;

/// What an answer begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    written: String,
    /// The bits that count, and what they are.
    bytes: Vec<(u8, u8)>,
}

impl Pattern {
    /// Of hexadecimal digits, two for each byte, with any blanks between them; `x` is any digit.
    pub(crate) fn new(written: &str) -> Result<Self, String> {
        let wrong = || {
            "expect-hex: wanted hexadecimal digits or x, two for each byte, such as \"0a xx 01\""
                .to_owned()
        };
        let digits: Vec<char> = written.chars().filter(|it| !it.is_whitespace()).collect();
        if !digits.len().is_multiple_of(2) {
            return Err(wrong());
        }
        let half = |digit: char| match digit {
            'x' | 'X' => Some((0, 0)),
            digit => Some((0xf, u8::try_from(digit.to_digit(16)?).ok()?)),
        };
        let byte = |pair: &[char]| {
            let (high, low) = (half(*pair.first()?)?, half(*pair.get(1)?)?);
            Some((high.0 << 4 | low.0, high.1 << 4 | low.1))
        };
        let bytes: Option<Vec<_>> = digits.chunks_exact(2).map(byte).collect();
        Ok(Self {
            written: written.to_owned(),
            bytes: bytes.ok_or_else(wrong)?,
        })
    }

    /// Whether it is what these bytes begin with.
    pub(crate) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.bytes.len()
            && bytes
                .iter()
                .zip(&self.bytes)
                .all(|(is, (mask, wanted))| is & mask == *wanted)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_are_left_open_may_be_any() {
        let pattern = Pattern::new("0a x1 XX ff").unwrap();
        assert!(pattern.begins(&[0x0a, 0x31, 7, 0xff, 9]));
        assert!(!pattern.begins(&[0x0a, 0x32, 7, 0xff]));
        assert!(!pattern.begins(&[0x0a, 0x31, 7]), "it is too short");
        assert!(Pattern::new("").unwrap().begins(&[]));
        for wrong in ["0", "0g", "0a f"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }
}
