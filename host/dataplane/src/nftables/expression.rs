//! Expressions of nf_tables rules, as netlink attributes.
//!
//! They are written exactly as the kernel prints them in a dump (order of attributes, no `NLA_F_NESTED`), so that a
//! rule that was read is ours if and only if its bytes are those we would write. Each function appends to a list of
//! expressions.

use std::net::IpAddr;

use netlink_bindings::utils;

/// Verdicts (`linux/netfilter/nf_tables.h`).
const JUMP: u32 = 0xffff_fffd;
const RETURN: u32 = 0xffff_fffb;

/// `NFT_CT_*`.
const CT_MARK: u32 = 3;

/// Which addresses a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(addr: IpAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// A piece of the packet: register, `NFT_PAYLOAD_*_HEADER`, offset, length.
pub(super) type Load = (u32, u32, u32, u32);

/// Number of the header of IP and of what it carries.
pub(super) const NETWORK: u32 = 1;
pub(super) const TRANSPORT: u32 = 2;

/// A list of expressions, written by `write`.
pub(super) fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut buf = Vec::with_capacity(600);
    write(&mut buf);
    buf
}

/// `NFTA_LIST_ELEM` with `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
pub(super) fn expression(buf: &mut Vec<u8>, name: &str, data: impl FnOnce(&mut Vec<u8>)) {
    nest(buf, 1, |buf| {
        name_attribute(buf, 1, name);
        nest(buf, 2, data);
    });
}

/// In an inet table nft puts a check of the family before what it reads of the network header.
pub(super) fn of_family(buf: &mut Vec<u8>, family: Family) {
    meta(buf, 15, 1);
    let number = match family {
        Family::V4 => 2,
        Family::V6 => 10,
    };
    compare(buf, true, &[number]);
}

/// Loads a piece of the packet.
pub(super) fn payload(buf: &mut Vec<u8>, (register, header, offset, len): Load) {
    expression(buf, "payload", |buf| {
        be32(buf, 1, register);
        be32(buf, 2, header);
        be32(buf, 3, offset);
        be32(buf, 4, len);
    });
}

/// Loads what the kernel knows of a packet (`NFT_META_*`) into a register.
pub(super) fn meta(buf: &mut Vec<u8>, key: u32, register: u32) {
    expression(buf, "meta", |buf| {
        be32(buf, 2, key);
        be32(buf, 1, register);
    });
}

/// Loads the packet's mark into the first register.
pub(super) fn meta_mark(buf: &mut Vec<u8>) {
    meta(buf, 3, 1);
}

/// Loads what conntrack knows of the packet's connection (`NFT_CT_*`) into a register.
pub(super) fn ct(buf: &mut Vec<u8>, key: u32, register: u32) {
    expression(buf, "ct", |buf| {
        be32(buf, 1, register);
        be32(buf, 2, key);
    });
}

/// Loads the connection's mark into a register.
pub(super) fn ct_mark(buf: &mut Vec<u8>, register: u32) {
    ct(buf, CT_MARK, register);
}

/// Makes a register the connection's mark.
pub(super) fn set_ct_mark(buf: &mut Vec<u8>, register: u32) {
    // NFTA_CT_SREG, NFTA_CT_KEY
    expression(buf, "ct", |buf| {
        be32(buf, 4, register);
        be32(buf, 2, CT_MARK);
    });
}

/// Goes on if the first register holds this (`equal`), or if it does not.
pub(super) fn compare(buf: &mut Vec<u8>, equal: bool, value: &[u8]) {
    expression(buf, "cmp", |buf| {
        be32(buf, 1, 1);
        be32(buf, 2, u32::from(!equal));
        nest(buf, 3, |buf| bytes(buf, 1, value));
    });
}

/// Keeps only these bits of a register.
pub(super) fn and(buf: &mut Vec<u8>, register: u32, mask: &[u8]) {
    expression(buf, "bitwise", |buf| {
        be32(buf, 1, register);
        be32(buf, 2, register);
        be32(buf, 3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
        be32(buf, 6, 0);
        nest(buf, 4, |buf| bytes(buf, 1, mask));
        nest(buf, 5, |buf| bytes(buf, 1, &vec![0; mask.len()]));
    });
}

/// What the map has for the register `key`, in the register `value`; ends the rule if it has nothing.
pub(super) fn lookup(buf: &mut Vec<u8>, map: &str, key: u32, value: u32) {
    expression(buf, "lookup", |buf| {
        name_attribute(buf, 1, map);
        be32(buf, 2, key);
        be32(buf, 3, value);
        be32(buf, 5, 0);
    });
}

/// A jump to a chain.
pub(super) fn jump(buf: &mut Vec<u8>, chain: &str) {
    verdict(buf, JUMP, Some(chain));
}

/// Returns to the chain that jumped here.
pub(super) fn return_to_caller(buf: &mut Vec<u8>) {
    verdict(buf, RETURN, None);
}

fn verdict(buf: &mut Vec<u8>, code: u32, chain: Option<&str>) {
    expression(buf, "immediate", |buf| {
        be32(buf, 1, 0);
        nest(buf, 2, |buf| {
            nest(buf, 2, |buf| {
                be32(buf, 1, code);
                if let Some(chain) = chain {
                    name_attribute(buf, 2, chain);
                }
            });
        });
    });
}

/// An attribute that holds others.
pub(super) fn nest(buf: &mut Vec<u8>, kind: u16, inner: impl FnOnce(&mut Vec<u8>)) {
    let start = utils::write_header(buf, kind);
    inner(buf);
    utils::finalize_nested_header(buf, start);
}

/// A number, in network order as all of nf_tables' are.
pub(super) fn be32(buf: &mut Vec<u8>, kind: u16, value: u32) {
    bytes(buf, kind, &value.to_be_bytes());
}

/// A name, with its NUL.
pub(super) fn name_attribute(buf: &mut Vec<u8>, kind: u16, name: &str) {
    bytes(buf, kind, &[name.as_bytes(), &[0]].concat());
}

/// Any attribute.
pub(super) fn bytes(buf: &mut Vec<u8>, kind: u16, value: &[u8]) {
    utils::push_header(buf, kind, u16::try_from(value.len()).unwrap_or(u16::MAX));
    buf.extend_from_slice(value);
    utils::align(buf);
}
