//! Headers as bytes (HPACK, RFC 7541), without a dynamic table: both sides have been told that it has no room.

use crate::Field;
use crate::error::Error;
use crate::huffman::Huffman;

/// The most bytes of a header's names and values, and 32 more for each field as RFC 9113, section 6.5.2, counts them.
pub(crate) const MAX_LIST: usize = 64 * 1024;
/// The most fields.
const MAX_FIELDS: usize = 256;

/// Appendix A. The first one has the index 1.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Fields as a block. None goes to the server's table, and the values of secret ones are for no table on the way.
pub(crate) fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        let secret = matches!(*name, "authorization" | "cookie");
        // Section 6.2.2 and 6.2.3, with a new name.
        block.push(if secret { 0x10 } else { 0 });
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The length of a string, without Huffman's code (section 5.2).
fn length(length: usize, block: &mut Vec<u8>) {
    const MAX: u8 = 0x7f;
    let Some(mut rest) = length.checked_sub(usize::from(MAX)) else {
        block.push(u8::try_from(length).unwrap_or(MAX));
        return;
    };
    block.push(MAX);
    while rest >= 0x80 {
        block.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    block.push(u8::try_from(rest).unwrap_or_default());
}

/// Reads a block.
pub(crate) fn decode(block: &[u8]) -> Result<Vec<Field>, Error> {
    let mut reader = Reader {
        rest: block,
        huffman: Huffman::new(),
    };
    let mut fields = Vec::new();
    let mut size = 0;
    while let Some(&first) = reader.rest.first() {
        let field = match first {
            0x80.. => {
                let index = reader.number(7)?;
                let (name, value) = fixed(index)?;
                (name.to_owned(), value.to_owned())
            }
            0x20..0x40 if fields.is_empty() => {
                if reader.number(5)? != 0 {
                    return Err(Error::malformed(
                        "a header wants a table, and there is none",
                    ));
                }
                continue;
            }
            0x20..0x40 => return Err(Error::malformed("a table's size among the fields")),
            // With, without and never with an index: there is no table.
            0x40.. => reader.literal(6)?,
            _ => reader.literal(4)?,
        };
        size += field.0.len() + field.1.len() + 32;
        fields.push(field);
        if size > MAX_LIST || fields.len() > MAX_FIELDS {
            return Err(Error::malformed(format!(
                "a header of more than {} KiB or {MAX_FIELDS} fields",
                MAX_LIST / 1024
            )));
        }
    }
    Ok(fields)
}

/// A field of the static table.
fn fixed(index: usize) -> Result<(&'static str, &'static str), Error> {
    let found = index.checked_sub(1).and_then(|at| STATIC.get(at));
    found
        .copied()
        .ok_or_else(|| Error::malformed(format!("a header with the index {index}")))
}

struct Reader<'a> {
    rest: &'a [u8],
    huffman: Huffman,
}

fn cut_off() -> Error {
    Error::malformed("a header that is cut off")
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.rest.split_first().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A whole number that begins with so many bits (section 5.1); 28 bits more at most.
    fn number(&mut self, bits: u32) -> Result<usize, Error> {
        let max = (1_usize << bits) - 1;
        let mut number = usize::from(self.byte()?) & max;
        if number < max {
            return Ok(number);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            number += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Error::malformed("a header with a number that is too great"))
    }

    /// A field whose name may be of the table (section 6.2).
    fn literal(&mut self, bits: u32) -> Result<Field, Error> {
        let name = match self.number(bits)? {
            0 => self.string()?,
            index => fixed(index)?.0.to_owned(),
        };
        Ok((name, self.string()?))
    }

    /// Section 5.2. What is no UTF-8 is replaced.
    fn string(&mut self) -> Result<String, Error> {
        let coded = self.rest.first().is_some_and(|it| it & 0x80 != 0);
        let length = self.number(7)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(if coded {
            let bytes = self.huffman.decode(bytes, MAX_LIST)?;
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Vec<Field> {
        let fields = fields.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_written_can_be_read() {
        let long = "x".repeat(20_000);
        let written = [
            (":method", "GET"),
            ("a", ""),
            ("authorization", "Bearer x"),
            ("b", &"y".repeat(127)),
            ("c", &"y".repeat(255)),
            ("d", long.as_str()),
        ];
        assert_eq!(decode(&encode(&written)).unwrap(), fields(&written));
    }

    #[test]
    fn the_answer_of_rfc_7541_is_read_without_a_table() {
        // Appendix C.6.1: with Huffman's code, and fields that would go to a table.
        let block = [
            0x48, 0x82, 0x64, 0x02, 0x58, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b, 0x61, 0x96, 0xd0,
            0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81,
            0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff, 0x6e, 0x91, 0x9d, 0x29, 0xad, 0x17, 0x18,
            0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82, 0xae, 0x43, 0xd3,
        ];
        let wanted = fields(&[
            (":status", "302"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ]);
        assert_eq!(decode(&block).unwrap(), wanted);
        let sized = [&[0x20][..], &[0x88]].concat();
        assert_eq!(decode(&sized).unwrap(), fields(&[(":status", "200")]));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (block, why) in [
            (&[0x80][..], "the index 0"),
            (&[0xbe], "the index 62"),
            (&[0x3f, 0xe1, 0x1f], "wants a table"),
            (&[0x88, 0x20], "a table's size among the fields"),
            (&[0x00, 0x05, b'a'], "cut off"),
            (&[0x00], "cut off"),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], "too great"),
            (&[0x00, 0xff, 0x80, 0x80, 0x80], "cut off"),
        ] {
            let error = decode(block).unwrap_err().to_string();
            assert!(error.contains(why), "{block:x?}: {error}");
        }
        let error = decode(&[0x88].repeat(257)).unwrap_err().to_string();
        assert!(error.contains("more than 64 KiB or 256 fields"), "{error}");
    }
}
