//! The client: its socket, and the calls about IPVS as a whole.

use std::io;
use std::time::Duration;

use evenkeel_netlink::RequestError;
use evenkeel_netlink::generic::{GenericSocket, Operation};

use crate::error::Error;
use crate::key::Key;
use crate::modules;
use crate::refusal::{Subject, failed};
use crate::requests::{about, command};
use crate::settings::{Info, Timeouts};

/// The name by which the family is looked up (`IPVS_GENL_NAME`).
const FAMILY: &str = "IPVS";
/// `IPVS_GENL_VERSION`.
const VERSION: u8 = 1;
/// More than the kernel puts into one datagram of a dump.
const MAX_DATAGRAM: usize = 128 << 10;
/// The kernel may have a module to load.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The kernel's IPVS in one network namespace.
#[derive(Debug)]
pub struct Client {
    socket: GenericSocket,
}

impl Client {
    /// Opens it in the network namespace of this thread. Loads the module where it has to.
    ///
    /// # Errors
    /// [`Error::Absent`] with what to do; [`Error::Io`].
    pub fn open() -> Result<Self, Error> {
        let open = || match GenericSocket::open(FAMILY, VERSION, MAX_DATAGRAM, TIMEOUT) {
            Ok(socket) => Ok(Some(Self { socket })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io {
                what: "open a generic netlink socket".to_owned(),
                source,
            }),
        };
        if let Some(client) = open()? {
            return Ok(client);
        }
        modules::load(modules::IPVS)
            .map_err(|why| Error::Absent(format!("this kernel has no IPVS: {why}")))?;
        open()?.ok_or_else(|| {
            Error::Absent(format!(
                "this kernel has no IPVS, though its module {} is loaded",
                modules::IPVS
            ))
        })
    }

    /// IPVS's version, and more.
    ///
    /// # Errors
    /// [`Error::Refused`] without the capability; [`Error::Io`].
    pub fn info(&mut self) -> Result<Info, Error> {
        let mut info = None;
        let read = self.request(command::GET_INFO, Operation::Get, &[], |it| {
            info = Info::decode(it);
        });
        read.map_err(|error| failed("read what IPVS is", error, Subject::Other))?;
        info.ok_or_else(|| Error::Garbled("IPVS itself".to_owned()))
    }

    /// After how long connections are forgotten.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`].
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let mut timeouts = Timeouts::default();
        let read = self.request(command::GET_CONFIG, Operation::Get, &[], |it| {
            timeouts = Timeouts::decode(it);
        });
        read.map_err(|error| failed("read the timeouts", error, Subject::Other))?;
        Ok(timeouts)
    }

    /// Changes those that are given and not 0.
    ///
    /// # Errors
    /// [`Error::Refused`]: one is too long for the kernel; [`Error::Io`].
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        let mut request = Vec::new();
        timeouts.encode(&mut request);
        self.change(command::SET_CONFIG, &request)
            .map_err(|error| failed("set the timeouts", error, Subject::Other))
    }

    /// Sets the statistics of a service and its destinations, or of everything, to 0.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is no such service; [`Error::Io`].
    pub fn zero(&mut self, key: Option<&Key>) -> Result<(), Error> {
        let request = key.map(about).unwrap_or_default();
        self.change(command::ZERO, &request)
            .map_err(|error| failed("set statistics to 0", error, Subject::Service))
    }

    /// Removes all services, whoever made them.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.change(command::FLUSH, &[])
            .map_err(|error| failed("remove all services", error, Subject::Other))
    }

    /// Sends a request, and hands each answer's attributes to `each`.
    ///
    /// # Errors
    /// With the kernel's error number, such as `ESRCH`.
    pub(crate) fn request(
        &mut self,
        command: u8,
        operation: Operation,
        attributes: &[u8],
        each: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        self.socket
            .request(command, operation, attributes, each)
            .map_err(number)
    }

    /// Sends a request to change something.
    ///
    /// # Errors
    /// As with [`Self::request`].
    pub(crate) fn change(&mut self, command: u8, attributes: &[u8]) -> io::Result<()> {
        self.request(command, Operation::Change, attributes, |_| {})
    }

    /// Sends one that the kernel may never answer; then it is taken as done.
    ///
    /// # Errors
    /// As with [`Self::request`].
    pub(crate) fn change_perhaps_unanswered(
        &mut self,
        command: u8,
        attributes: &[u8],
    ) -> io::Result<()> {
        self.socket
            .change_perhaps_unanswered(command, attributes, command::GET_INFO)
            .map_err(number)
    }
}

/// Only the error with its number, since it is judged by who asked.
fn number(failed: RequestError) -> io::Error {
    if failed.message.is_some() {
        tracing::debug!(%failed, "IPVS");
    }
    failed.error
}
