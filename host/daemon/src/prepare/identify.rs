//! Which plugin decides for each service of a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::model::{PluginRef, ServiceKey};
use evenkeel_runtime::catalogue::{Catalogue, Entry};

use super::identity::PluginIdentity;
use super::ready::Prepared;

/// By what the configuration calls them.
pub(super) type Identities = BTreeMap<PluginRef, Arc<PluginIdentity>>;

/// The identity of each service's scheduler. Those in `known` that are the same are kept.
pub(super) fn identify(prepared: &mut Prepared, catalogue: &Catalogue, known: &mut Identities) {
    let mut used = Identities::new();
    let mut of_services: BTreeMap<ServiceKey, Arc<PluginIdentity>> = BTreeMap::new();
    for service in &prepared.model.services {
        let name = &service.scheduler.plugin;
        if let Some(identity) = used.get(name) {
            of_services.insert(service.key, Arc::clone(identity));
            continue;
        }
        // What stands in for a broken plugin has none.
        let Some(plugin) = catalogue.get(name) else {
            continue;
        };
        let same = known.get(name).filter(|it| it.is(&plugin));
        let identity = same.cloned().unwrap_or_else(|| {
            let of_file = catalogue.entry(name).and_then(Entry::sha256);
            Arc::new(PluginIdentity::new(plugin, of_file))
        });
        of_services.insert(service.key, Arc::clone(&identity));
        used.insert(name.clone(), identity);
    }
    prepared.identities = of_services;
    *known = used;
}
