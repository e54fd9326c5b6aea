//! Messages of nfnetlink_queue (`linux/netfilter/nfnetlink_queue.h`).

use evenkeel_core::state::Queue;

/// `NFNL_SUBSYS_QUEUE`, as the upper byte of a message's type.
const SUBSYSTEM: u16 = 3 << 8;
const PACKET: u16 = SUBSYSTEM;
const VERDICT: u16 = SUBSYSTEM | 1;
const CONFIG: u16 = SUBSYSTEM | 2;
/// `NLM_F_REQUEST`, `NLM_F_ACK`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `nlmsghdr` and `nfgenmsg`.
const HEAD: usize = 20;

mod attribute {
    /// Of packets and verdicts.
    pub(super) const PACKET_HEADER: u16 = 1;
    pub(super) const VERDICT_HEADER: u16 = 2;
    pub(super) const MARK: u16 = 3;
    pub(super) const PAYLOAD: u16 = 10;
    /// Of configurations.
    pub(super) const COMMAND: u16 = 1;
    pub(super) const PARAMETERS: u16 = 2;
    pub(super) const MAX_LENGTH: u16 = 3;
    pub(super) const MASK: u16 = 4;
    pub(super) const FLAGS: u16 = 5;
}

/// `NF_ACCEPT`.
const ACCEPT: u32 = 1;
/// `NFQNL_CFG_CMD_BIND`, `NFQNL_COPY_PACKET`.
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
/// `NFQA_CFG_F_FAIL_OPEN`: with a full queue packets go on by themselves. `NFQA_CFG_F_GSO`: large packets come whole.
const FLAGS: u32 = 1 | 4;

/// Bytes of messages, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Messages(Vec<u8>);

impl Messages {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the queue.
    pub(crate) fn bind(&mut self, queue: Queue) {
        self.message(CONFIG, REQUEST | ACK, queue, |it| {
            it.attribute(attribute::COMMAND, &[BIND, 0, 0, 0]);
        });
    }

    /// How much of each packet is handed over, and how many may wait.
    pub(crate) fn configure(&mut self, queue: Queue, copy: u32, waiting: u32) {
        self.message(CONFIG, REQUEST | ACK, queue, |it| {
            let [a, b, c, d] = copy.to_be_bytes();
            it.attribute(attribute::PARAMETERS, &[a, b, c, d, COPY_PACKET]);
            it.attribute(attribute::MAX_LENGTH, &waiting.to_be_bytes());
            it.attribute(attribute::MASK, &FLAGS.to_be_bytes());
            it.attribute(attribute::FLAGS, &FLAGS.to_be_bytes());
        });
    }

    /// Lets a packet go on, with a mark if there is one.
    pub(crate) fn accept(&mut self, queue: Queue, packet: u32, mark: Option<u32>) {
        self.message(VERDICT, REQUEST, queue, |it| {
            let [a, b, c, d] = ACCEPT.to_be_bytes();
            let [e, f, g, h] = packet.to_be_bytes();
            it.attribute(attribute::VERDICT_HEADER, &[a, b, c, d, e, f, g, h]);
            if let Some(mark) = mark {
                it.attribute(attribute::MARK, &mark.to_be_bytes());
            }
        });
    }

    fn message(&mut self, kind: u16, flags: u16, queue: Queue, inner: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(&flags.to_ne_bytes());
        self.0.extend_from_slice(&[0; 8]);
        // nfgenmsg: no family, version 0, the queue.
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&queue.0.to_be_bytes());
        inner(self);
        let length = u32::try_from(self.0.len() - start).unwrap_or(u32::MAX);
        if let Some(head) = self.0.get_mut(start..start + 4) {
            head.copy_from_slice(&length.to_ne_bytes());
        }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// What the kernel sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// A packet that waits for its verdict: its number, and its first bytes from the IP header on.
    Packet(u32, &'a [u8]),
    /// The answer to a request: 0, or a negative error number.
    Answer(i32),
}

/// The messages of a datagram; what is not understood is left out.
pub(crate) fn incoming(mut datagram: &[u8]) -> impl Iterator<Item = Incoming<'_>> {
    std::iter::from_fn(move || {
        loop {
            let (message, kind) = next(&mut datagram)?;
            match kind {
                ERROR => {
                    if let Some(Some(code)) = message.get(16..20).map(to_i32) {
                        return Some(Incoming::Answer(code));
                    }
                }
                PACKET => {
                    if let Some(packet) = packet(message) {
                        return Some(packet);
                    }
                }
                _ => {}
            }
        }
    })
}

fn to_i32(bytes: &[u8]) -> Option<i32> {
    bytes.try_into().ok().map(i32::from_ne_bytes)
}

/// The next message and its type.
fn next<'a>(datagram: &mut &'a [u8]) -> Option<(&'a [u8], u16)> {
    let length = u32::from_ne_bytes(datagram.get(..4)?.try_into().ok()?);
    let kind = u16::from_ne_bytes(datagram.get(4..6)?.try_into().ok()?);
    let length = usize::try_from(length).ok().filter(|it| *it >= 16)?;
    let message = datagram.get(..length)?;
    *datagram = datagram
        .get(length.next_multiple_of(4)..)
        .unwrap_or_default();
    Some((message, kind))
}

fn packet(message: &[u8]) -> Option<Incoming<'_>> {
    let mut attributes = message.get(HEAD..)?;
    let mut number = None;
    let mut payload: &[u8] = &[];
    while attributes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = attributes.get(4..length)?;
        match kind {
            attribute::PACKET_HEADER => {
                number = Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?));
            }
            attribute::PAYLOAD => payload = value,
            _ => {}
        }
        attributes = attributes
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Some(Incoming::Packet(number?, payload))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_is_read_with_its_number() {
        let mut messages = Messages::default();
        for number in [7_u32, 8] {
            messages.message(PACKET, 0, Queue(3), |it| {
                it.attribute(9, &[1]);
                it.attribute(
                    attribute::PACKET_HEADER,
                    &[&number.to_be_bytes()[..], &[8, 0, 0]].concat(),
                );
                it.attribute(attribute::PAYLOAD, b"abcde");
            });
        }
        let read: Vec<_> = incoming(messages.bytes()).collect();
        assert_eq!(
            read,
            [Incoming::Packet(7, b"abcde"), Incoming::Packet(8, b"abcde")]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), length in 0_u32..220, kind in prop::sample::select(vec![ERROR, PACKET])) {
            let mut datagram = [&length.to_ne_bytes()[..], &kind.to_ne_bytes()].concat();
            datagram.extend(&bytes);
            prop_assert!(incoming(&datagram).count() <= datagram.len() / 16);
        }
    }
}
