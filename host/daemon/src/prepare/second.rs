//! The second schedulers of a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use evenkeel_core::director::NewSecond;
use evenkeel_core::manifest::{Decision, PluginKind};
use evenkeel_core::merge;
use evenkeel_core::model::{Second, SecondRole, Service, ServiceKey};
use evenkeel_runtime::SchedulerPlugin;

use super::Preparer;
use super::rehearsal;

impl Preparer {
    /// Where the second scheduler of each service comes from that has one. No instance is made of it here, unless it is
    /// rehearsed: whatever fails in it at the start costs nothing but itself.
    ///
    /// # Errors
    /// In a rehearsal: how the plugin failed, why its plan cannot be used, or why it cannot be followed beside the first's.
    pub(super) fn seconds(
        &self,
        services: &[Service],
    ) -> anyhow::Result<BTreeMap<ServiceKey, NewSecond>> {
        let mut seconds = BTreeMap::new();
        for service in services {
            let Some(second) = &service.second else {
                continue;
            };
            let plugin: Arc<dyn SchedulerPlugin> =
                self.plugin(&second.scheduler.plugin, PluginKind::Scheduler)?;
            if self.rehearses {
                self.rehearse_second(service, second, &*plugin)
                    .with_context(|| format!("service {}: {}", service.name, second.role))?;
            }
            let new = NewSecond {
                plugin,
                settings: second.scheduler.settings.clone(),
            };
            seconds.insert(service.key, new);
        }
        Ok(seconds)
    }

    fn rehearse_second(
        &self,
        service: &Service,
        second: &Second,
        plugin: &dyn SchedulerPlugin,
    ) -> anyhow::Result<()> {
        let decision = match second.role {
            // One without a plan is none to compare, and does no harm.
            SecondRole::Shadow => Decision::PerConnection,
            SecondRole::Canary(_) => Decision::Plan,
        };
        let plan = rehearsal::rehearse(service, &second.scheduler, decision, plugin)?;
        let SecondRole::Canary(canary) = second.role else {
            return Ok(());
        };
        let first: Arc<dyn SchedulerPlugin> =
            self.plugin(&service.scheduler.plugin, PluginKind::Scheduler)?;
        // One that runs is not held up by what comes of it here.
        let first = rehearsal::rehearse(service, &service.scheduler, service.decision, &*first);
        if let (Ok(Some(first)), Some(plan)) = (first, plan) {
            let manifest = plugin.manifest();
            merge::merge(&first, &plan, canary.share)
                .with_context(|| format!("plugin {} {}", manifest.name, manifest.version))?;
        }
        Ok(())
    }
}
