//! A scheduler is asked for a plan before anybody follows it.

use anyhow::Context as _;
use evenkeel_core::desired::{self, Usable};
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{PluginUse, Service};
use evenkeel_core::state::{BackendId, Spread};
use evenkeel_runtime::{Backend, SchedulerPlugin, ServiceContext};

/// Has an instance that is thrown away say whether its settings make sense with the servers as they are configured, has
/// it plan for them, and checks that plan as the director does, which follows it by `decision`. `None`: there is no plan,
/// and none is needed.
///
/// # Errors
/// How the plugin failed, why it refuses the servers, or why its plan cannot be used.
pub(super) fn rehearse(
    service: &Service,
    scheduler: &PluginUse,
    decision: Decision,
    plugin: &dyn SchedulerPlugin,
) -> anyhow::Result<Option<Spread>> {
    let context = ServiceContext {
        listener: Some(service.key),
        ..ServiceContext::trial(&service.name)
    };
    let mut scheduler = plugin.scheduler(&context, &scheduler.settings)?;
    let numbered = (1..).filter_map(BackendId::new).zip(&service.servers);
    let (backends, usable): (Vec<Backend>, Vec<Usable>) = numbered
        .map(|(id, server)| {
            let backend = Backend {
                labels: server.labels.clone().into_iter().collect(),
                ..Backend::new(id, &server.name, server.address, server.weight)
            };
            let usable = Usable {
                id,
                address: server.address,
                forward: server.forward,
                weight: server.weight,
                thresholds: (0, 0),
            };
            (backend, usable)
        })
        .unzip();
    if let Err(reason) = scheduler.validate(&backends)? {
        anyhow::bail!("plugin {}: {reason}", plugin.manifest().name);
    }
    scheduler.set_backends(&backends)?;
    let plan = scheduler.make_plan()?;
    desired::accept(&usable, &plan, decision).with_context(|| {
        let manifest = plugin.manifest();
        format!("plugin {} {}", manifest.name, manifest.version)
    })
}
