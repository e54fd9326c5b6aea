//! The generic netlink socket: requests and answers.

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::attr::{find, get_text, get_u16, put_text};
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
/// The kernel answers while the request is being sent; it may have a module to load.
const PATIENCE: i64 = 30;

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
    socket: Socket,
    family: u16,
    seq: u32,
    datagram: Vec<u8>,
}

impl Generic {
    /// Opens one in the network namespace of this thread; `NotFound`: the kernel has no IPVS now.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        let patience = TimeVal::seconds(PATIENCE);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        let mut this = Self {
            socket,
            family: kind::CONTROL,
            seq: 0,
            datagram: Vec::with_capacity(DATAGRAM),
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
        self.socket.send(&encode(head, attributes), 0)?;
        loop {
            self.receive()?;
            for answer in decode(&self.datagram).filter(|answer| answer.seq == head.seq) {
                match answer.kind {
                    kind::ERROR | kind::DONE => return outcome(answer.payload, answer.kind),
                    found if found == head.family => each(answer.attributes()),
                    _ => {}
                }
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        loop {
            self.datagram.clear();
            match self.socket.recv(&mut self.datagram, libc::MSG_TRUNC) {
                Ok(len) if len > self.datagram.len() => {
                    return Err(io::Error::other(format!("a datagram of {len} bytes")));
                }
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What an acknowledgement (`NLMSG_ERROR`, or the end of a dump) says: the error's number is kept, since it is judged by who asked.
fn outcome(payload: &[u8], of: u16) -> io::Result<()> {
    let code = payload
        .first_chunk()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 {
        return Ok(());
    }
    let error = io::Error::from_raw_os_error(code.wrapping_neg());
    // After the code and the header of the request: NLMSGERR_ATTR_MSG.
    let words = payload
        .get(20..)
        .filter(|_| of == kind::ERROR)
        .and_then(|attributes| find(attributes, 1))
        .and_then(get_text);
    if let Some(words) = words {
        tracing::debug!(%error, words, "IPVS");
    }
    Err(error)
}
