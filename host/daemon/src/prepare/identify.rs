//! Which plugins a configuration names.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::model::{PluginRef, Service};
use evenkeel_runtime::catalogue::{Catalogue, Entry};

use super::identity::PluginIdentity;

/// By what the configuration calls them.
pub(super) type Identities = BTreeMap<PluginRef, Arc<PluginIdentity>>;

/// The identities of the services' schedulers, first and second. Those in `known` that are the same are kept.
pub(super) fn identify(
    services: &[Service],
    catalogue: &Catalogue,
    known: &Identities,
) -> Identities {
    let mut used = Identities::new();
    let seconds = services.iter().filter_map(|it| it.second.as_ref());
    let seconds = seconds.map(|it| &it.scheduler.plugin);
    for name in (services.iter().map(|it| &it.scheduler.plugin)).chain(seconds) {
        if used.contains_key(name) {
            continue;
        }
        // What stands in for a broken plugin has none.
        let Some(plugin) = catalogue.get(name) else {
            continue;
        };
        let signature = catalogue.signature(name).cloned().unwrap_or_default();
        let same = known.get(name).filter(|it| it.is(&plugin));
        let identity = match same {
            Some(same) if same.signature == signature => Arc::clone(same),
            _ => {
                let of_file = catalogue.entry(name).and_then(Entry::sha256);
                let mut new = PluginIdentity::new(&plugin, of_file, signature);
                // It may have been signed since.
                new.loaded_at = same.map_or(new.loaded_at, |it| it.loaded_at);
                Arc::new(new)
            }
        };
        used.insert(name.clone(), identity);
    }
    used
}
