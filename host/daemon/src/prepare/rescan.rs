//! Other files in the plugin directories, while the configuration stays: plugins whose content is another one are loaded
//! beside those that run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evenkeel_core::director::NewSecond;
use evenkeel_core::model::{Model, PluginRef, Service};
use evenkeel_runtime::SchedulerPlugin;
use evenkeel_runtime::catalogue::Catalogue;

use super::ready::{Prepared, Rescanned};
use super::source::{ConfigText, plugin_dirs};
use super::{InForce, Preparer};

impl Preparer {
    /// Looks at the plugin directories again. `tried`: the scheduler that each service has, or that was refused last:
    /// that is not tried again.
    pub fn rescan(&mut self, tried: &InForce) -> Rescanned {
        let mut found = Rescanned {
            schedulers: Vec::new(),
            seconds: Vec::new(),
            identities: Vec::new(),
            checks: None,
            problems: BTreeMap::new(),
        };
        let Some(text) = self.text.take() else {
            return found;
        };
        let parsed = text.parse();
        let named = parsed.plugin_refs();
        let dirs = plugin_dirs(&parsed, &self.source.plugin_dirs);
        let mut new = self.catalogue.rescan(&self.runtime, dirs);
        new.add_files(&self.runtime, &named);
        new.load(&self.runtime, &named);
        let mut changed = BTreeSet::new();
        for plugin in &named {
            match (self.catalogue.get(plugin), new.get(plugin)) {
                (Some(before), Some(now))
                    if Arc::ptr_eq(&before, &now)
                        && self.catalogue.signature(plugin) == new.signature(plugin) => {}
                (_, Some(_)) => {
                    changed.insert(plugin.clone());
                }
                (before, None) => {
                    let problem = new.problem(plugin).filter(|_| before.is_some());
                    found
                        .problems
                        .extend(problem.map(|it| (plugin.clone(), it)));
                    new.keep(plugin, &self.catalogue);
                }
            }
        }
        if let Some((model, used)) = self.resolve_with(&text, new, &changed, &mut found.problems) {
            self.catalogue = used;
            self.ready(model, tried, &mut found);
        }
        self.text = Some(text);
        found
    }

    /// The configuration with as many of the plugins that have changed as it can have; without the others, if it cannot
    /// have them all. `None`: nothing has changed that can be used.
    fn resolve_with(
        &self,
        text: &ConfigText,
        new: Catalogue,
        changed: &BTreeSet<PluginRef>,
        problems: &mut BTreeMap<PluginRef, String>,
    ) -> Option<(Model, Catalogue)> {
        if changed.is_empty() {
            return None;
        }
        if let Ok((model, _)) = text.parse().resolve(&new, &self.machine) {
            return Some((model, new));
        }
        let mut refused = BTreeSet::new();
        for plugin in changed {
            let mut with = new.clone();
            for other in changed.iter().filter(|it| *it != plugin) {
                with.keep(other, &self.catalogue);
            }
            if let Err(report) = text.parse().resolve(&with, &self.machine) {
                let reason = "the configuration cannot have it";
                problems.insert(plugin.clone(), format!("{reason}: {}", report.render()));
                refused.insert(plugin);
            }
        }
        let mut with = new;
        for plugin in &refused {
            with.keep(plugin, &self.catalogue);
        }
        if refused.len() == changed.len() {
            return None;
        }
        match text.parse().resolve(&with, &self.machine) {
            Ok((model, _)) => Some((model, with)),
            Err(report) => {
                tracing::warn!(
                    "new plugins cannot be used together, and none is:\n{}",
                    report.render()
                );
                None
            }
        }
    }

    /// Where the second schedulers come from now; without those whose files are broken.
    fn seconds_of(&self, services: &[Service]) -> Vec<(Service, NewSecond)> {
        let seconds = services.iter().filter_map(|service| {
            let with = &service.second.as_ref()?.scheduler;
            let plugin: Arc<dyn SchedulerPlugin> = self.catalogue.get(&with.plugin)?;
            let settings = with.settings.clone();
            Some((service.clone(), NewSecond { plugin, settings }))
        });
        seconds.collect()
    }

    /// The instances that the new plugins are used by.
    fn ready(&mut self, model: Model, tried: &InForce, found: &mut Rescanned) {
        let mut prepared = Prepared {
            schedulers: BTreeMap::new(),
            seconds: BTreeMap::new(),
            identities: Vec::new(),
            checks: Vec::new(),
            warnings: Vec::new(),
            model,
        };
        let services = std::mem::take(&mut prepared.model.services);
        found.seconds = self.seconds_of(&services);
        for service in &services {
            let Some(plugin) = self.catalogue.get(&service.scheduler.plugin) else {
                continue;
            };
            let plugin: Arc<dyn SchedulerPlugin> = plugin;
            let same = tried.get(&service.key).is_some_and(|(before, settings)| {
                Arc::ptr_eq(before, &plugin) && *settings == service.scheduler.settings
            });
            if same {
                continue;
            }
            match self.new_scheduler(service, plugin) {
                Ok(new) => found.schedulers.push((service.clone(), new)),
                Err(error) => {
                    let problem = format!("service {}: {error:#}", service.name);
                    found
                        .problems
                        .insert(service.scheduler.plugin.clone(), problem);
                }
            }
        }
        found.identities = self.identify(&services);
        prepared.model.services = services;
        match self.checks(&mut prepared) {
            Ok(()) => found.checks = Some(prepared.checks),
            Err(error) => tracing::warn!("new checkers cannot be used: {error:#}"),
        }
    }
}
