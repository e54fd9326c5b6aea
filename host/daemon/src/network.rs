//! The services' addresses, and what the data plane has to know of this machine's networks and interfaces.
//!
//! ```text
//!  App --configure, in_kernel--> Network --services' addresses--> address manager (a thread)
//!                                   |                                |
//!                                   +--> task <---the machine--------+
//!                                         +--> inputs: networks of servers, interfaces for flowtable offload
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use evenkeel_addresses::{
    AddressError, AddressManager, ManagerReport, NetworkView, ServiceAddress, hairpin_networks,
};
use evenkeel_core::director::Input;
use evenkeel_core::model::{Assign, Model, Offload, ServiceKey};
use evenkeel_core::sync::InKernel;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::warn;

/// Interfaces for flowtable offload at most: more than these are on machines with a network of containers, and the
/// kernel cannot list a flowtable that has very many.
const MAX_OFFLOAD_INTERFACES: usize = 512;

/// What the task has to know of the configuration.
#[derive(Debug, Clone, Default)]
struct NetworkConfig {
    servers: BTreeSet<IpAddr>,
    /// Whether established flows are to be offloaded.
    offload: bool,
    /// Whether all this is known yet.
    configured: bool,
}

/// The task and the address manager; the task ends when this is dropped, the manager when its handles are.
pub(crate) struct Network {
    addresses: AddressManager,
    config: watch::Sender<NetworkConfig>,
    /// The services that have an address on an interface, or whose address is a virtual one.
    services: Vec<(ServiceKey, Option<Assign>)>,
    /// Which services the kernel has; `None`: not told yet.
    in_kernel: Option<BTreeMap<ServiceKey, InKernel>>,
    /// What the address manager was told last.
    claimed: Option<Vec<ServiceAddress>>,
    /// Whether the data plane can offload established flows.
    offloads: bool,
    problem: Arc<Mutex<Option<String>>>,
    task: AbortHandle,
}

impl Network {
    /// Starts it; once it is configured, the networks on which servers are found are sent to `inputs`, and so are the
    /// interfaces for flowtable offload. `offloads`: whether the data plane can offload.
    ///
    /// # Errors
    /// When the address manager cannot start.
    pub(crate) fn start(
        inputs: mpsc::UnboundedSender<Input>,
        offloads: bool,
    ) -> Result<Self, AddressError> {
        let (config, configs) = watch::channel(NetworkConfig::default());
        let (views, view) = watch::channel(None);
        let problem = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&problem);
        let addresses = AddressManager::start(move |report| match report {
            ManagerReport::Network(view) => drop(views.send(Some(view))),
            ManagerReport::Problem(problem) => *shared.lock() = problem,
        })?;
        let task = NetworkTask {
            config: configs,
            view,
            inputs,
            offloadable: BTreeMap::new(),
            many: false,
        };
        Ok(Self {
            addresses,
            config,
            services: Vec::new(),
            in_kernel: None,
            claimed: None,
            offloads,
            problem,
            task: tokio::spawn(task.run()).abort_handle(),
        })
    }

    /// The address manager, which VRRP needs, too.
    pub(crate) fn addresses(&self) -> AddressManager {
        self.addresses.clone()
    }

    /// What is configured.
    pub(crate) fn configure(&mut self, model: &Model) {
        let instances = model.vrrp.instances.iter();
        let virtual_ones: BTreeSet<IpAddr> = instances
            .flat_map(|instance| &instance.addresses)
            .map(|address| address.addr)
            .collect();
        let services = model.services.iter();
        self.services = services
            .filter(|it| it.assign.is_some() || virtual_ones.contains(&it.key.addr))
            .map(|it| (it.key, it.assign.clone()))
            .collect();
        self.claim();
        self.config.send_modify(|config| {
            config.servers = model
                .services
                .iter()
                .flat_map(|s| &s.servers)
                .map(|s| s.address.ip())
                .collect();
            config.offload = self.offloads && model.daemon.offload == Offload::Auto;
            config.configured = true;
        });
    }

    /// Which services the kernel has: their addresses may be put on the interfaces, and clients come. Before that they
    /// would be refused.
    pub(crate) fn in_kernel(&mut self, services: BTreeMap<ServiceKey, InKernel>) {
        self.in_kernel = Some(services);
        self.claim();
    }

    /// Tells the address manager which addresses may be there, if that is news.
    fn claim(&mut self) {
        let Some(in_kernel) = &self.in_kernel else {
            return;
        };
        let address = |(service, assign): &(ServiceKey, Option<Assign>)| ServiceAddress {
            service: *service,
            assign: assign.clone(),
            in_kernel: in_kernel.get(service).copied().unwrap_or(InKernel::NotYet),
        };
        let claims: Vec<ServiceAddress> = self.services.iter().map(address).collect();
        if self.claimed.as_ref() != Some(&claims) {
            self.claimed = Some(claims.clone());
            self.addresses.services(claims);
        }
    }

    /// What is wrong, for `status`.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells the director of the machine.
struct NetworkTask {
    config: watch::Receiver<NetworkConfig>,
    /// `None`: not known yet.
    view: watch::Receiver<Option<NetworkView>>,
    inputs: mpsc::UnboundedSender<Input>,
    /// The interfaces for offload that were told last, with their numbers.
    offloadable: BTreeMap<String, u32>,
    /// Whether there are too many of them.
    many: bool,
}

impl NetworkTask {
    /// Ends when nobody can configure it any more, or the address manager is gone.
    async fn run(mut self) {
        loop {
            self.tell();
            // Both keep what was not seen yet, so each may be cancelled.
            let changed = tokio::select! {
                changed = self.config.changed() => changed,
                changed = self.view.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn tell(&mut self) {
        let config = self.config.borrow_and_update().clone();
        let view = self.view.borrow_and_update().clone();
        let Some(view) = view.filter(|_| config.configured) else {
            return;
        };
        let networks = hairpin_networks(&view.addresses, &config.servers);
        // Nobody listens any more when the daemon is ending.
        let _ = self.inputs.send(Input::Hairpin(networks));
        self.tell_offloadable(match config.offload {
            true => view.offloadable,
            false => BTreeMap::new(),
        });
    }

    /// Tells the interfaces for offload. One that disappeared and came back left the data plane by itself meanwhile,
    /// where nobody is told of it: so that is to be read again.
    fn tell_offloadable(&mut self, mut interfaces: BTreeMap<String, u32>) {
        let many = interfaces.len() > MAX_OFFLOAD_INTERFACES;
        if many {
            if !self.many {
                let interfaces = interfaces.len();
                warn!(
                    interfaces,
                    "established flows take the slow path: there are more than {MAX_OFFLOAD_INTERFACES} interfaces"
                );
            }
            interfaces.clear();
        }
        self.many = many;
        let names = interfaces.keys().cloned().collect();
        let _ = self.inputs.send(Input::Offload(names));
        let is_new = |(name, index): (&String, &u32)| {
            let before = self.offloadable.get(name);
            before.is_some_and(|before| before != index)
        };
        if interfaces.iter().any(is_new) {
            let _ = self.inputs.send(Input::Touched);
        }
        self.offloadable = interfaces;
    }
}

#[cfg(test)]
mod tests;
