//! What the configuration is told about the plugins that it names.

use std::path::Path;

use evenkeel_config::{Found, PluginCatalogue};
use evenkeel_core::manifest::{PluginKind, Setting};
use evenkeel_core::model::{Needs, PluginRef};

use super::fallback::Fallback;
use super::{Catalogue, Entry};
use crate::{PluginInfo, ServiceContext};

impl PluginCatalogue for Catalogue {
    fn find(&self, plugin: &PluginRef) -> Found<'_> {
        if let Some(Fallback::LastGood { info, .. }) = self.fallbacks.get(plugin) {
            return found(info);
        }
        if let Some(Err(reason)) = self.delegating.get(plugin).map(|it| &it.together) {
            return Found::Broken {
                reason: reason.clone(),
            };
        }
        match plugin {
            PluginRef::File(file) => self.find_file(file),
            PluginRef::Name(name) => self.find_name(name),
        }
    }

    fn goes_without(&self, plugin: &PluginRef) -> bool {
        matches!(self.fallbacks.get(plugin), Some(Fallback::Nothing { .. }))
    }

    fn sha256(&self, plugin: &PluginRef) -> Option<String> {
        let sha256 = match self.get(plugin) {
            Some(loaded) if loaded.sha256().is_some() => loaded.sha256(),
            _ => self.entry(plugin).and_then(Entry::sha256),
        };
        sha256.map(|it| it.to_string())
    }

    fn needs(&self, plugin: &PluginRef) -> Needs {
        let loaded = self.get(plugin);
        loaded.map(|it| it.needs()).unwrap_or_default()
    }

    fn accept(
        &self,
        plugin: &PluginRef,
        kind: PluginKind,
        settings: &[Setting],
    ) -> Result<(), String> {
        let Some(plugin) = self.get(plugin) else {
            return Ok(());
        };
        let configured = match kind {
            PluginKind::Scheduler => {
                let trial = ServiceContext::trial("configuration");
                plugin.scheduler(&trial, settings).map(drop)
            }
            PluginKind::Checker => plugin.checker(settings).map(drop),
        };
        configured.map_err(|error| error.to_string())
    }
}

impl Catalogue {
    fn find_file(&self, file: &Path) -> Found<'_> {
        match self.file(file).map(Entry::info) {
            Some(Ok(info)) => found(info),
            Some(Err(reason)) => Found::Broken {
                reason: reason.to_owned(),
            },
            None => self.missing(vec![file.display().to_string()]),
        }
    }

    fn find_name(&self, name: &str) -> Found<'_> {
        let named = self.named_first(name);
        let first = named.first().and_then(|entry| entry.info().ok());
        match (first, named.as_slice()) {
            (Some(info), [_]) => found(info),
            (Some(_), several) => Found::Ambiguous {
                files: several
                    .iter()
                    .map(|entry| entry.file.display().to_string())
                    .collect(),
            },
            (None, _) => self.broken(name).unwrap_or_else(|| {
                let directories = self.directories.iter();
                self.missing(directories.map(|it| self.searched(it)).collect())
            }),
        }
    }

    /// A broken file that gives itself the name; or one that is called like the plugin, which is probably what was
    /// meant.
    fn broken(&self, name: &str) -> Option<Found<'_>> {
        let called = |entry: &&Entry| entry.file.file_stem().is_some_and(|stem| stem == name);
        self.named(name)
            .chain(self.with_names().filter(called))
            .find_map(|entry| {
                let reason = entry.info().err()?;
                Some(Found::Broken {
                    reason: format!("{}: {reason}", entry.file.display()),
                })
            })
    }

    /// A directory that was looked at, or why that was not possible.
    fn searched(&self, directory: &Path) -> String {
        let mut unreadable = self.unreadable.iter();
        let name = directory.display();
        match unreadable.find(|it| it.directory == directory) {
            None => name.to_string(),
            Some(it) if it.missing => format!("{name} (there is no such directory)"),
            Some(it) => format!("{name} (cannot be read: {})", it.reason),
        }
    }

    fn missing(&self, searched: Vec<String>) -> Found<'_> {
        let mut available: Vec<(String, PluginKind)> = self
            .with_names()
            .filter_map(|entry| entry.info().ok())
            .map(|info| (info.manifest.name.clone(), info.kind))
            .collect();
        available.sort();
        available.dedup();
        Found::Missing {
            available,
            searched,
        }
    }
}

fn found(info: &PluginInfo) -> Found<'_> {
    Found::One {
        kind: info.kind,
        manifest: &info.manifest,
    }
}
