//! The code of Huffman's for strings (RFC 7541, section 5.2 and appendix B).

use crate::error::Error;

/// Bits of each byte's code, and at last those of the end of a string. With them the codes are given: shorter ones come
/// first, and among those of a length the one of the smaller byte.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
/// The end of a string, which never stands in one.
const END: u16 = 256;
/// Bits of the longest code.
const LONGEST: usize = 30;

/// The codes, by their length.
#[derive(Debug)]
pub(crate) struct Huffman {
    /// Of each length, the first code and how many there are.
    lengths: [(u32, u32); LONGEST + 1],
    /// What they stand for, in the order of the codes.
    symbols: Vec<u16>,
}

impl Huffman {
    pub(crate) fn new() -> Self {
        let mut lengths = [(0, 0); LONGEST + 1];
        let mut symbols = Vec::with_capacity(LENGTHS.len());
        let mut code = 0;
        for (length, range) in lengths.iter_mut().enumerate() {
            let first = code << 1;
            for (symbol, _) in (0..).zip(LENGTHS).filter(|it| usize::from(it.1) == length) {
                symbols.push(symbol);
                range.1 += 1;
            }
            range.0 = first;
            code = first + range.1;
        }
        Self { lengths, symbols }
    }

    /// The bytes that are meant, `max` at most.
    pub(crate) fn decode(&self, bytes: &[u8], max: usize) -> Result<Vec<u8>, Error> {
        let wrong = || Error::malformed("a header with a wrong Huffman code");
        let mut decoded = Vec::new();
        let mut code = 0;
        let mut length = 0;
        // Where the codes of this length begin among the symbols.
        let mut base = 0;
        for bit in bytes
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1)))
        {
            code = code << 1 | bit;
            length += 1;
            let (first, count) = *self.lengths.get(length).ok_or_else(wrong)?;
            if code >= first && code - first < count {
                let at = usize::try_from(base + (code - first)).map_err(|_| wrong())?;
                let symbol = *self.symbols.get(at).ok_or_else(wrong)?;
                if symbol == END || decoded.len() == max {
                    return Err(wrong());
                }
                decoded.push(u8::try_from(symbol).map_err(|_| wrong())?);
                (code, length, base) = (0, 0, 0);
            } else {
                base += count;
            }
        }
        // What fills the last byte are the first bits of the end's code, which are all set.
        let filled = length < 8 && code == (1 << length) - 1;
        if filled { Ok(decoded) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Option<String> {
        let text = Huffman::new().decode(bytes, 1000).ok()?;
        Some(String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_code_is_complete() {
        let sum: f64 = LENGTHS.iter().map(|it| (-f64::from(*it)).exp2()).sum();
        assert!((sum - 1.0).abs() < f64::EPSILON, "{sum}");
        assert_eq!(Huffman::new().symbols.len(), 257);
    }

    #[test]
    fn the_examples_of_rfc_7541_are_understood() {
        // Appendices C.4.1, C.4.2 and C.6.1.
        let host = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(decoded(&host).as_deref(), Some("www.example.com"));
        let no_cache = [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        assert_eq!(decoded(&no_cache).as_deref(), Some("no-cache"));
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b,
            0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(
            decoded(&date).as_deref(),
            Some("Mon, 21 Oct 2013 20:13:21 GMT")
        );
        assert_eq!(decoded(&[]).as_deref(), Some(""));
    }

    #[test]
    fn a_string_that_does_not_end_as_it_should_is_refused() {
        // More than seven bits, bits that are not set, the end itself, and more than wanted.
        for bytes in [&[0xff][..], &[0x18], &[0xff; 4]] {
            assert_eq!(decoded(bytes), None, "{bytes:x?}");
        }
        assert!(Huffman::new().decode(&[0x1f; 100], 10).is_err());
    }
}
