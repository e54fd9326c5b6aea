//! The data plane in the kernel's IP Virtual Server.
//!
//! IPVS spreads by weights and a scheduler of its own, so what it is told to hold is in the form of `evenkeel_core::follow::nearest`.
//!
//! - `form`: a service as the kernel holds it, and what that comes to; whose it is, and its backends' numbers. Pure.
//! - `steps`: from what is held to what is wanted, and back, since the kernel takes one step at a time. Pure.
//! - `read`, `counting`, `probe`, `sysctl`: what is in the kernel.

mod counting;
mod form;
mod probe;
mod read;
mod steps;
mod sysctl;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use evenkeel_core::connections::Counts;
use evenkeel_core::model::{DataPlaneKind, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Counters, ServiceState, State};
use evenkeel_ipvs::{Client, Key, Reason};

use self::counting::Counting;
use self::read::Services;
use self::steps::Step;
use crate::check::Wanted;
use crate::{DataPlane, Error, Probe};

/// The data plane of one network namespace.
#[derive(Debug)]
pub struct Ipvs {
    client: Client,
    /// What the kernel holds; `None`: it has to be read.
    kernel: Option<Kernel>,
    counting: Counting,
}

/// What is known of the kernel.
#[derive(Debug, Default)]
struct Kernel {
    services: Services,
    /// Whose a backend's number is.
    owners: HashMap<BackendId, ServiceKey>,
    /// Others' services.
    others: BTreeSet<Key>,
}

impl Kernel {
    fn new(found: read::Found) -> Self {
        let mut kernel = Self {
            others: found.others,
            ..Self::default()
        };
        for (key, held) in found.services {
            kernel.put(key, held);
        }
        kernel
    }

    fn put(&mut self, key: ServiceKey, held: form::Held) {
        self.remove(&key);
        let numbers = held.servers.values().map(|server| (server.id, key));
        self.owners.extend(numbers);
        self.services.insert(key, held);
    }

    fn remove(&mut self, key: &ServiceKey) {
        for server in self
            .services
            .remove(key)
            .iter()
            .flat_map(|it| it.servers.values())
        {
            // A number that has moved to another service is that one's.
            if self.owners.get(&server.id) == Some(key) {
                self.owners.remove(&server.id);
            }
        }
    }

    fn service(&self, key: &ServiceKey) -> Option<ServiceState> {
        self.services.get(key).map(form::state)
    }

    fn state(&self) -> State {
        let services = self.services.keys();
        State {
            services: services
                .filter_map(|key| Some((*key, self.service(key)?)))
                .collect(),
            ..State::default()
        }
    }
}

impl Ipvs {
    /// The data plane in this thread's network namespace. Loads the module `ip_vs` where it has to, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Io`]; when the kernel has no IPVS it says what to do.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            client: Client::open().map_err(error)?,
            kernel: None,
            counting: Counting::default(),
        })
    }

    /// Reads the kernel, and keeps what it holds.
    fn refresh(&mut self) -> Result<&Kernel, Error> {
        let known = self.kernel.take().unwrap_or_default();
        let found = read::read(&mut self.client, &known.services).map_err(error)?;
        Ok(self.kernel.insert(Kernel::new(found)))
    }

    fn known(&mut self) -> Result<&Kernel, Error> {
        if self.kernel.is_none() {
            self.refresh()?;
        }
        Ok(self.kernel.get_or_insert_default())
    }

    /// Makes changes to what the kernel was last known to hold.
    fn apply_once(&mut self, changes: &[Change]) -> Result<(), Error> {
        self.known()?;
        let kernel = self.kernel.get_or_insert_default();
        let wanted = Wanted::new(DataPlaneKind::Ipvs, changes, |id| {
            kernel.owners.get(&id).copied()
        })?;
        let planned = planned(kernel, &wanted)?;
        let mut left = Vec::new();
        for (key, then, _) in &planned {
            if let Some(now) = kernel.services.get(key) {
                let counting = &self.counting;
                left.extend(counting.leaving(&mut self.client, key, now, then.as_ref()));
            }
        }
        let steps = planned.iter().flat_map(|(_, _, steps)| steps);
        self.run(steps)?;
        self.counting.left(left);
        for (key, then, _) in planned {
            let kernel = self.kernel.get_or_insert_default();
            let Some(then) = then else {
                kernel.remove(&key);
                continue;
            };
            let now = kernel.services.get(&key);
            self.counting.after(&mut self.client, &key, now, &then);
            kernel.put(key, then);
        }
        Ok(())
    }

    /// Takes steps; if one fails, takes those before it back.
    fn run<'a>(&mut self, steps: impl Iterator<Item = &'a Step>) -> Result<(), Error> {
        let mut done: Vec<&Step> = Vec::new();
        for step in steps {
            if let Err(failed) = take(&mut self.client, step) {
                for back in done.iter().rev().flat_map(|step| step.back()) {
                    if let Err(error) = take(&mut self.client, &back) {
                        tracing::warn!(%error, step = %back, "a step could not be taken back");
                    }
                }
                return Err(error(failed));
            }
            done.push(step);
        }
        Ok(())
    }

    /// After a refusal: if someone has changed the kernel behind our back, the changes are made to what there is now.
    fn apply_again(&mut self, changes: &[Change], refused: Error) -> Result<(), Error> {
        let kernel = self.kernel.as_ref();
        let believed = kernel.map(Kernel::state).unwrap_or_default();
        let others = kernel.map(|it| it.others.clone()).unwrap_or_default();
        let now = self.refresh()?;
        let actual = now.state();
        if actual == believed && now.others == others {
            return Err(refused);
        }
        tracing::warn!(error = %refused, "IPVS was changed by someone else meanwhile");
        let mut wanted = believed;
        evenkeel_core::diff::apply(&mut wanted, changes);
        self.apply_once(&evenkeel_core::diff::diff(&actual, &wanted))
    }
}

/// What each service is to be, with the steps to it; removals come last.
type Planned = Vec<(ServiceKey, Option<form::Held>, Vec<Step>)>;

fn planned(kernel: &Kernel, wanted: &Wanted<'_>) -> Result<Planned, Error> {
    let mut planned = Planned::new();
    for (key, service) in &wanted.services {
        let now = kernel.services.get(key);
        let then = service.map(|service| form::wanted(key, service, now));
        if let Some(then) = &then
            && kernel.others.contains(&then.service.key)
        {
            return Err(Error::Invalid(format!(
                "{key}: another program's IPVS service has this address; remove it (ipvsadm -D)"
            )));
        }
        let steps = steps::between(now, then.as_ref());
        planned.push((*key, then, steps));
    }
    planned.sort_by_key(|(_, then, _)| then.is_none());
    Ok(planned)
}

/// Takes one step. What is to be removed and is gone is no failure.
fn take(client: &mut Client, step: &Step) -> Result<(), evenkeel_ipvs::Error> {
    tracing::debug!(%step, "ipvs");
    let gone = |outcome| match outcome {
        Err(evenkeel_ipvs::Error::Refused { reason, .. }) if reason.is_missing() => Ok(()),
        other => other,
    };
    match step {
        Step::AddService(service) => client.add_service(service),
        Step::SetService { then, .. } => client.set_service(then),
        Step::DeleteService(held) => gone(client.delete_service(&held.service.key)),
        Step::Add(key, destination) => client.add_destination(key, destination),
        Step::Set { key, then, .. } => client.set_destination(key, then),
        Step::Delete(key, destination) => gone(client.delete_destination(key, destination.address)),
    }
}

/// Errors of IPVS as those of a data plane.
fn error(error: evenkeel_ipvs::Error) -> Error {
    match error {
        evenkeel_ipvs::Error::Refused { what, reason } => Error::Refused {
            source: match reason {
                Reason::Other(source) => source,
                words => words.to_io(),
            },
            what,
        },
        evenkeel_ipvs::Error::Io { what, source } => Error::Io { what, source },
        evenkeel_ipvs::Error::Absent(why) => Error::Io {
            what: "open IPVS".to_owned(),
            source: io::Error::new(io::ErrorKind::Unsupported, why),
        },
        garbled @ evenkeel_ipvs::Error::Garbled(_) => Error::Garbled(garbled.to_string()),
    }
}

impl DataPlane for Ipvs {
    fn name(&self) -> &'static str {
        "ipvs"
    }

    fn kind(&self) -> DataPlaneKind {
        DataPlaneKind::Ipvs
    }

    fn asks(&mut self) -> Result<(), String> {
        Err("the ipvs data plane does not ask about connections yet".to_owned())
    }

    fn probe(&mut self) -> Result<Probe, Error> {
        let asks = self.asks();
        Ok(probe::probe(&mut self.client, &asks))
    }

    fn read(&mut self) -> Result<State, Error> {
        Ok(self.refresh()?.state())
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), Error> {
        match self.apply_once(changes) {
            Err(refused @ Error::Refused { .. }) => self.apply_again(changes, refused),
            other => other,
        }
    }

    fn counters(&mut self) -> Result<BTreeMap<BackendId, Counters>, Error> {
        let counts = self.connections()?.unwrap_or_default().into_iter();
        let counts = counts.map(|(id, it)| (id, it.total));
        Ok(self
            .counting
            .gone()
            .chain(counts)
            .map(|(id, connections)| (id, Counters { connections }))
            .collect())
    }

    fn connections(&mut self) -> Result<Option<BTreeMap<BackendId, Counts>>, Error> {
        self.known()?;
        let kernel = self.kernel.get_or_insert_default();
        let counts = self.counting.all(&mut self.client, &kernel.services);
        counts.map(Some).map_err(error)
    }

    fn kill_flows(&mut self, _backend: BackendId) -> Result<(), Error> {
        sysctl::switch_on(
            sysctl::EXPIRE_NODEST,
            "flows of a removed server end at their next packet, and are spread anew",
        )
    }

    fn clear(&mut self) -> Result<(), Error> {
        let kernel = self.refresh()?;
        let gone: Vec<Step> = kernel
            .services
            .values()
            .cloned()
            .map(Step::DeleteService)
            .collect();
        self.kernel = None;
        self.run(gone.iter())?;
        self.counting = Counting::default();
        Ok(())
    }
}
