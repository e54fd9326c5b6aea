//! Messages of NFQUEUE (`linux/netfilter/nfnetlink_queue.h`). Pure.

use crate::attribute::{Attributes, get_be32, put, put_be32};
use crate::message::{Message, flags};
use crate::netfilter::{Head, put_request};

/// Types of messages: `NFQNL_MSG_*`, with `NFNL_SUBSYS_QUEUE` as the upper byte.
mod kind {
    pub(super) const PACKET: u16 = 0x0300;
    pub(super) const VERDICT: u16 = 0x0301;
    pub(super) const CONFIG: u16 = 0x0302;
    pub(super) const VERDICT_BATCH: u16 = 0x0303;
}

mod attribute {
    /// Of packets and verdicts: `NFQA_*`.
    pub(super) const PACKET_HEADER: u16 = 1;
    pub(super) const VERDICT_HEADER: u16 = 2;
    pub(super) const MARK: u16 = 3;
    pub(super) const PAYLOAD: u16 = 10;
    /// Of configurations: `NFQA_CFG_*`.
    pub(super) const COMMAND: u16 = 1;
    pub(super) const PARAMETERS: u16 = 2;
    pub(super) const MAX_LENGTH: u16 = 3;
    pub(super) const MASK: u16 = 4;
    pub(super) const FLAGS: u16 = 5;
}

/// `NF_ACCEPT`.
const ACCEPT: u32 = 1;
/// `NFQNL_CFG_CMD_BIND`, `NFQNL_CFG_CMD_UNBIND`, `NFQNL_COPY_PACKET`.
const BIND: u8 = 1;
const UNBIND: u8 = 2;
const COPY_PACKET: u8 = 2;
/// `NFQA_CFG_F_FAIL_OPEN`: with a full queue packets go on by themselves. `NFQA_CFG_F_GSO`: large packets come whole.
const FLAGS: u32 = 1 | 4;

/// How a queue hands packets over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueConfig {
    /// Bytes of each packet that are handed over.
    pub copy: u32,
    /// Packets that may wait for a verdict; more go on by themselves.
    pub max_len: u32,
}

/// Appends the request that takes a queue.
pub fn put_bind(buf: &mut Vec<u8>, seq: u32, queue: u16) {
    put_command(buf, seq, queue, BIND);
}

/// Appends the request that gives a queue back. What waits in it is dropped.
pub fn put_unbind(buf: &mut Vec<u8>, seq: u32, queue: u16) {
    put_command(buf, seq, queue, UNBIND);
}

fn put_command(buf: &mut Vec<u8>, seq: u32, queue: u16, command: u8) {
    put_request(buf, head(kind::CONFIG, flags::ACK, seq, queue), |buf| {
        put(buf, attribute::COMMAND, &[command, 0, 0, 0]);
    });
}

/// Appends the request that sets how packets are handed over.
pub fn put_config(buf: &mut Vec<u8>, seq: u32, queue: u16, config: QueueConfig) {
    put_request(buf, head(kind::CONFIG, flags::ACK, seq, queue), |buf| {
        let [a, b, c, d] = config.copy.to_be_bytes();
        put(buf, attribute::PARAMETERS, &[a, b, c, d, COPY_PACKET]);
        put_be32(buf, attribute::MAX_LENGTH, config.max_len);
        put_be32(buf, attribute::MASK, FLAGS);
        put_be32(buf, attribute::FLAGS, FLAGS);
    });
}

/// Appends the verdict that lets a packet go on, with a packet mark if there is one. It is not acknowledged.
pub fn put_accept(buf: &mut Vec<u8>, queue: u16, packet: u32, mark: Option<u32>) {
    put_request(buf, head(kind::VERDICT, 0, 0, queue), |buf| {
        put_verdict(buf, packet);
        if let Some(mark) = mark {
            put_be32(buf, attribute::MARK, mark);
        }
    });
}

/// Appends the verdict that lets all packets up to the one of number `last` go on. It is not acknowledged.
pub fn put_accept_all(buf: &mut Vec<u8>, queue: u16, last: u32) {
    put_request(buf, head(kind::VERDICT_BATCH, 0, 0, queue), |buf| {
        put_verdict(buf, last);
    });
}

fn put_verdict(buf: &mut Vec<u8>, packet: u32) {
    let [a, b, c, d] = ACCEPT.to_be_bytes();
    let [e, f, g, h] = packet.to_be_bytes();
    put(buf, attribute::VERDICT_HEADER, &[a, b, c, d, e, f, g, h]);
}

fn head(kind: u16, flags: u16, seq: u32, queue: u16) -> Head {
    Head {
        seq,
        res_id: queue,
        ..Head::unspec(kind, flags)
    }
}

/// A packet that waits for its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedPacket<'a> {
    /// The number by which the verdict names it.
    pub number: u32,
    /// Its first bytes, from the IP header on.
    pub payload: &'a [u8],
}

impl<'a> QueuedPacket<'a> {
    /// Reads a message; `None`: it is no packet.
    #[must_use]
    pub fn decode(message: &Message<'a>) -> Option<Self> {
        if message.kind != kind::PACKET {
            return None;
        }
        let (mut number, mut payload) = (None, &[][..]);
        for (kind, value) in Attributes::new(message.attributes()) {
            match kind {
                attribute::PACKET_HEADER => number = get_be32(value),
                attribute::PAYLOAD => payload = value,
                _ => {}
            }
        }
        Some(Self {
            number: number?,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Messages;

    fn packets(datagram: &[u8]) -> impl Iterator<Item = QueuedPacket<'_>> {
        Messages::new(datagram).filter_map(|it| QueuedPacket::decode(&it))
    }

    #[test]
    fn requests_are_said_in_the_kernel_s_words() {
        let mut bytes = Vec::new();
        put_bind(&mut bytes, 1, 7);
        #[rustfmt::skip]
        let bind = [
            28, 0, 0, 0, 2, 3, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
            8, 0, 1, 0, 1, 0, 0, 0,
        ];
        assert_eq!(bytes, bind);
        bytes.clear();
        let config = QueueConfig {
            copy: 128,
            max_len: 4096,
        };
        put_config(&mut bytes, 2, 7, config);
        #[rustfmt::skip]
        let configured = [
            56, 0, 0, 0, 2, 3, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
            9, 0, 2, 0, 0, 0, 0, 128, 2, 0, 0, 0,
            8, 0, 3, 0, 0, 0, 16, 0,
            8, 0, 4, 0, 0, 0, 0, 5,
            8, 0, 5, 0, 0, 0, 0, 5,
        ];
        assert_eq!(bytes, configured);
        bytes.clear();
        put_accept(&mut bytes, 7, 9, Some(0x1000_0001));
        #[rustfmt::skip]
        let accepted = [
            40, 0, 0, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
            12, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 9,
            8, 0, 3, 0, 16, 0, 0, 1,
        ];
        assert_eq!(bytes, accepted);
        bytes.clear();
        put_accept(&mut bytes, 7, 9, None);
        assert_eq!(bytes.len(), 32, "without a mark");
    }

    #[test]
    fn a_packet_is_read_with_its_number() {
        let mut bytes = Vec::new();
        for number in [7_u32, 8] {
            put_request(&mut bytes, head(kind::PACKET, 0, 0, 3), |buf| {
                put(buf, 9, &[1]);
                put(
                    buf,
                    attribute::PACKET_HEADER,
                    &[&number.to_be_bytes()[..], &[8, 0, 0]].concat(),
                );
                put(buf, attribute::PAYLOAD, b"abcde");
            });
        }
        let read: Vec<_> = packets(&bytes).collect();
        assert_eq!(
            read,
            [7, 8].map(|number| QueuedPacket {
                number,
                payload: b"abcde"
            })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), length in 0_u32..220, kind in prop::sample::select(vec![2, kind::PACKET])) {
            let mut datagram = [&length.to_ne_bytes()[..], &kind.to_ne_bytes()].concat();
            datagram.extend(&bytes);
            prop_assert!(packets(&datagram).count() <= datagram.len() / 16);
        }
    }
}
