//! Generic netlink (`linux/genetlink.h`): families that are known by name, and commands to them.

use std::io;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_GENERIC;

use crate::acknowledgement::{RequestError, acknowledged};
use crate::attribute::{find, get_u16, put_text};
use crate::channel::Channel;
use crate::message::{Header, Messages, control, flags, put_message};

/// `GENL_ID_CTRL`: the family that tells the others' numbers.
const CONTROL: Family = Family {
    number: 16,
    version: 1,
};
/// `CTRL_CMD_GETFAMILY`, and its attributes for the number and the name.
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Changes something.
    Change,
    /// Reads one thing.
    Get,
    /// Reads all there are.
    Dump,
}

/// Whom a request is for.
#[derive(Debug, Clone, Copy)]
struct Family {
    number: u16,
    version: u8,
}

/// Appends one request.
fn put_command(
    buf: &mut Vec<u8>,
    family: Family,
    (seq, flags): (u32, u16),
    command: u8,
    attributes: &[u8],
) {
    let header = Header {
        kind: family.number,
        flags: flags | flags::REQUEST,
        seq,
    };
    put_message(buf, header, |buf| {
        buf.extend_from_slice(&[command, family.version, 0, 0]);
        buf.extend_from_slice(attributes);
    });
}

/// A connection to one family in one network namespace.
#[derive(Debug)]
pub struct GenericSocket {
    channel: Channel,
    family: Family,
    seq: u32,
}

impl GenericSocket {
    /// Opens one in the network namespace of this thread. `version`: of the family. `longest`, `timeout`: see
    /// [`Channel::open`]; the kernel may have a module to load.
    ///
    /// # Errors
    /// `NotFound`: the kernel has no such family now. Others of the kernel.
    pub fn open(name: &str, version: u8, longest: usize, timeout: Duration) -> io::Result<Self> {
        let mut this = Self {
            channel: Channel::open(NETLINK_GENERIC, longest, timeout)?,
            family: CONTROL,
            seq: 0,
        };
        let mut request = Vec::new();
        put_text(&mut request, FAMILY_NAME, name);
        let mut number = None;
        this.request(GET_FAMILY, Operation::Get, &request, |attributes| {
            number = find(attributes, FAMILY_ID).and_then(get_u16);
        })
        .map_err(|failed| failed.error)?;
        let number = number.ok_or_else(|| {
            io::Error::other(format!("generic netlink names no number for {name}"))
        })?;
        this.family = Family { number, version };
        Ok(this)
    }

    /// Sends a request, and hands each answer's attributes to `each`.
    ///
    /// # Errors
    /// With the kernel's error number, such as `ESRCH`.
    pub fn request(
        &mut self,
        command: u8,
        operation: Operation,
        attributes: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), RequestError> {
        let (seq, request) = self.encode(command, operation, attributes);
        let family = self.family.number;
        self.channel.exchange(seq, &request, |answer| {
            if answer.kind == family {
                each(answer.attributes());
            }
        })
    }

    /// Sends a request to change something that the kernel may never answer: it answers none that has come to `EINTR`
    /// (`net/netlink/af_netlink.c`, `netlink_rcv_skb`). So it is followed by the command `probe`, which takes no
    /// attributes: answers come in the order of the requests, and what was not answered by then is not going to be. It
    /// is taken as done.
    ///
    /// # Errors
    /// With the kernel's error number, such as `ESRCH`.
    pub fn change_perhaps_unanswered(
        &mut self,
        command: u8,
        attributes: &[u8],
        probe: u8,
    ) -> Result<(), RequestError> {
        let (change, request) = self.encode(command, Operation::Change, attributes);
        self.channel.send(&request)?;
        let (probe, request) = self.encode(probe, Operation::Get, &[]);
        self.channel.send(&request)?;
        let mut changed = Ok(());
        loop {
            self.channel.receive()?;
            for answer in Messages::new(self.channel.datagram()) {
                match answer.kind {
                    control::ERROR if answer.seq == change => {
                        changed = acknowledged(answer.kind, answer.payload);
                    }
                    control::ERROR | control::DONE if answer.seq == probe => return changed,
                    _ => {}
                }
            }
        }
    }

    /// A request, and the number that its answers have.
    fn encode(&mut self, command: u8, operation: Operation, attributes: &[u8]) -> (u32, Vec<u8>) {
        self.seq = self.seq.wrapping_add(1);
        let flags = match operation {
            Operation::Change | Operation::Get => flags::ACK,
            Operation::Dump => flags::DUMP,
        };
        let mut request = Vec::with_capacity(attributes.len() + 32);
        put_command(
            &mut request,
            self.family,
            (self.seq, flags),
            command,
            attributes,
        );
        (self.seq, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_headers_and_attributes() {
        let family = Family {
            number: 0x1c,
            version: 1,
        };
        let mut bytes = Vec::new();
        put_command(
            &mut bytes,
            family,
            (7, flags::ACK),
            4,
            &[5, 0, 1, 0, 9, 0, 0, 0],
        );
        #[rustfmt::skip]
        let expected = [
            28, 0, 0, 0, 0x1c, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
            4, 1, 0, 0, // genlmsghdr
            5, 0, 1, 0, 9, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
        let read: Vec<_> = Messages::new(&bytes).collect();
        assert_eq!((read[0].kind, read[0].seq), (0x1c, 7));
        assert_eq!(read[0].attributes(), [5, 0, 1, 0, 9, 0, 0, 0]);
        assert_eq!(
            Messages::new(&bytes[..27]).count(),
            0,
            "one that is cut off"
        );
    }
}
