//! Calls to the kernel.

use std::io;
use std::net::SocketAddr;

use crate::attr::{find, nest};
use crate::daemon::{self, Role, SyncDaemon};
use crate::destination::{self, Destination, DestinationEntry};
use crate::error::{Error, Reason};
use crate::modules;
use crate::service::{Key, Service, ServiceEntry};
use crate::settings::{Info, Timeouts};
use crate::socket::{Ask, Generic};

/// `IPVS_CMD_*`.
mod command {
    pub(super) const NEW_SERVICE: u8 = 1;
    pub(super) const SET_SERVICE: u8 = 2;
    pub(super) const DEL_SERVICE: u8 = 3;
    pub(super) const GET_SERVICE: u8 = 4;
    pub(super) const NEW_DEST: u8 = 5;
    pub(super) const SET_DEST: u8 = 6;
    pub(super) const DEL_DEST: u8 = 7;
    pub(super) const GET_DEST: u8 = 8;
    pub(super) const NEW_DAEMON: u8 = 9;
    pub(super) const DEL_DAEMON: u8 = 10;
    pub(super) const GET_DAEMON: u8 = 11;
    pub(super) const SET_CONFIG: u8 = 12;
    pub(super) const GET_CONFIG: u8 = 13;
    pub(super) const GET_INFO: u8 = 15;
    pub(super) const ZERO: u8 = 16;
    pub(super) const FLUSH: u8 = 17;
}

/// `IPVS_CMD_ATTR_*`.
mod attribute {
    pub(super) const SERVICE: u16 = 1;
    pub(super) const DEST: u16 = 2;
    pub(super) const DAEMON: u16 = 3;
}

/// The kernel's IPVS in one network namespace.
#[derive(Debug)]
pub struct Client {
    socket: Generic,
}

impl Client {
    /// Opens it in the network namespace of this thread. Loads the module where it has to.
    ///
    /// # Errors
    /// [`Error::Absent`] with what to do; [`Error::Io`].
    pub fn open() -> Result<Self, Error> {
        let open = || match Generic::open() {
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
        let asked = self.socket.ask(command::GET_INFO, Ask::One, &[], |it| {
            info = Info::decode(it);
        });
        asked.map_err(|error| failed("read what IPVS is", error, Kind::Other))?;
        info.ok_or_else(|| Error::Garbled("IPVS itself".to_owned()))
    }

    /// All services, whoever made them.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`], [`Error::Garbled`].
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        let mut services = Vec::new();
        let asked = self.socket.ask(command::GET_SERVICE, Ask::All, &[], |it| {
            services.push(find(it, attribute::SERVICE).and_then(ServiceEntry::decode));
        });
        asked.map_err(|error| failed("read the services", error, Kind::Other))?;
        let services: Option<Vec<_>> = services.into_iter().collect();
        services.ok_or_else(|| Error::Garbled("the services".to_owned()))
    }

    /// One service; `None`: there is none.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`], [`Error::Garbled`].
    pub fn service(&mut self, key: &Key) -> Result<Option<ServiceEntry>, Error> {
        let mut service = None;
        let request = about(key);
        let asked = self
            .socket
            .ask(command::GET_SERVICE, Ask::One, &request, |it| {
                service = find(it, attribute::SERVICE).and_then(ServiceEntry::decode);
            });
        match asked {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(failed(&format!("read service {key}"), error, Kind::Other)),
            Ok(()) if service.is_none() => Err(Error::Garbled(format!("service {key}"))),
            Ok(()) => Ok(service),
        }
    }

    /// Makes a service. The kernel loads its scheduler's module.
    ///
    /// # Errors
    /// [`Error::Refused`]: it is there already, its scheduler or persistence engine is not; [`Error::Io`].
    pub fn add_service(&mut self, service: &Service) -> Result<(), Error> {
        self.write_service(command::NEW_SERVICE, "add", service)
    }

    /// Changes a service's scheduler, flags, persistence. While the scheduler is changed, for a grace period of RCU, the service has none and
    /// answers new connections as if it had no server: 16 ms (Linux 6.1 on two processors; 28 ms at the most of 40 times), 25 us on one
    /// processor. Everything else has no such gap.
    ///
    /// # Errors
    /// As with [`Self::add_service`], except that the service has to be there.
    pub fn set_service(&mut self, service: &Service) -> Result<(), Error> {
        self.write_service(command::SET_SERVICE, "change", service)
    }

    fn write_service(&mut self, command: u8, verb: &str, service: &Service) -> Result<(), Error> {
        let mut request = Vec::new();
        nest(&mut request, attribute::SERVICE, |buf| service.encode(buf));
        let done = match self.change(command, &request) {
            // The kernel loads modules itself, unless it is told not to or its modprobe is elsewhere.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                if let Err(why) = load_for(service) {
                    return Err(Error::Refused {
                        what: format!("{verb} service {}", service.key),
                        reason: Reason::NoModule(why),
                    });
                }
                self.change(command, &request)
            }
            done => done,
        };
        let what = || format!("{verb} service {}", service.key);
        done.map_err(|error| failed(&what(), error, Kind::Service))
    }

    /// Removes a service and its destinations. Its connections' packets are dropped from then on.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none; [`Error::Io`].
    pub fn delete_service(&mut self, key: &Key) -> Result<(), Error> {
        self.change(command::DEL_SERVICE, &about(key))
            .map_err(|error| failed(&format!("remove service {key}"), error, Kind::Service))
    }

    /// The destinations of a service; none if there is no such service.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`], [`Error::Garbled`].
    pub fn destinations(&mut self, key: &Key) -> Result<Vec<DestinationEntry>, Error> {
        let mut destinations = Vec::new();
        let family = key.family();
        let asked = self
            .socket
            .ask(command::GET_DEST, Ask::All, &about(key), |it| {
                let nested = find(it, attribute::DEST);
                destinations.push(nested.and_then(|it| DestinationEntry::decode(it, family)));
            });
        let what = || format!("the destinations of {key}");
        asked.map_err(|error| failed(&format!("read {}", what()), error, Kind::Other))?;
        let destinations: Option<Vec<_>> = destinations.into_iter().collect();
        destinations.ok_or_else(|| Error::Garbled(what()))
    }

    /// Adds a destination to a service.
    ///
    /// # Errors
    /// [`Error::Refused`]: it is there already, the service is not; [`Error::Io`].
    pub fn add_destination(&mut self, key: &Key, destination: &Destination) -> Result<(), Error> {
        self.write_destination(command::NEW_DEST, "add", key, destination)
    }

    /// Changes a destination.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none, or no such service; [`Error::Io`].
    pub fn set_destination(&mut self, key: &Key, destination: &Destination) -> Result<(), Error> {
        self.write_destination(command::SET_DEST, "change", key, destination)
    }

    fn write_destination(
        &mut self,
        command: u8,
        verb: &str,
        key: &Key,
        destination: &Destination,
    ) -> Result<(), Error> {
        let mut request = about(key);
        nest(&mut request, attribute::DEST, |buf| destination.encode(buf));
        self.change(command, &request).map_err(|error| {
            let what = format!("{verb} destination {} of {key}", destination.address);
            failed(&what, error, Kind::Destination)
        })
    }

    /// Removes a destination. What becomes of its connections: `net.ipv4.vs.expire_nodest_conn`.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none, or no such service; [`Error::Io`].
    pub fn delete_destination(&mut self, key: &Key, address: SocketAddr) -> Result<(), Error> {
        let mut request = about(key);
        nest(&mut request, attribute::DEST, |buf| {
            destination::encode_address(address, buf);
        });
        self.change(command::DEL_DEST, &request).map_err(|error| {
            let what = format!("remove destination {address} of {key}");
            failed(&what, error, Kind::Destination)
        })
    }

    /// After how long connections are forgotten.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`].
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let mut timeouts = Timeouts::default();
        let asked = self.socket.ask(command::GET_CONFIG, Ask::One, &[], |it| {
            timeouts = Timeouts::decode(it);
        });
        asked.map_err(|error| failed("read the timeouts", error, Kind::Other))?;
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
            .map_err(|error| failed("set the timeouts", error, Kind::Other))
    }

    /// The sync daemons that run: none, one, or one of each role.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`], [`Error::Garbled`].
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        let mut daemons = Vec::new();
        let asked = self.socket.ask(command::GET_DAEMON, Ask::All, &[], |it| {
            daemons.push(find(it, attribute::DAEMON).and_then(SyncDaemon::decode));
        });
        asked.map_err(|error| failed("read the sync daemons", error, Kind::Other))?;
        let daemons: Option<Vec<_>> = daemons.into_iter().collect();
        daemons.ok_or_else(|| Error::Garbled("the sync daemons".to_owned()))
    }

    /// Starts a sync daemon.
    ///
    /// # Errors
    /// [`Error::Refused`]: one of this role runs already, the interface is not there or not up, a value is out of range, destinations
    /// are of another IP version than their service; [`Error::Io`].
    pub fn start_sync(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        let mut request = Vec::new();
        nest(&mut request, attribute::DAEMON, |buf| daemon.encode(buf));
        self.change(command::NEW_DAEMON, &request).map_err(|error| {
            let what = format!(
                "start the sync daemon ({}, {})",
                daemon.role, daemon.interface
            );
            failed(&what, error, Kind::Other)
        })
    }

    /// Ends the sync daemon of this role.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none; [`Error::Io`].
    pub fn stop_sync(&mut self, role: Role) -> Result<(), Error> {
        let mut request = Vec::new();
        nest(&mut request, attribute::DAEMON, |buf| {
            daemon::encode_role(role, buf);
        });
        // One that is ended before it ran for the first time is gone, but comes to EINTR (`kernel/kthread.c`, `kthread_stop`; `ip_vs_sync.c`,
        // `stop_sync_thread`), which is not answered.
        let ended =
            self.socket
                .change_perhaps_unanswered(command::DEL_DAEMON, &request, command::GET_INFO);
        ended.map_err(|error| {
            let what = format!("end the sync daemon ({role})");
            match error.raw_os_error() {
                // Linux's way to say that there is none.
                Some(libc::ESRCH) => Error::Refused {
                    what,
                    reason: Reason::Other(io::Error::new(io::ErrorKind::NotFound, "there is none")),
                },
                _ => failed(&what, error, Kind::Other),
            }
        })
    }

    /// Sets the statistics of a service and its destinations, or of everything, to 0.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is no such service; [`Error::Io`].
    pub fn zero(&mut self, key: Option<&Key>) -> Result<(), Error> {
        let request = key.map(about).unwrap_or_default();
        self.change(command::ZERO, &request)
            .map_err(|error| failed("set statistics to 0", error, Kind::Service))
    }

    /// Removes all services, whoever made them.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.change(command::FLUSH, &[])
            .map_err(|error| failed("remove all services", error, Kind::Other))
    }

    fn change(&mut self, command: u8, request: &[u8]) -> io::Result<()> {
        self.socket.ask(command, Ask::Change, request, |_| {})
    }
}

/// Attributes that name a service.
fn about(key: &Key) -> Vec<u8> {
    let mut request = Vec::new();
    nest(&mut request, attribute::SERVICE, |buf| key.encode(buf));
    request
}

/// Loads what a service needs.
fn load_for(service: &Service) -> Result<(), String> {
    if let Some(scheduler) = &service.scheduler {
        modules::load(&modules::of_scheduler(scheduler))
            .map_err(|why| format!("there is no scheduler {scheduler}: {why}"))?;
    }
    if let Some(engine) = &service.engine {
        modules::load(&modules::of_engine(engine))
            .map_err(|why| format!("there is no persistence engine {engine}: {why}"))?;
    }
    Ok(())
}

/// What a call was about, on which the meaning of an error's number depends.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Service,
    Destination,
    Other,
}

/// An error's number in words.
fn failed(what: &str, error: io::Error, kind: Kind) -> Error {
    let reason = match (error.raw_os_error(), kind) {
        (Some(libc::EPERM), _) => Reason::NotPermitted,
        (Some(libc::EEXIST), _) => Reason::Exists,
        (Some(libc::ESRCH), Kind::Service | Kind::Destination) => Reason::NoService,
        (Some(libc::ENOENT), Kind::Destination) => Reason::NoDestination,
        (Some(libc::ENOENT), Kind::Service) => {
            Reason::NoModule("there is no such scheduler or persistence engine".to_owned())
        }
        (Some(libc::EAGAIN | libc::ENOBUFS) | None, _) => {
            return Error::Io {
                what: what.to_owned(),
                source: error,
            };
        }
        _ => Reason::Other(error),
    };
    Error::Refused {
        what: what.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_errors_are_said_in_words() {
        let words =
            |number, kind| failed("x", io::Error::from_raw_os_error(number), kind).to_string();
        assert_eq!(words(libc::EEXIST, Kind::Service), "x: it is there already");
        assert_eq!(
            words(libc::ESRCH, Kind::Destination),
            "x: there is no such service"
        );
        assert_eq!(
            words(libc::ENOENT, Kind::Destination),
            "x: the service has no such destination"
        );
        assert!(words(libc::ENOENT, Kind::Service).contains("scheduler"));
        assert!(words(libc::EPERM, Kind::Other).contains("CAP_NET_ADMIN"));
    }
}
