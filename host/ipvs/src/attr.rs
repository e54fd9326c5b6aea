//! Attributes: written into a buffer, and read without trust.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_bindings::utils;

use crate::service::Family;

/// The longest value that is written: all are names and numbers.
const LONGEST: usize = 4096;

/// Appends an attribute. A value of absurd length is cut, which the kernel then refuses.
pub(crate) fn put(buf: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = value.get(..LONGEST).unwrap_or(value);
    utils::push_header(buf, kind, u16::try_from(value.len()).unwrap_or(0));
    buf.extend_from_slice(value);
    utils::align(buf);
}

/// Appends a text with the NUL that ends it.
pub(crate) fn put_text(buf: &mut Vec<u8>, kind: u16, text: &str) {
    put(buf, kind, &[text.as_bytes(), &[0]].concat());
}

/// Appends an address in the 16 bytes of the kernel's `union nf_inet_addr`.
pub(crate) fn put_address(buf: &mut Vec<u8>, kind: u16, address: IpAddr) {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes = v6.octets(),
    }
    put(buf, kind, &bytes);
}

/// Appends an attribute that holds attributes.
pub(crate) fn nest(buf: &mut Vec<u8>, kind: u16, inner: impl FnOnce(&mut Vec<u8>)) {
    let at = utils::push_nested_header(buf, kind);
    inner(buf);
    utils::finalize_nested_header(buf, at);
}

/// The attributes in a buffer. Ends at the first that is cut off.
pub(crate) fn each(buf: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    utils::IterableChunks::new(buf).map(|(header, value)| (header.r#type, value))
}

pub(crate) fn find(buf: &[u8], kind: u16) -> Option<&[u8]> {
    each(buf)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

pub(crate) fn get_u8(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

pub(crate) fn get_u16(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// A number in network byte order.
pub(crate) fn get_be16(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

pub(crate) fn get_u32(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

pub(crate) fn get_u64(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

pub(crate) fn get_address(value: &[u8], family: Family) -> Option<IpAddr> {
    match family {
        Family::V4 => value
            .first_chunk()
            .map(|bytes: &[u8; 4]| Ipv4Addr::from(*bytes).into()),
        Family::V6 => value
            .first_chunk()
            .map(|bytes: &[u8; 16]| Ipv6Addr::from(*bytes).into()),
    }
}

/// A text up to its NUL.
pub(crate) fn get_text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == 0);
    std::str::from_utf8(value.get(..end.unwrap_or(value.len()))?).ok()
}
