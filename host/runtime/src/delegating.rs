//! Plugins that leave groups of their plans to other plugins: the scheduler with its delegates, as one plugin.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use evenkeel_core::delegation::{Delegates, DelegatingScheduler, can_be_delegate, with_delegates};
use evenkeel_core::manifest::{Manifest, PluginKind, Setting};

use crate::{
    Checker, Plugin, PluginError, Scheduler, SchedulerPlugin, ServiceContext, Sha256, Usage,
};

/// A scheduler with its delegates.
struct Delegating {
    plugin: Arc<dyn Plugin>,
    delegates: BTreeMap<String, Arc<dyn Plugin>>,
    /// With what the delegates want to know.
    manifest: Manifest,
}

/// The plugin, and with it those that its plans may name; itself, if there are none. `find`: a plugin by its name, or
/// why there is none.
///
/// # Errors
/// A delegate is not there, or cannot be one; as the end of a sentence about the plugin.
pub fn with<E: std::fmt::Display>(
    plugin: &Arc<dyn Plugin>,
    find: impl Fn(&str) -> Result<Arc<dyn Plugin>, E>,
) -> Result<Arc<dyn Plugin>, String> {
    let names = delegates_of(plugin.manifest());
    if names.is_empty() {
        return Ok(Arc::clone(plugin));
    }
    let mut delegates = BTreeMap::new();
    for name in names {
        let wrong = |why: String| format!("leaves servers to the scheduler {name}, which {why}");
        let delegate = find(name).map_err(|why| wrong(why.to_string()))?;
        can_be_delegate(delegate.manifest()).map_err(wrong)?;
        delegates.insert(name.clone(), delegate);
    }
    Ok(Arc::new(Delegating {
        manifest: with_delegates(plugin.manifest(), &as_schedulers(&delegates)),
        plugin: Arc::clone(plugin),
        delegates,
    }))
}

/// The names of a plugin's delegates.
#[must_use]
pub fn delegates_of(manifest: &Manifest) -> &[String] {
    let abilities = manifest.abilities.as_ref();
    abilities.map_or(&[], |it| &it.delegates)
}

fn as_schedulers(delegates: &BTreeMap<String, Arc<dyn Plugin>>) -> Delegates {
    delegates
        .iter()
        .map(|(name, plugin)| (name.clone(), Arc::clone(plugin) as Arc<dyn SchedulerPlugin>))
        .collect()
}

impl SchedulerPlugin for Delegating {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn scheduler(
        &self,
        context: &ServiceContext,
        settings: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError> {
        let inner = self.plugin.scheduler(context, settings)?;
        let delegates = as_schedulers(&self.delegates);
        Ok(Box::new(DelegatingScheduler::new(
            inner,
            context.clone(),
            delegates,
        )))
    }
}

impl Plugin for Delegating {
    fn kind(&self) -> PluginKind {
        self.plugin.kind()
    }

    fn contract(&self) -> &str {
        self.plugin.contract()
    }

    fn file(&self) -> &Path {
        self.plugin.file()
    }

    fn sha256(&self) -> Option<Sha256> {
        self.plugin.sha256()
    }

    fn usage(&self) -> Option<Usage> {
        self.plugin.usage()
    }

    fn checker_with(
        &self,
        settings: &[Setting],
        rights: &crate::Rights,
    ) -> Result<Arc<dyn Checker>, PluginError> {
        self.plugin.checker_with(settings, rights)
    }
}
