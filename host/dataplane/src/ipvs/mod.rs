//! The data plane in the kernel's IP Virtual Server.
//!
//! IPVS spreads by weights and a scheduler of its own, so what it is told to hold is in the form of `evenkeel_core::follow::nearest`.
//!
//! What is different from nftables, for whoever relies on it:
//!
//! - The kernel takes one step at a time. A change that fails half way is taken back step by step; in between both states are mixed, though a
//!   service that stays always has servers.
//! - Changing a service's *scheduler* leaves it without one for a grace period of RCU ([`evenkeel_ipvs::Client::set_service`] has figures);
//!   new connections are refused meanwhile. Weights and servers change without such a gap.
//! - A refusal is an ICMP "port unreachable" for TCP, too: clients' `connect` fails with "connection refused" all the same.
//! - Packets of connections to a server that was removed are dropped, or end their connection ([`DataPlane::kill_flows`]); one that drains is
//!   kept by its connections.
//! - The kernel brings its statistics up to date every two seconds. What a server had in its last seconds before it was removed is counted only if
//!   it comes back while it still has connections.
//! - Asking and full NAT are iptables' rules, so they take processes when they change. Their dead-man switch (`xt_recent`) has whole seconds: a
//!   daemon that hangs is asked for one second more, where nftables has 150 ms. A dead one is not asked at all.
//!
//! - `form`: a service as the kernel holds it, and what that comes to; whose it is, and its backends' numbers. Pure.
//! - `steps`: from what is held to what is wanted, and back, since the kernel takes one step at a time. Pure.
//! - `known`: what the kernel is known to hold, and what it takes to change it. Pure.
//! - `rules`: full NAT and asking, which IPVS leaves to iptables.
//! - `read`, `counting`, `probe`, `sysctl`, `timeouts`: what is in the kernel.

mod counting;
mod form;
mod known;
mod probe;
mod read;
mod rules;
mod steps;
mod sysctl;
mod timeouts;

use std::collections::BTreeMap;
use std::io;

use evenkeel_core::connections::Counts;
use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::state::{BackendId, Change, Counters, State};
use evenkeel_ipvs::{Client, Reason};

use self::counting::Counting;
use self::known::Known;
use self::read::Services;
use self::rules::{Table, Tables};
use self::steps::Step;
use crate::check::Wanted;
use crate::{DataPlane, Error, Probe};

/// The data plane of one network namespace.
#[derive(Debug)]
pub struct Ipvs {
    kernel: Kernel,
    /// What the kernel holds; `None`: it has to be read.
    known: Option<Known>,
    counting: Counting,
}

/// The ways to the kernel.
#[derive(Debug)]
struct Kernel {
    client: Client,
    tables: Tables,
}

impl Kernel {
    /// Takes one step. What is to be removed and is gone is no failure.
    fn take(&mut self, step: &Step) -> Result<(), Error> {
        tracing::debug!(%step, "ipvs");
        let gone = |outcome| match outcome {
            Err(evenkeel_ipvs::Error::Refused { reason, .. }) if reason.is_missing() => Ok(()),
            other => other,
        };
        let client = &mut self.client;
        match step {
            Step::AddService(service) => client.add_service(service),
            Step::SetService { then, .. } => client.set_service(then),
            Step::DeleteService(held) => gone(client.delete_service(&held.service.key)),
            Step::Add(key, destination) => client.add_destination(key, destination),
            Step::Set { key, then, .. } => client.set_destination(key, then),
            Step::Delete(key, destination) => {
                gone(client.delete_destination(key, destination.address))
            }
            Step::Timeouts { then, .. } => client.set_timeouts(&timeouts::in_seconds(then)),
            Step::Rules { place, now, then } => return self.tables.write(*place, now, then),
        }
        .map_err(error)
    }

    /// Takes steps; if one fails, takes those before it back.
    fn run(&mut self, steps: &[Step]) -> Result<(), Error> {
        for (at, step) in steps.iter().enumerate() {
            let Err(failed) = self.take(step) else {
                continue;
            };
            let before = steps.get(..at).unwrap_or_default();
            for back in before.iter().rev().flat_map(Step::back) {
                if let Err(error) = self.take(&back) {
                    tracing::warn!(%error, step = %back, "a step could not be taken back");
                }
            }
            return Err(failed);
        }
        Ok(())
    }
}

impl Ipvs {
    /// The data plane in this thread's network namespace. Loads the module `ip_vs` where it has to, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Io`]; when the kernel has no IPVS it says what to do.
    pub fn new() -> Result<Self, Error> {
        let kernel = Kernel {
            client: Client::open().map_err(error)?,
            tables: Tables::default(),
        };
        Ok(Self {
            kernel,
            known: None,
            counting: Counting::default(),
        })
    }

    /// Reads the kernel, and keeps what it holds.
    fn refresh(&mut self) -> Result<&mut Known, Error> {
        let before = self.known.take();
        let ours = before.as_ref().map(Known::ours).unwrap_or_default();
        let services = before.as_ref().map(Known::services);
        let none = Services::new();
        let found =
            read::read(&mut self.kernel.client, services.unwrap_or(&none)).map_err(error)?;
        let rules = self.kernel.tables.read()?;
        Ok(self.known.insert(Known::new(found, rules, ours)))
    }

    /// Makes changes to what the kernel was last known to hold.
    fn apply_once(&mut self, changes: &[Change]) -> Result<(), Error> {
        if self.known.is_none() {
            self.refresh()?;
        }
        let Some(known) = &mut self.known else {
            return Ok(());
        };
        let wanted = Wanted::new(DataPlaneKind::Ipvs, changes, |id| known.owner(id))?;
        let plan = known.plan(&wanted)?;
        for table in &plan.tables {
            rules::able(*table).map_err(Error::Invalid)?;
        }
        if plan.tracks() {
            sysctl::switch_on(
                sysctl::CONNTRACK,
                "rules for snat, hairpin and asking have to see IPVS's connections",
            )?;
        }
        let client = &mut self.kernel.client;
        let left = self.counting.leaving(client, &plan.now, &plan.then);
        self.kernel.run(&plan.steps)?;
        let client = &mut self.kernel.client;
        self.counting.moved(client, left, &plan.now, &plan.then);
        known.done(plan);
        Ok(())
    }

    /// After a refusal: if someone has changed the kernel behind our back, the changes are made to what there is now.
    fn apply_again(&mut self, changes: &[Change], refused: Error) -> Result<(), Error> {
        let known = self.known.as_ref();
        let believed = known.map(Known::state).unwrap_or_default();
        let others = known.map(|it| it.others().clone()).unwrap_or_default();
        let now = self.refresh()?;
        let actual = now.state();
        if actual == believed && *now.others() == others {
            return Err(refused);
        }
        tracing::warn!(error = %refused, "IPVS was changed by someone else meanwhile");
        let mut wanted = believed;
        evenkeel_core::diff::apply(&mut wanted, changes);
        self.apply_once(&evenkeel_core::diff::diff(&actual, &wanted))
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
        rules::able(Table::Mangle)
    }

    fn masquerades(&mut self) -> Result<(), String> {
        rules::able(Table::Nat)
    }

    fn probe(&mut self) -> Result<Probe, Error> {
        Ok(probe::probe(&mut self.kernel.client))
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
        let counts = self.counting.gone().chain(counts);
        Ok(counts
            .map(|(id, connections)| (id, Counters { connections }))
            .collect())
    }

    fn connections(&mut self) -> Result<Option<BTreeMap<BackendId, Counts>>, Error> {
        if self.known.is_none() {
            self.refresh()?;
        }
        let Some(known) = &self.known else {
            return Ok(None);
        };
        let counts = self.counting.all(&mut self.kernel.client, known.held());
        let mut counts = counts.map_err(error)?;
        counts.retain(|id, _| known.owner(*id).is_some());
        Ok(Some(counts))
    }

    fn kill_flows(&mut self, _backend: BackendId) -> Result<(), Error> {
        sysctl::switch_on(
            sysctl::EXPIRE_NODEST,
            "flows of a removed server end at their next packet, and are spread anew",
        )
    }

    fn clear(&mut self) -> Result<(), Error> {
        let steps = self.refresh()?.clear();
        self.known = None;
        self.kernel.run(&steps)?;
        self.counting = Counting::default();
        Ok(())
    }
}
