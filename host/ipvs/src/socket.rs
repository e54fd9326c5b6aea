//! The generic netlink socket: requests and answers.

use std::io;
use std::time::Duration;

use evenkeel_netlink::{Channel, acknowledged};
use netlink_sys::protocols::NETLINK_GENERIC;

use crate::attr::{find, get_u16, put_text};
use crate::message::{Head, decode, encode, flags, kind};

/// The name by which the family is asked for (`IPVS_GENL_NAME`).
const FAMILY: &str = "IPVS";
/// `IPVS_GENL_VERSION`.
const VERSION: u8 = 1;
/// `CTRL_CMD_GETFAMILY`, and its attributes for the number and the name.
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// More than the kernel puts into one datagram of a dump.
const DATAGRAM: usize = 128 << 10;
/// The kernel may have a module to load.
const PATIENCE: Duration = Duration::from_secs(30);

/// Of what kind a request is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    /// To change something.
    Change,
    /// About one thing.
    One,
    /// About all.
    All,
}

/// A connection to the kernel's IPVS in one network namespace.
#[derive(Debug)]
pub(crate) struct Generic {
    channel: Channel,
    family: u16,
    seq: u32,
}

impl Generic {
    /// Opens one in the network namespace of this thread; `NotFound`: the kernel has no IPVS now.
    pub(crate) fn open() -> io::Result<Self> {
        let mut this = Self {
            channel: Channel::open(NETLINK_GENERIC, DATAGRAM, PATIENCE)?,
            family: kind::CONTROL,
            seq: 0,
        };
        let mut request = Vec::new();
        put_text(&mut request, FAMILY_NAME, FAMILY);
        let mut family = None;
        this.ask(GET_FAMILY, Ask::One, &request, |attributes| {
            family = find(attributes, FAMILY_ID).and_then(get_u16);
        })?;
        this.family =
            family.ok_or_else(|| io::Error::other("generic netlink names no number for IPVS"))?;
        Ok(this)
    }

    /// Sends a request, and hands each answer's attributes to `each`.
    ///
    /// # Errors
    /// With the kernel's error number, such as `ESRCH`.
    pub(crate) fn ask(
        &mut self,
        command: u8,
        ask: Ask,
        attributes: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let seq = self.send(command, ask, attributes)?;
        loop {
            self.channel.receive()?;
            for answer in decode(self.channel.datagram()).filter(|answer| answer.seq == seq) {
                match answer.kind {
                    kind::ERROR | kind::DONE => return outcome(answer.kind, answer.payload),
                    found if found == self.family => each(answer.attributes()),
                    _ => {}
                }
            }
        }
    }

    /// Sends a request to change something that the kernel may never answer: it answers none that has come to `EINTR`
    /// (`net/netlink/af_netlink.c`, `netlink_rcv_skb`). So something is asked behind it, by a command without attributes: answers come in the order
    /// of the requests, and what was not answered by then is not going to be. It is taken as done.
    ///
    /// # Errors
    /// With the kernel's error number, such as `ESRCH`.
    pub(crate) fn change_perhaps_unanswered(
        &mut self,
        command: u8,
        attributes: &[u8],
        question: u8,
    ) -> io::Result<()> {
        let change = self.send(command, Ask::Change, attributes)?;
        let question = self.send(question, Ask::One, &[])?;
        let mut changed = Ok(());
        loop {
            self.channel.receive()?;
            for answer in decode(self.channel.datagram()) {
                match answer.kind {
                    kind::ERROR if answer.seq == change => {
                        changed = outcome(answer.kind, answer.payload);
                    }
                    kind::ERROR | kind::DONE if answer.seq == question => return changed,
                    _ => {}
                }
            }
        }
    }

    /// Sends a request. Returns the number that its answers have.
    fn send(&mut self, command: u8, ask: Ask, attributes: &[u8]) -> io::Result<u32> {
        self.seq = self.seq.wrapping_add(1);
        let head = Head {
            family: self.family,
            flags: match ask {
                Ask::Change | Ask::One => flags::ACK,
                Ask::All => flags::DUMP,
            },
            seq: self.seq,
            command,
            version: VERSION,
        };
        self.channel.send(&encode(head, attributes))?;
        Ok(self.seq)
    }
}

/// What an acknowledgement says: the error's number is kept, since it is judged by who asked.
fn outcome(kind: u16, payload: &[u8]) -> io::Result<()> {
    acknowledged(kind, payload).map_err(|refused| {
        if refused.words.is_some() {
            tracing::debug!(%refused, "IPVS");
        }
        refused.error
    })
}
