//! Attributes (`struct nlattr`): written into a buffer, and read without trust.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Length and type.
const HEADER: usize = 4;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// `NLA_F_NET_BYTEORDER`.
const NET_BYTEORDER: u16 = 1 << 14;
/// Bytes that a value has at the most: the length of an attribute has 16 bits.
const MAX_VALUE: usize = u16::MAX as usize - HEADER;

/// Appends an attribute. A value that is longer than an attribute can be is cut, which the kernel then refuses.
pub fn put(buf: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = value.get(..MAX_VALUE).unwrap_or(value);
    let start = begin(buf, kind);
    buf.extend_from_slice(value);
    end(buf, start, value.len() + HEADER);
}

/// Appends a number in the machine's byte order.
pub fn put_u32(buf: &mut Vec<u8>, kind: u16, value: u32) {
    put(buf, kind, &value.to_ne_bytes());
}

/// Appends a number in network byte order.
pub fn put_be32(buf: &mut Vec<u8>, kind: u16, value: u32) {
    put(buf, kind, &value.to_be_bytes());
}

/// Appends a text with the NUL that ends it.
pub fn put_text(buf: &mut Vec<u8>, kind: u16, text: &str) {
    put(buf, kind, &[text.as_bytes(), &[0]].concat());
}

/// Appends an address in the 16 bytes of the kernel's `union nf_inet_addr`.
pub fn put_address(buf: &mut Vec<u8>, kind: u16, address: IpAddr) {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes = v6.octets(),
    }
    put(buf, kind, &bytes);
}

/// Appends an attribute that holds what `inner` appends, with `NLA_F_NESTED`.
pub fn nest(buf: &mut Vec<u8>, kind: u16, inner: impl FnOnce(&mut Vec<u8>)) {
    nest_unflagged(buf, kind | NESTED, inner);
}

/// The same without `NLA_F_NESTED`, as nf_tables writes what it dumps.
pub fn nest_unflagged(buf: &mut Vec<u8>, kind: u16, inner: impl FnOnce(&mut Vec<u8>)) {
    let start = begin(buf, kind);
    inner(buf);
    end(buf, start, buf.len() - start);
}

/// Appends a header whose length is not known yet. Returns where it is.
fn begin(buf: &mut Vec<u8>, kind: u16) -> usize {
    align(buf);
    let start = buf.len();
    buf.extend_from_slice(&[0; 2]);
    buf.extend_from_slice(&kind.to_ne_bytes());
    start
}

/// Writes the length of the attribute at `start`.
fn end(buf: &mut Vec<u8>, start: usize, len: usize) {
    let len = u16::try_from(len).unwrap_or(u16::MAX);
    if let Some(place) = buf.get_mut(start..start + 2) {
        place.copy_from_slice(&len.to_ne_bytes());
    }
    align(buf);
}

/// Attributes and messages begin at multiples of 4 bytes.
pub(crate) fn align(buf: &mut Vec<u8>) {
    buf.resize(buf.len().next_multiple_of(4), 0);
}

/// The attributes in a buffer, as types (without flags) and values. Ends at the first that is cut off.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Those in `buf`.
    #[must_use]
    pub fn new(buf: &'a [u8]) -> Self {
        Self { rest: buf }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let len = usize::from(get_u16(self.rest)?);
        let kind = get_u16(self.rest.get(2..)?)? & !(NESTED | NET_BYTEORDER);
        let value = self.rest.get(HEADER..len)?;
        self.rest = self.rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// The value of the first attribute of a type.
#[must_use]
pub fn find(buf: &[u8], kind: u16) -> Option<&[u8]> {
    Attributes::new(buf)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

/// The first byte.
#[must_use]
pub fn get_u8(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

/// A number in the machine's byte order, as of all `get_u*`.
#[must_use]
pub fn get_u16(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// A number in network byte order, as of all `get_be*`.
#[must_use]
pub fn get_be16(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// A number of 32 bits.
#[must_use]
pub fn get_u32(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// A number of 32 bits in network byte order.
#[must_use]
pub fn get_be32(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// A number of 64 bits in network byte order.
#[must_use]
pub fn get_be64(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// A number of 64 bits.
#[must_use]
pub fn get_u64(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

/// An IPv4 address: the first 4 bytes.
#[must_use]
pub fn get_v4(value: &[u8]) -> Option<Ipv4Addr> {
    value
        .first_chunk()
        .map(|bytes: &[u8; 4]| Ipv4Addr::from(*bytes))
}

/// An IPv6 address: the first 16 bytes.
#[must_use]
pub fn get_v6(value: &[u8]) -> Option<Ipv6Addr> {
    value
        .first_chunk()
        .map(|bytes: &[u8; 16]| Ipv6Addr::from(*bytes))
}

/// A text, with or without the NUL at its end.
#[must_use]
pub fn get_text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_are_padded_and_nested_with_and_without_the_flag() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, 6, "rr");
        nest(&mut bytes, 1, |buf| put(buf, 2, &[9]));
        nest_unflagged(&mut bytes, 3, |buf| put_be32(buf, 4, 1));
        #[rustfmt::skip]
        let expected = [
            7, 0, 6, 0, b'r', b'r', 0, 0,
            12, 0, 1, 0x80, 5, 0, 2, 0, 9, 0, 0, 0,
            12, 0, 3, 0, 8, 0, 4, 0, 0, 0, 0, 1,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(find(&bytes, 6).and_then(get_text), Some("rr"));
        assert_eq!(find(find(&bytes, 1).unwrap(), 2), Some(&[9][..]));
        assert_eq!(find(&bytes, 7), None);
    }

    #[test]
    fn a_value_that_is_too_long_is_cut() {
        let mut bytes = Vec::new();
        put(&mut bytes, 1, &vec![1; 70_000]);
        put(&mut bytes, 2, &[2]);
        let lens: Vec<_> = Attributes::new(&bytes).map(|(_, it)| it.len()).collect();
        assert_eq!(lens, [MAX_VALUE, 1]);
        let mut nested = Vec::new();
        nest(&mut nested, 1, |buf| {
            put(buf, 2, &vec![1; 60_000]);
            put(buf, 2, &vec![1; 60_000]);
        });
        assert_eq!(find(&nested, 1).unwrap().len(), MAX_VALUE);
    }

    proptest! {
        #[test]
        fn attributes_are_read_back_as_they_were_written(
            all in prop::collection::vec((0..0x3fff_u16, prop::collection::vec(any::<u8>(), 0..40)), 0..10)
        ) {
            let mut bytes = Vec::new();
            for (kind, value) in &all {
                put(&mut bytes, *kind, value);
            }
            let read: Vec<_> = Attributes::new(&bytes).map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(read, all);
        }

        #[test]
        fn no_bytes_panic_or_go_on_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Attributes::new(&bytes).count() <= bytes.len() / HEADER);
            let _ = (get_u8(&bytes), get_u16(&bytes), get_be16(&bytes), get_u32(&bytes), get_be32(&bytes));
            let _ = (get_u64(&bytes), get_v4(&bytes), get_v6(&bytes), get_text(&bytes));
        }
    }
}
