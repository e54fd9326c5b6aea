//! The data plane of one table.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::model::{DataPlaneKind, Persistence, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Counters, State};

use super::apply;
use super::counters;
use super::feature_probe::{offload_support, queue_support};
use super::kill;
use super::nft;
use super::probe;
use super::remembered_client;
use super::table::{OurTable, PAUSES, TableState};
use super::watch::Watch;
use crate::remembered::Remembered;
use crate::{DataPlane, EarlierCount, Error, Probe, RememberedClient};

/// The longest name of a table: one that every version of `nft` takes.
const NAME: usize = 64;

/// The data plane of one table.
#[derive(Debug)]
pub struct Nftables {
    table: OurTable,
}

impl Nftables {
    /// The data plane of the table of this name (family `inet`) in this thread's network namespace. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that `nft` would not take; [`Error::Io`].
    pub fn new(table: &str) -> Result<Self, Error> {
        let sound = table.len() <= NAME
            && table.starts_with(|c: char| c.is_ascii_alphabetic())
            && table
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !sound {
            return Err(Error::Invalid(format!(
                "{table:?} cannot be a table's name: it takes up to {NAME} letters, digits, _ and -, a letter first"
            )));
        }
        let table = OurTable::open(table)?;
        Ok(Self { table })
    }

    /// The netlink port that the kernel names as the author of changes made here, except of those that `nft` makes.
    #[must_use]
    pub fn port_id(&self) -> u32 {
        self.table.socket.port()
    }

    /// A watch of the table, which tells our own changes from others'. It waits for up to `patience` at a time.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn watch(&self, patience: Duration) -> Result<Watch, Error> {
        Watch::open(&self.table.name, self.table.ourselves.clone(), patience)
    }

    /// Ends the flows of a backend as [`DataPlane::kill_flows`] does on kernels that delete no conntrack entry of an
    /// offloaded flow. For tests on newer kernels.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Refused`].
    #[doc(hidden)]
    pub fn kill_without_flowtable(&mut self, backend: BackendId) -> Result<(), Error> {
        kill::kill_without_flowtable(&mut self.table, backend)
    }
}

impl DataPlane for Nftables {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn kind(&self) -> DataPlaneKind {
        DataPlaneKind::Nftables
    }

    fn supports_queue(&mut self) -> Result<(), String> {
        queue_support().map(|_| ())
    }

    fn supports_offload(&mut self) -> Result<(), String> {
        offload_support()
    }

    fn probe(&mut self) -> Result<Probe, Error> {
        Ok(probe::probe())
    }

    fn read(&mut self) -> Result<State, Error> {
        Ok(self.table.refresh()?.state())
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), Error> {
        apply::apply(&mut self.table, changes)
    }

    fn counters(&mut self) -> Result<BTreeMap<BackendId, Counters>, Error> {
        let table = &mut self.table;
        let expected = match &table.state {
            TableState::Holds(layout) => layout.owners.len(),
            TableState::Unknown | TableState::Absent | TableState::Damaged => 0,
        };
        let mut counters = counters::all(&mut table.socket, &table.name)?;
        for pause in PAUSES {
            if counters.len() >= expected {
                break;
            }
            std::thread::sleep(pause);
            counters = counters::all(&mut table.socket, &table.name)?;
        }
        for (id, connections) in table.counts.iter() {
            counters.entry(id).or_insert(Counters { connections });
        }
        table.shown = counters
            .iter()
            .map(|(id, it)| (*id, it.connections))
            .collect();
        Ok(counters)
    }

    fn beyond(&self) -> BTreeMap<BackendId, u64> {
        self.table.counts.iter().collect()
    }

    fn recall(&mut self, counts: &BTreeMap<BackendId, EarlierCount>) {
        let table = &mut self.table;
        for (id, earlier) in counts {
            let held =
                matches!(&table.state, TableState::Holds(layout) if layout.owners.contains_key(id));
            // The kernel counts those that it holds.
            if !held {
                let count = earlier.connections.max(earlier.beyond);
                table.counts.put(*id, count.max(table.counts.get(*id)));
            }
        }
    }

    fn remembered(
        &mut self,
        service: &ServiceKey,
        persistence: Persistence,
        client: IpAddr,
    ) -> Result<Option<RememberedClient>, Error> {
        let OurTable { socket, name, .. } = &mut self.table;
        remembered_client::read(socket, name, service, persistence, client)
    }

    fn kill_flows(&mut self, backend: BackendId) -> Result<(), Error> {
        kill::kill_flows(&mut self.table, backend)
    }

    fn clear(&mut self) -> Result<(), Error> {
        nft::remove_table(&self.table.ourselves, &self.table.name)?;
        self.table.state = TableState::Absent;
        self.table.counts = Remembered::default();
        self.table.shown.clear();
        self.table.gone = None;
        Ok(())
    }
}
