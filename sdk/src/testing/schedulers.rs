//! Drives a scheduler.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::values;
use crate::backends::{Backend, BackendId, Counts, Flow, Protocol};
use crate::context::{Context, SavedState};
use crate::glue::{SchedulerGlue, SchedulerInstance};
use crate::manifest::{Manifest, SettingValue};
use crate::plan::{Plan, Table};
use crate::registered::{Registered, manifest};
use crate::scheduler::Scheduler;

/// A connection like any other, for schedulers that do not look at it: from 198.51.100.1 to 192.0.2.200:80 over TCP.
pub const FLOW: Flow = Flow {
    protocol: Protocol::Tcp,
    source: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 40_000),
    destination: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200)), 80),
};

/// A scheduler under test, in the place of the host.
pub struct SchedulerTest<S> {
    glue: SchedulerGlue<S>,
    backends: Vec<Backend>,
}

impl<S: Scheduler> SchedulerTest<S> {
    /// With these settings, and defaults for the rest.
    ///
    /// # Errors
    /// Settings that the plugin's description or the plugin itself refuses.
    pub fn new(settings: &[(&str, SettingValue)]) -> Result<Self, String> {
        let glue = SchedulerGlue::configure(values::<S::Settings>(settings)?)?;
        Ok(Self {
            glue,
            backends: Vec::new(),
        })
    }

    /// With default settings, and these usable servers: names, weights, open connections, closing ones.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn loaded(servers: &[(&str, u32, u32, u32)]) -> Result<Self, String> {
        let mut test = Self::new(&[])?;
        let weights: Vec<_> = servers.iter().map(|&(n, w, ..)| (n, w)).collect();
        test.backends(&weights);
        for &(name, _, active, inactive) in servers {
            let counts = Counts {
                active,
                inactive,
                ..Counts::default()
            };
            test.counts_of(name, counts);
        }
        Ok(test)
    }

    /// The usable servers from now on, as names with weights. A name keeps its number and its count of
    /// connections; the first name ever is number 1 at 192.0.2.1:80, and so on (192.0.2.0/24 and what
    /// follows it; RFC 5737).
    pub fn backends(&mut self, servers: &[(&str, u32)]) {
        let mut usable = Vec::new();
        for &(name, weight) in servers {
            let mut backend = self.known(name);
            backend.weight = weight;
            backend.configured_weight = weight;
            usable.push(backend);
        }
        self.glue.set_backends(usable);
    }

    /// The labels of a server that [`Self::backends`] has named, from the next call of that on.
    pub fn labels(&mut self, name: &str, labels: &[(&str, &str)]) {
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        let mut backend = self.known(name);
        backend.labels = labels.iter().map(owned).collect();
        self.backends.retain(|known| known.id != backend.id);
        self.backends.push(backend);
    }

    /// The virtual service that it works for.
    pub fn context(&mut self, context: Context) {
        self.glue.set_context(context);
    }

    /// Whether it takes these servers with its settings.
    ///
    /// # Errors
    /// Why it does not.
    pub fn validate(&self, servers: Vec<Backend>) -> Result<(), String> {
        self.glue.validate(servers)
    }

    /// What it hands to its successor.
    #[must_use]
    pub fn export_state(&self) -> Option<SavedState> {
        self.glue.export_state()
    }

    /// What its predecessor handed over.
    ///
    /// # Errors
    /// Why it does not take that.
    pub fn import_state(&mut self, state: SavedState) -> Result<(), String> {
        self.glue.import_state(state)
    }

    /// The servers from now on, in full: failed ones, too.
    pub fn set_backends(&mut self, servers: Vec<Backend>) {
        self.backends
            .retain(|known| servers.iter().all(|server| server.id != known.id));
        self.backends.extend(servers.iter().cloned());
        self.glue.set_backends(servers);
    }

    /// The numbers of open connections that have changed. Names that are not known are left out.
    pub fn loads(&mut self, loads: &[(&str, u32)]) {
        for &(name, active) in loads {
            if let Some(backend) = self
                .backends
                .iter_mut()
                .find(|backend| backend.name == name)
            {
                backend.counts.active = active;
                tell(&mut self.glue, backend);
            }
        }
    }

    /// All that changes about a server. A name that is not known is left out.
    pub fn counts_of(&mut self, name: &str, counts: Counts) {
        if let Some(backend) = self
            .backends
            .iter_mut()
            .find(|backend| backend.name == name)
        {
            backend.counts = counts;
            tell(&mut self.glue, backend);
        }
    }

    /// What a server's checks report. A name that is not known is left out.
    pub fn signals_of(&mut self, name: &str, signals: &[(&str, f64)]) {
        if let Some(backend) = self
            .backends
            .iter_mut()
            .find(|backend| backend.name == name)
        {
            let owned = |&(name, value): &(&str, f64)| (name.to_owned(), value);
            backend.signals = signals.iter().map(owned).collect();
            tell(&mut self.glue, backend);
        }
    }

    /// The plan, as it is.
    pub fn plan(&mut self) -> Plan {
        self.glue.make_plan()
    }

    /// The names in the plan's slots, in order. Empty if connections are refused.
    pub fn slots(&mut self) -> Vec<String> {
        let plan = self.plan();
        plan.as_table()
            .into_iter()
            .flat_map(Table::slots)
            .map(|id| self.name(id))
            .collect()
    }

    /// The number of slots that each name has in the plan; names without a slot are left out.
    pub fn counts(&mut self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        if let Plan::Table(table) = self.plan() {
            for run in table.runs {
                *counts.entry(self.name(run.id)).or_default() += run.width;
            }
        }
        counts
    }

    /// The name of the server picked for a connection.
    pub fn pick(&mut self, flow: &Flow) -> Option<String> {
        self.glue.pick(flow).map(|id| self.name(id))
    }

    /// The names of the servers picked for that many connections like [`FLOW`] one after the other, of which none
    /// ends; one that is refused adds nothing.
    pub fn picks(&mut self, count: usize) -> Vec<String> {
        (0..count).filter_map(|_| self.pick(&FLOW)).collect()
    }

    /// The name of a number; the number itself if it was never given out.
    fn name(&self, id: BackendId) -> String {
        let known = self.backends.iter().find(|backend| backend.id == id);
        known.map_or_else(|| format!("#{id}"), |backend| backend.name.clone())
    }

    /// What is known of that name; a new server if nothing is.
    fn known(&mut self, name: &str) -> Backend {
        if let Some(backend) = self.backends.iter().find(|backend| backend.name == name) {
            return backend.clone();
        }
        let number = self
            .backends
            .iter()
            .map(|backend| backend.id.get())
            .max()
            .unwrap_or(0)
            + 1;
        let ip = Ipv4Addr::from_bits(Ipv4Addr::new(192, 0, 2, 0).to_bits().wrapping_add(number));
        let backend = Backend::new(number, name, SocketAddr::new(ip.into(), 80), 1);
        self.backends.push(backend.clone());
        backend
    }
}

/// What a registered scheduler says about itself.
#[must_use]
pub fn scheduler_manifest<S: Scheduler + Registered>() -> Manifest {
    manifest::<S, S::Settings>()
}

impl<S> std::fmt::Debug for SchedulerTest<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchedulerTest")
            .field("backends", &self.backends)
            .finish_non_exhaustive()
    }
}

fn tell(glue: &mut dyn SchedulerInstance, backend: &Backend) {
    glue.set_load(backend.id, backend.counts, backend.signals.clone());
}
