//! The task that keeps the director's addresses as configured and knows its networks and interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::director::Input;
use evenkeel_core::model::{Assign, Model, Offload};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::{error, warn};

use evenkeel_addresses::{AddressError, AddressWatch, Addresses, hairpin_networks};

/// Wait before another attempt after a failure, and before a look that nothing asked for.
const AGAIN: Duration = Duration::from_secs(30);

/// Interfaces of the short way at most: more than these are on machines with a network of containers, and the kernel cannot list a
/// flowtable that has very many.
const MOST: usize = 512;

#[derive(Debug, Clone, Default)]
struct Wanted {
    assign: BTreeSet<Assign>,
    servers: BTreeSet<IpAddr>,
    /// Whether the kernel is ready for connections to the services' addresses.
    ready: bool,
    /// Whether established flows are to take the short way.
    offload: bool,
    /// Whether all this is known yet.
    configured: bool,
}

/// The task; ends when this is dropped.
pub(crate) struct Network {
    wanted: watch::Sender<Wanted>,
    /// Whether the data plane has a short way for established flows.
    offloads: bool,
    problem: Arc<Mutex<Option<String>>>,
    task: AbortHandle,
}

impl Network {
    /// Starts it; once it is configured, the networks on which servers are found are sent to `inputs`, and so are the interfaces of the short
    /// way. `offloads`: whether the data plane has one.
    pub(crate) fn start(inputs: mpsc::UnboundedSender<Input>, offloads: bool) -> Self {
        let (wanted, receiver) = watch::channel(Wanted::default());
        let problem = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&problem);
        let task = tokio::spawn(async move {
            let mut task = Task {
                wanted: receiver,
                inputs,
                problem: shared,
                offloadable: BTreeMap::new(),
                many: false,
            };
            loop {
                let Err(error) = task.run().await;
                warn!(%error, "cannot look after addresses; trying again");
                task.note(Some(error.to_string()));
                tokio::time::sleep(AGAIN).await;
            }
        });
        Self {
            wanted,
            offloads,
            problem,
            task: task.abort_handle(),
        }
    }

    /// What is configured.
    pub(crate) fn configure(&self, model: &Model) {
        self.wanted.send_modify(|wanted| {
            wanted.assign = model
                .services
                .iter()
                .filter_map(|s| s.assign.clone())
                .collect();
            wanted.servers = model
                .services
                .iter()
                .flat_map(|s| &s.servers)
                .map(|s| s.address.ip())
                .collect();
            wanted.offload = self.offloads && model.daemon.offload == Offload::Auto;
            wanted.configured = true;
        });
    }

    /// The kernel holds the services: their addresses may be put on the interfaces, and clients come. Before that they would be
    /// refused.
    pub(crate) fn ready(&self) {
        self.wanted
            .send_if_modified(|wanted| !std::mem::replace(&mut wanted.ready, true));
    }

    /// What is wrong, for `status`.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Task {
    wanted: watch::Receiver<Wanted>,
    inputs: mpsc::UnboundedSender<Input>,
    problem: Arc<Mutex<Option<String>>>,
    /// The interfaces of the short way that were told last, with their numbers.
    offloadable: BTreeMap<String, u32>,
    /// Whether there are too many of them.
    many: bool,
}

impl Task {
    /// Looks at the addresses whenever they, or what is wanted, may have changed.
    async fn run(&mut self) -> Result<std::convert::Infallible, AddressError> {
        let mut watch = AddressWatch::open()?;
        let mut addresses = Addresses::open()?;
        // What the kernel has stays until then.
        if self.wanted.wait_for(|it| it.configured).await.is_err() {
            std::future::pending::<()>().await;
        }
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            let mut problems = Vec::new();
            if wanted.ready {
                for failure in addresses.reconcile(&wanted.assign).await?.failures {
                    error!(error = %failure, "an address is not as configured");
                    problems.push(failure.to_string());
                }
            }
            self.note((!problems.is_empty()).then(|| problems.join("; ")));
            let networks = hairpin_networks(&addresses.list().await?, &wanted.servers);
            // Nobody listens any more when the daemon is ending.
            let _ = self.inputs.send(Input::Hairpin(networks));
            let offloadable = match wanted.offload {
                true => addresses.offloadable().await?,
                false => BTreeMap::new(),
            };
            self.tell(offloadable);
            tokio::select! {
                changed = watch.changed() => changed?,
                Ok(()) = self.wanted.changed() => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Tells the interfaces of the short way. One that disappeared and came back left the data plane by itself meanwhile, where nobody is
    /// told of it: so that is to be read again.
    fn tell(&mut self, mut interfaces: BTreeMap<String, u32>) {
        let many = interfaces.len() > MOST;
        if many {
            if !self.many {
                let interfaces = interfaces.len();
                warn!(
                    interfaces,
                    "established flows go the long way: there are more than {MOST} interfaces"
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

    fn note(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

#[cfg(test)]
mod tests;
