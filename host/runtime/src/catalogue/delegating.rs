//! Schedulers that leave groups of servers to others, which are loaded with them.

use std::collections::BTreeSet;
use std::sync::Arc;

use evenkeel_config::{Found, PluginCatalogue as _};
use evenkeel_core::model::PluginRef;

use super::Catalogue;
use super::with_delegates::WithDelegates;
use crate::delegating::{self, delegates_of};
use crate::{Plugin, PluginRuntime};

impl Catalogue {
    /// Loads the delegates of these plugins, which have been loaded, and puts them together. What is made of the same
    /// parts as before is the same plugin.
    pub(super) fn load_delegates(&mut self, runtime: &dyn PluginRuntime, plugins: &[&PluginRef]) {
        let before = std::mem::take(&mut self.delegating);
        let loaded: Vec<(&PluginRef, Arc<dyn Plugin>)> = plugins
            .iter()
            .filter_map(|plugin| Some((*plugin, self.get(plugin)?)))
            .filter(|(_, loaded)| !delegates_of(loaded.manifest()).is_empty())
            .collect();
        let names: BTreeSet<PluginRef> = loaded
            .iter()
            .flat_map(|(_, plugin)| delegates_of(plugin.manifest()))
            .map(|name| PluginRef::Name(name.clone()))
            .collect();
        let names: Vec<&PluginRef> = names.iter().collect();
        while self.load_meant(runtime, &names) {}
        for (reference, plugin) in loaded {
            let mut parts = vec![Arc::clone(&plugin)];
            let delegates = delegates_of(plugin.manifest()).iter();
            parts.extend(delegates.filter_map(|name| self.delegate(name).ok()));
            let same = before.get(reference).filter(|it| it.is_of(&parts));
            let with = match same {
                Some(same) if same.together.is_ok() => same.clone(),
                _ => WithDelegates {
                    together: self.together(&plugin),
                    parts,
                },
            };
            self.delegating.insert(reference.clone(), with);
        }
    }

    /// A plugin with its delegates, which have been loaded.
    pub(super) fn together(&self, plugin: &Arc<dyn Plugin>) -> Result<Arc<dyn Plugin>, String> {
        delegating::with(plugin, |name| self.delegate(name))
    }

    /// The scheduler of that name, or why there is none.
    fn delegate(&self, name: &str) -> Result<Arc<dyn Plugin>, String> {
        let reference = PluginRef::Name(name.to_owned());
        if let Some(plugin) = self.entry(&reference).and_then(|it| it.plugin()) {
            return Ok(Arc::clone(plugin));
        }
        Err(match self.find(&reference) {
            Found::Broken { reason } => format!("is broken: {reason}"),
            Found::Missing { searched, .. } => format!("is not in {}", searched.join(", ")),
            Found::Ambiguous { files } => format!("is in several files: {}", files.join(", ")),
            Found::One { .. } => "cannot be loaded".to_owned(),
        })
    }
}
