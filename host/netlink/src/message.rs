//! Messages (`struct nlmsghdr`): their headers written, and a datagram split into its messages.

use crate::attribute::{align, get_u16, get_u32};

/// Bytes of `struct nlmsghdr`.
pub const HEADER: usize = 16;

/// Flags of messages (`linux/netlink.h`).
pub mod flags {
    /// `NLM_F_REQUEST`.
    pub const REQUEST: u16 = 0x1;
    /// `NLM_F_ACK`: an answer is wanted even if all went well.
    pub const ACK: u16 = 0x4;
    /// `NLM_F_DUMP_INTR`, in an answer: what is dumped has changed meanwhile.
    pub const DUMP_INTR: u16 = 0x10;
    /// `NLM_F_EXCL`: it is not to be there yet.
    pub const EXCL: u16 = 0x200;
    /// `NLM_F_DUMP`: all there are.
    pub const DUMP: u16 = 0x300;
    /// `NLM_F_CREATE`: it is to be made.
    pub const CREATE: u16 = 0x400;
    /// `NLM_F_APPEND`: it comes last.
    pub const APPEND: u16 = 0x800;
}

/// Types of control messages (`linux/netlink.h`).
pub mod control {
    /// `NLMSG_ERROR`: an error, or with number 0 an acknowledgement.
    pub const ERROR: u16 = 2;
    /// `NLMSG_DONE`: the end of a dump.
    pub const DONE: u16 = 3;
}

/// What a header says, apart from the length. The port of the sender is left to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The type.
    pub kind: u16,
    /// Of [`flags`].
    pub flags: u16,
    /// The number by which answers name the request.
    pub seq: u32,
}

/// Appends one message whose body `body` appends.
pub fn put_message(buf: &mut Vec<u8>, header: Header, body: impl FnOnce(&mut Vec<u8>)) {
    let start = buf.len();
    buf.extend_from_slice(&[0; 4]);
    buf.extend_from_slice(&header.kind.to_ne_bytes());
    buf.extend_from_slice(&header.flags.to_ne_bytes());
    buf.extend_from_slice(&header.seq.to_ne_bytes());
    buf.extend_from_slice(&[0; 4]);
    body(buf);
    align(buf);
    // Datagrams are far below 4 GiB: the socket's send buffer ends them before.
    let len = u32::try_from(buf.len() - start).unwrap_or(u32::MAX);
    if let Some(place) = buf.get_mut(start..start + 4) {
        place.copy_from_slice(&len.to_ne_bytes());
    }
}

/// One received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The type.
    pub kind: u16,
    /// Of [`flags`].
    pub flags: u16,
    /// The number of the request that it answers.
    pub seq: u32,
    /// The netlink port of whoever caused it.
    pub port: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// What follows the second header, of netfilter (`struct nfgenmsg`) or generic netlink (`struct genlmsghdr`): both
    /// have 4 bytes.
    #[must_use]
    pub fn attributes(&self) -> &'a [u8] {
        self.payload.get(4..).unwrap_or_default()
    }

    /// The family in netfilter's header.
    #[must_use]
    pub fn family(&self) -> u8 {
        self.payload.first().copied().unwrap_or_default()
    }
}

/// The messages of one datagram. Ends at the first that is cut off.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Those of `datagram`.
    #[must_use]
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = self.rest.get(..HEADER)?;
        let len = usize::try_from(get_u32(header)?).ok()?;
        let message = Message {
            kind: get_u16(header.get(4..)?)?,
            flags: get_u16(header.get(6..)?)?,
            seq: get_u32(header.get(8..)?)?,
            port: get_u32(header.get(12..)?)?,
            payload: self.rest.get(HEADER..len)?,
        };
        self.rest = self.rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: Header = Header {
        kind: 0x0a01,
        flags: flags::REQUEST | flags::ACK,
        seq: 7,
    };

    #[test]
    fn a_message_is_read_back_as_it_was_written() {
        let mut buf = Vec::new();
        put_message(&mut buf, HEAD, |buf| {
            buf.extend_from_slice(&[1, 0, 0, 0, 1, 2, 3]);
        });
        put_message(&mut buf, HEAD, |_| {});
        let read: Vec<_> = Messages::new(&buf).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].kind, read[0].flags, read[0].seq, read[0].family()),
            (0x0a01, 5, 7, 1)
        );
        assert_eq!(read[0].attributes(), [1, 2, 3, 0]);
        assert_eq!(read[1].attributes(), [0; 0]);
    }

    #[test]
    fn a_message_that_is_cut_off_is_not_returned() {
        let mut buf = Vec::new();
        put_message(&mut buf, HEAD, |_| {});
        buf.pop();
        assert_eq!(Messages::new(&buf).count(), 0);
    }

    proptest! {
        #[test]
        fn no_datagram_panics_or_goes_on_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0_u32..220) {
            prop_assert!(Messages::new(&bytes).count() <= bytes.len() / HEADER);
            let datagram = [&len.to_ne_bytes()[..], &bytes].concat();
            prop_assert!(Messages::new(&datagram).count() <= datagram.len() / HEADER);
        }
    }
}
