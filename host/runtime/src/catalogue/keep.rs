//! A later catalogue goes on with what an earlier one had.

use evenkeel_core::model::PluginRef;

use super::{Catalogue, Entry};

impl Catalogue {
    /// This plugin is the one that `before` had, whatever is in its file now, or in others of its name. Nothing changes
    /// where `before` had none that works.
    pub fn keep(&mut self, plugin: &PluginRef, before: &Self) {
        let loaded = |entry: &&Entry| entry.plugin().is_some();
        let Some(kept) = before.meant(plugin).into_iter().find(loaded).cloned() else {
            return;
        };
        match before.delegating.get(plugin) {
            Some(with) => self.delegating.insert(plugin.clone(), with.clone()),
            None => self.delegating.remove(plugin),
        };
        match plugin {
            PluginRef::File(file) => {
                self.files.insert(file.clone(), kept);
            }
            PluginRef::Name(name) => {
                let others = |it: &Entry| it.file != kept.file && !it.is_named(name);
                self.entries.retain(others);
                self.entries.push(kept);
            }
        }
    }

    /// Why this cannot be used, for people; `None`: it can.
    #[must_use]
    pub fn problem(&self, plugin: &PluginRef) -> Option<String> {
        use evenkeel_config::{Found, PluginCatalogue as _};
        if self.get(plugin).is_some() {
            return None;
        }
        Some(match self.find(plugin) {
            Found::Broken { reason } => reason,
            Found::Missing { .. } => "it is not there any more".to_owned(),
            Found::Ambiguous { files } => {
                format!("several files have this name: {}", files.join(", "))
            }
            Found::One { .. } => "it cannot be loaded".to_owned(),
        })
    }
}
