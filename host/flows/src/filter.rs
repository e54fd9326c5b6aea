//! The socket filter: the kernel drops what changes no count before it wakes anybody.
//!
//! Of the seven or eight messages of a TCP connection's life, five or six get through: its beginning, its closing
//! states, its end. Each closing state has to: where two processors handle a connection's packets at once, the kernel
//! sends one message for two changes, with the later state, so waiting for FIN_WAIT alone would miss some.

use std::io;

use evenkeel_core::mark::{BACKEND, FULL_NAT};
use evenkeel_netlink::conntrack::{attribute, kind, status, tcp};
use evenkeel_netlink::netfilter::HEADERS;
use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP,
    BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_MISC, BPF_RET, BPF_TAX, BPF_W,
};
use netlink_sys::Socket;
use socket2::{SockFilter, SockRef};

/// Where filters find what is no byte of the message (`linux/filter.h`, `SKF_AD_OFF`): -0x1000.
const ANCILLARY: u32 = 0xffff_f000;
/// Find the attribute whose type is X from offset A on: its offset, or 0 (`SKF_AD_NLATTR`).
const FIND: u32 = ANCILLARY + 12;
/// The same inside the attribute at A (`SKF_AD_NLATTR_NEST`).
const FIND_INSIDE: u32 = ANCILLARY + 16;
/// Length of an attribute's header.
const HEADER: u32 = 4;
/// Offsets in the netlink header.
const KIND: u32 = 4;
const FLAGS: u32 = 6;

/// Attaches it. To be called before the socket joins a group.
pub(crate) fn attach(socket: &Socket) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&program())
}

/// A step of the program. Jumps name labels.
enum Op {
    Do(u32, u32),
    /// Code, value, where to go if it holds; else go on.
    If(u32, u32, Label),
    /// Code, value, where to go if it does not hold; else go on.
    Unless(u32, u32, Label),
    Here(Label),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Assured,
    Keep,
    Drop,
}

/// Puts the offset of an attribute of the message into X.
fn find(attribute: u16) -> [Op; 5] {
    [
        // The headers are of 20 bytes.
        Op::Do(BPF_LD | BPF_IMM, u32::try_from(HEADERS).unwrap_or(20)),
        Op::Do(BPF_LDX | BPF_IMM, attribute.into()),
        Op::Do(BPF_LD | BPF_W | BPF_ABS, FIND),
        Op::If(BPF_JMP | BPF_JEQ | BPF_K, 0, Label::Drop),
        Op::Do(BPF_MISC | BPF_TAX, 0),
    ]
}

/// Puts the offset of an attribute inside that at A into A.
fn find_inside(attribute: u16) -> [Op; 3] {
    [
        Op::Do(BPF_LDX | BPF_IMM, attribute.into()),
        Op::Do(BPF_LD | BPF_W | BPF_ABS, FIND_INSIDE),
        Op::If(BPF_JMP | BPF_JEQ | BPF_K, 0, Label::Drop),
    ]
}

fn program() -> Vec<SockFilter> {
    let value = |size| Op::Do(BPF_LD | size | BPF_IND, HEADER);
    let equal = BPF_JMP | BPF_JEQ | BPF_K;
    let mut ops = Vec::new();
    // The mark is a backend's.
    ops.extend(find(attribute::MARK));
    ops.extend([
        value(BPF_W),
        Op::Do(BPF_ALU | BPF_AND | BPF_K, !FULL_NAT),
        Op::If(equal, 0, Label::Drop),
        Op::If(BPF_JMP | BPF_JGT | BPF_K, BACKEND, Label::Drop),
        // Ends and beginnings. Filters read big-endian, netlink's headers are in the machine's order.
        Op::Do(BPF_LD | BPF_H | BPF_ABS, KIND),
        Op::If(equal, kind::DELETE.to_be().into(), Label::Keep),
        Op::Do(BPF_LD | BPF_H | BPF_ABS, FLAGS),
        Op::Unless(equal, 0, Label::Keep),
    ]);
    // Changes: only those with a TCP state that counts as inactive.
    ops.extend(find(attribute::PROTOINFO));
    ops.extend(find_inside(attribute::PROTOINFO_TCP));
    ops.extend(find_inside(attribute::TCP_STATE));
    ops.extend([
        Op::Do(BPF_MISC | BPF_TAX, 0),
        value(BPF_B),
        Op::If(equal, tcp::SYN_RECV.into(), Label::Assured),
        Op::If(BPF_JMP | BPF_JGT | BPF_K, tcp::CLOSE.into(), Label::Drop),
        Op::If(BPF_JMP | BPF_JGE | BPF_K, tcp::FIN_WAIT.into(), Label::Keep),
        Op::Do(BPF_RET | BPF_K, 0),
        Op::Here(Label::Assured),
    ]);
    // A tuple that is used again before the old connection is quite closed is no new connection to the kernel, but goes
    // back to SYN_RECV (nf_conntrack_proto_tcp.c, an answer to a SYN that was thought invalid). It has been assured
    // before.
    ops.extend(find(attribute::STATUS));
    ops.extend([
        value(BPF_W),
        Op::If(BPF_JMP | BPF_JSET | BPF_K, status::ASSURED, Label::Keep),
        Op::Here(Label::Drop),
        Op::Do(BPF_RET | BPF_K, 0),
        Op::Here(Label::Keep),
        Op::Do(BPF_RET | BPF_K, u32::MAX),
    ]);
    assemble(&ops)
}

/// Turns labels into distances. All jumps go forward, and by less than 256: the program is short.
fn assemble(ops: &[Op]) -> Vec<SockFilter> {
    let steps = |ops: &[Op]| ops.iter().filter(|op| !matches!(op, Op::Here(_))).count();
    let distance = |from: usize, label: Label| {
        let rest = ops.get(from + 1..).unwrap_or_default();
        let before = rest
            .split(|op| matches!(op, Op::Here(it) if *it == label))
            .next();
        u8::try_from(steps(before.unwrap_or_default())).unwrap_or(u8::MAX)
    };
    // Codes are of 16 bits.
    let step = |code: u32, yes, no, k| {
        SockFilter::new(u16::try_from(code).unwrap_or_default(), yes, no, k)
    };
    ops.iter()
        .enumerate()
        .filter_map(|(at, op)| match *op {
            Op::Do(code, k) => Some(step(code, 0, 0, k)),
            Op::If(code, k, label) => Some(step(code, distance(at, label), 0, k)),
            Op::Unless(code, k, label) => Some(step(code, 0, distance(at, label), k)),
            Op::Here(_) => None,
        })
        .collect()
}
