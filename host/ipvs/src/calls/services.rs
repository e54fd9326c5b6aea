//! Services.

use evenkeel_netlink::attribute::{find, nest};
use evenkeel_netlink::generic::Operation;

use crate::client::Client;
use crate::error::{Error, Reason};
use crate::key::Key;
use crate::modules;
use crate::refusal::{Subject, failed};
use crate::requests::{about, attribute, command};
use crate::service::{Service, ServiceEntry};

impl Client {
    /// All services, whoever made them.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`], [`Error::Garbled`].
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        let mut services = Vec::new();
        let read = self.request(command::GET_SERVICE, Operation::Dump, &[], |it| {
            services.push(find(it, attribute::SERVICE).and_then(ServiceEntry::decode));
        });
        read.map_err(|error| failed("read the services", error, Subject::Other))?;
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
        let read = self.request(command::GET_SERVICE, Operation::Get, &request, |it| {
            service = find(it, attribute::SERVICE).and_then(ServiceEntry::decode);
        });
        match read {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(failed(
                &format!("read service {key}"),
                error,
                Subject::Other,
            )),
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

    /// Changes a service's scheduler, flags, persistence. While the scheduler is changed, for a grace period of RCU,
    /// the service has none and answers new connections as if it had no server: 16 ms (Linux 6.1 on two processors; 28
    /// ms at the most of 40 times), 25 us on one processor. Everything else has no such gap.
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
        done.map_err(|error| failed(&what(), error, Subject::Service))
    }

    /// Removes a service and its destinations. Its connections' packets are dropped from then on.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none; [`Error::Io`].
    pub fn delete_service(&mut self, key: &Key) -> Result<(), Error> {
        self.change(command::DEL_SERVICE, &about(key))
            .map_err(|error| failed(&format!("remove service {key}"), error, Subject::Service))
    }
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
