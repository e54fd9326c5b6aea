//! The data plane in the kernel's IP Virtual Server.
//!
//! IPVS spreads by weights and a scheduler of its own, so what it is told to hold is in the form of
//! `evenkeel_core::approximate::approximate`.
//!
//! What is different from nftables, for whoever relies on it:
//!
//! - The kernel takes one step at a time. A change that fails half way is taken back step by step; in between both
//!   states are mixed, though a service that stays always has servers.
//! - Changing a service's *scheduler* leaves it without one for a grace period of RCU
//!   ([`evenkeel_ipvs::Client::set_service`] has figures); new connections are refused meanwhile. Weights and servers
//!   change without such a gap.
//! - A refusal is an ICMP "port unreachable" for TCP, too: clients' `connect` fails with "connection refused" all the
//!   same.
//! - Packets of connections to a server that was removed are dropped, or end their connection
//!   ([`DataPlane::kill_flows`]); one that drains is kept by its connections.
//! - The kernel brings its statistics up to date every two seconds. What a server had in its last seconds before it was
//!   removed is counted only if it comes back while it still has connections.
//! - Queues and full NAT are iptables' rules, so they take processes when they change. Their dead-man switch
//!   (`xt_recent`) has whole seconds: a daemon that hangs gets connections for one second more, where nftables has 150
//!   ms. A dead one gets none.
//!
//! Files, each of which uses only those further down:
//!
//! - `planner`: from what is held to what is wanted. `record`: what the kernel is known to hold. `plan`, `steps`: what
//!   is to be done, and back, since the kernel takes one step at a time. Pure.
//! - `service`, `helper`: a service as the kernel is to hold it, and what belongs to a queued one. `identity`: whose it
//!   is, and its backends' numbers. `held`. Pure.
//! - `rules`: full NAT and queues, which IPVS leaves to iptables.
//! - `read`, `counting`, `probe`, `sysctl`, `timeouts`: what is in the kernel.

mod counting;
mod error;
mod held;
mod helper;
mod identity;
mod plan;
mod planner;
mod probe;
mod read;
mod record;
mod rules;
mod service;
mod steps;
mod sysctl;
mod timeouts;

use std::collections::BTreeMap;

use evenkeel_core::connections::Counts;
use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::state::{BackendId, Change, Counters, State};
use evenkeel_ipvs::Client;

use self::counting::Counting;
use self::error::error;
use self::held::Services;
use self::record::IpvsRecord;
use self::rules::{Table, Tables};
use self::steps::IpvsStep;
use crate::check::CheckedChanges;
use crate::{DataPlane, EarlierCount, Error, Probe};

/// The data plane of one network namespace.
#[derive(Debug)]
pub struct Ipvs {
    access: Access,
    /// What the kernel holds; `None`: it has to be read.
    known: Option<IpvsRecord>,
    counting: Counting,
}

/// The ways to the kernel.
#[derive(Debug)]
struct Access {
    client: Client,
    tables: Tables,
}

impl Access {
    /// Takes one step. What is to be removed and is gone is no failure.
    fn take(&mut self, step: &IpvsStep) -> Result<(), Error> {
        tracing::debug!(%step, "ipvs");
        let gone = |outcome| match outcome {
            Err(evenkeel_ipvs::Error::Refused { reason, .. }) if reason.is_missing() => Ok(()),
            other => other,
        };
        let client = &mut self.client;
        match step {
            IpvsStep::AddService(service) => client.add_service(service),
            IpvsStep::SetService { then, .. } => client.set_service(then),
            IpvsStep::DeleteService(held) => gone(client.delete_service(&held.service.key)),
            IpvsStep::Add(key, destination) => client.add_destination(key, destination),
            IpvsStep::Set { key, then, .. } => client.set_destination(key, then),
            IpvsStep::Delete(key, destination) => {
                gone(client.delete_destination(key, destination.address))
            }
            IpvsStep::Timeouts { then, .. } => return timeouts::write(client, then),
            IpvsStep::Rules { place, now, then } => return self.tables.write(*place, now, then),
        }
        .map_err(error)
    }

    /// Takes steps; if one fails, takes those before it back.
    fn run(&mut self, steps: &[IpvsStep]) -> Result<(), Error> {
        for (at, step) in steps.iter().enumerate() {
            let Err(failed) = self.take(step) else {
                continue;
            };
            let before = steps.get(..at).unwrap_or_default();
            for back in before.iter().rev().flat_map(IpvsStep::back) {
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
    /// The data plane in this thread's network namespace. Loads the module `ip_vs` where it has to, and changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Io`]; when the kernel has no IPVS it says what to do.
    pub fn new() -> Result<Self, Error> {
        let access = Access {
            client: Client::open().map_err(error)?,
            tables: Tables::default(),
        };
        Ok(Self {
            access,
            known: None,
            counting: Counting::default(),
        })
    }

    /// Reads the kernel, and keeps what it holds.
    fn refresh(&mut self) -> Result<&mut IpvsRecord, Error> {
        let before = self.known.take();
        let ours = before.as_ref().map(IpvsRecord::ours).unwrap_or_default();
        let services = before.as_ref().map(|it| &it.services);
        let none = Services::new();
        let found =
            read::read(&mut self.access.client, services.unwrap_or(&none)).map_err(error)?;
        let rules = self.access.tables.read()?;
        Ok(self.known.insert(IpvsRecord::new(found, rules, ours)))
    }

    /// Makes changes to what the kernel was last known to hold.
    fn apply_once(&mut self, changes: &[Change]) -> Result<(), Error> {
        if self.known.is_none() {
            self.refresh()?;
        }
        let Some(known) = &mut self.known else {
            return Ok(());
        };
        let wanted = CheckedChanges::new(DataPlaneKind::Ipvs, changes, |id| known.owner(id))?;
        let plan = planner::plan(known, &wanted)?;
        for table in &plan.tables {
            rules::supported(*table).map_err(Error::Invalid)?;
        }
        if plan.tracks() {
            sysctl::switch_on(
                sysctl::CONNTRACK,
                "rules for snat, hairpin and queues have to see IPVS's connections",
            )?;
        }
        let client = &mut self.access.client;
        let left = self.counting.leaving(client, &plan.now, &plan.then);
        self.access.run(&plan.steps)?;
        let client = &mut self.access.client;
        self.counting.moved(client, left, &plan.now, &plan.then);
        known.done(plan);
        Ok(())
    }

    /// After a refusal: if someone has changed the kernel behind our back, the changes are made to what there is now.
    fn apply_again(&mut self, changes: &[Change], refused: Error) -> Result<(), Error> {
        let known = self.known.as_ref();
        let believed = known.map(IpvsRecord::state).unwrap_or_default();
        let others = known.map(|it| it.others.clone()).unwrap_or_default();
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

impl DataPlane for Ipvs {
    fn name(&self) -> &'static str {
        "ipvs"
    }

    fn kind(&self) -> DataPlaneKind {
        DataPlaneKind::Ipvs
    }

    fn supports_queue(&mut self) -> Result<(), String> {
        rules::supported(Table::Mangle)
    }

    fn supports_full_nat(&mut self) -> Result<(), String> {
        rules::supported(Table::Nat)
    }

    fn probe(&mut self) -> Result<Probe, Error> {
        Ok(probe::probe(&mut self.access.client))
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

    fn beyond(&self) -> BTreeMap<BackendId, u64> {
        self.counting.beyond()
    }

    fn recall(&mut self, counts: &BTreeMap<BackendId, EarlierCount>) {
        let known = self.known.as_ref();
        let held = |id| known.is_some_and(|known| known.owner(id).is_some());
        self.counting.recall(counts, held);
    }

    fn connections(&mut self) -> Result<Option<BTreeMap<BackendId, Counts>>, Error> {
        if self.known.is_none() {
            self.refresh()?;
        }
        let Some(known) = &self.known else {
            return Ok(None);
        };
        let counts = self.counting.all(&mut self.access.client, known.held());
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
        self.access.run(&steps)?;
        self.counting = Counting::default();
        Ok(())
    }
}
