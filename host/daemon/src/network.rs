//! The task that keeps the director's addresses as configured and knows its networks.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::model::{Assign, Model};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::{error, warn};

use crate::addresses::{AddressError, AddressWatch, Addresses, hairpin_networks};
use crate::director::Input;

/// Wait before another attempt after a failure, and before a look that nothing asked for.
const AGAIN: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Default)]
struct Wanted {
    assign: BTreeSet<Assign>,
    servers: BTreeSet<IpAddr>,
    /// Whether the kernel is ready for connections to the services' addresses.
    ready: bool,
}

/// The task; ends when this is dropped.
pub(crate) struct Network {
    wanted: watch::Sender<Wanted>,
    problem: Arc<Mutex<Option<String>>>,
    task: AbortHandle,
}

impl Network {
    /// Starts it; the networks on which servers are found are sent to `inputs`.
    pub(crate) fn start(inputs: mpsc::UnboundedSender<Input>) -> Self {
        let (wanted, receiver) = watch::channel(Wanted::default());
        let problem = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&problem);
        let task = tokio::spawn(async move {
            let mut task = Task {
                wanted: receiver,
                inputs,
                problem: shared,
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
}

impl Task {
    /// Looks at the addresses whenever they, or what is wanted, may have changed.
    async fn run(&mut self) -> Result<std::convert::Infallible, AddressError> {
        let mut watch = AddressWatch::open()?;
        let mut addresses = Addresses::open()?;
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
            tokio::select! {
                changed = watch.changed() => changed?,
                Ok(()) = self.wanted.changed() => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    fn note(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}
