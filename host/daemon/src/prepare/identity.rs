//! Which plugin decides for a service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_core::model::{PluginRef, ServiceKey};
use evenkeel_runtime::catalogue::{Catalogue, Entry};
use evenkeel_runtime::{Plugin, Sha256, Usage};

use super::ready::Prepared;

/// A plugin in use, as `status` shows it.
pub struct PluginIdentity {
    plugin: Arc<dyn Plugin>,
    sha256: Option<Sha256>,
    /// When it was loaded.
    pub loaded_at: SystemTime,
}

impl PluginIdentity {
    /// Version of the contract that it was built against.
    pub fn contract(&self) -> &str {
        self.plugin.contract()
    }

    /// Its file.
    pub fn file(&self) -> PathBuf {
        self.plugin.file().to_owned()
    }

    /// Of its file; `None` if that could not be read.
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256
    }

    /// `wasm` or `native`.
    pub fn runtime(&self) -> &'static str {
        let native = self.plugin.file().extension().is_some_and(|it| it == "so");
        if native { "native" } else { "wasm" }
    }

    /// What its instances take in all services, where that is counted.
    pub fn usage(&self) -> Option<Usage> {
        self.plugin.usage()
    }
}

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
        let same = known
            .get(name)
            .filter(|it| Arc::ptr_eq(&it.plugin, &plugin));
        let identity = same.cloned().unwrap_or_else(|| {
            let of_file = || catalogue.entry(name).and_then(Entry::sha256);
            Arc::new(PluginIdentity {
                sha256: plugin.sha256().or_else(of_file),
                plugin,
                loaded_at: SystemTime::now(),
            })
        });
        of_services.insert(service.key, Arc::clone(&identity));
        used.insert(name.clone(), identity);
    }
    prepared.identities = of_services;
    *known = used;
}
