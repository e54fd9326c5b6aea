//! What a service's scheduler plans, and what the kernel makes of that.

use std::collections::BTreeMap;

use evenkeel_core::approximate::{KernelScheduler, approximate};
use evenkeel_core::desired::{Usable, accept, service_state};
use evenkeel_core::groups::layout;
use evenkeel_core::model::{DataPlaneKind, Service};
use evenkeel_core::plan::Plan;
use evenkeel_core::state::{BackendId, Spread};
use evenkeel_runtime::{Backend, PluginError, Scheduler};

/// The scheduler's plan for all servers, while they are up and have no connections.
pub(crate) struct Planned(Result<Option<Spread>, String>);

impl Planned {
    /// Asks the scheduler. Blocks for as long as the sandbox lets its calls take.
    pub(crate) fn ask(service: &Service, scheduler: &mut dyn Scheduler) -> Self {
        let usable = usable(service);
        let mut plan = || -> Result<Plan, PluginError> {
            scheduler.set_backends(&backends(service))?;
            scheduler.make_plan()
        };
        Self(plan().map_err(|error| error.to_string()).and_then(|plan| {
            accept(&usable, &plan, service.decision).map_err(|error| error.to_string())
        }))
    }

    #[cfg(test)]
    pub(super) fn of(service: &Service, plan: &Plan) -> Self {
        let accepted = accept(&usable(service), plan, service.decision);
        Self(accepted.map_err(|error| error.to_string()))
    }

    /// The plan, and what becomes of it.
    pub(super) fn lines(&self, service: &Service, dataplane: DataPlaneKind) -> Vec<String> {
        let plan = match &self.0 {
            Ok(plan) => plan,
            Err(why) => return vec![format!("it has no plan now: {why}")],
        };
        let usable = usable(service);
        let wanted = service_state(service.snat, &usable, plan.as_ref());
        let names: BTreeMap<BackendId, &str> = usable
            .iter()
            .zip(&service.servers)
            .map(|(usable, server)| (usable.id, server.name.as_str()))
            .collect();
        let name = |id: BackendId| names.get(&id).copied().unwrap_or_default().to_owned();
        let mut lines = match &wanted.spread {
            Spread::Refuse => {
                return vec!["new connections are refused: no server takes any".to_owned()];
            }
            Spread::Slots { selector, slots } => vec![format!(
                "with all servers up and no connections: {}",
                layout(*selector, slots, name)
            )],
            Spread::Groups(groups) => {
                let mut lines = vec!["with all servers up and no connections:".to_owned()];
                lines.extend(groups.lines(name));
                lines
            }
        };
        if dataplane == DataPlaneKind::Ipvs {
            let held = approximate(dataplane, &wanted);
            let weights: Vec<String> = held
                .backends
                .iter()
                .filter_map(|(id, backend)| Some(format!("{} {}", names.get(id)?, backend.weight)))
                .collect();
            if let Some(kernel) = KernelScheduler::of(&held.spread) {
                lines.push(format!(
                    "IPVS follows that by its scheduler {} with the weights {}",
                    kernel_name(kernel),
                    weights.join(", ")
                ));
            }
        }
        lines
    }
}

fn kernel_name(kernel: KernelScheduler) -> String {
    let port = match kernel {
        KernelScheduler::Sh { port } | KernelScheduler::Mh { port } => port,
        KernelScheduler::Rr | KernelScheduler::Wrr => false,
    };
    let name = kernel.name();
    if port {
        format!("{name} ({name}-port)")
    } else {
        name.to_owned()
    }
}

/// Numbers as in the order of the configuration.
fn ids() -> impl Iterator<Item = BackendId> {
    (1..).filter_map(BackendId::new)
}

fn usable(service: &Service) -> Vec<Usable> {
    let servers = service.servers.iter().zip(ids());
    servers
        .map(|(server, id)| Usable {
            id,
            address: server.address,
            forward: server.forward,
            weight: server.weight,
            thresholds: (
                server.upper_threshold.unwrap_or(0),
                server.lower_threshold.unwrap_or(0),
            ),
        })
        .collect()
}

fn backends(service: &Service) -> Vec<Backend> {
    let servers = service.servers.iter().zip(ids());
    servers
        .map(|(server, id)| Backend {
            labels: server.labels.clone().into_iter().collect(),
            ..Backend::new(id, &server.name, server.address, server.weight)
        })
        .collect()
}
