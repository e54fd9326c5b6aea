//! Schedulers that leave groups of their plans to other schedulers ([`PlannedGroup::Delegate`]). Pure.
//!
//! The other scheduler is told of the group's servers alone, and its plan takes the group's place before anything else
//! sees the plan. It has its defaults for settings, and an instance of its own for each group, as long as the group is
//! left to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::flow::Flow;
use crate::manifest::{Abilities, Decision, Manifest, Setting};
use crate::metrics::PluginMetrics;
use crate::plan::{GroupTable, Plan, PlannedGroup};
use crate::plugin::{Failure, PluginError};
use crate::scheduler::{
    DirectorRole, Load, SavedState, Scheduler, SchedulerBackend, SchedulerPlugin, ServiceContext,
};
use crate::state::BackendId;

/// The schedulers that plans may name, by their names.
pub type Delegates = BTreeMap<String, Arc<dyn SchedulerPlugin>>;

/// What is wrong with a plugin as a delegate, as the end of a sentence about it.
///
/// # Errors
/// It is no scheduler, leaves groups to others itself, makes no plans, or cannot do without settings.
pub fn can_be_delegate(manifest: &Manifest) -> Result<(), String> {
    let Some(abilities) = &manifest.abilities else {
        return Err("is no scheduler".to_owned());
    };
    if !abilities.delegates.is_empty() {
        return Err("has delegates itself".to_owned());
    }
    if !abilities.decisions.contains(&Decision::Plan) {
        return Err("makes no plans".to_owned());
    }
    match manifest.settings.iter().find(|it| it.required) {
        Some(setting) => Err(format!("cannot do without the setting {}", setting.key)),
        None => Ok(()),
    }
}

/// What a plugin says about itself, with what its delegates want to know.
#[must_use]
pub fn with_delegates(manifest: &Manifest, delegates: &Delegates) -> Manifest {
    let mut manifest = manifest.clone();
    let others = delegates.values();
    let facts = others.filter_map(|it| it.manifest().abilities.as_ref());
    if let Some(Abilities { facts: own, .. }) = &mut manifest.abilities {
        *own = facts.fold(*own, |own, other| own.or(other.facts));
    }
    manifest
}

/// A scheduler with those that it may leave groups to.
pub struct DelegatingScheduler {
    inner: Box<dyn Scheduler>,
    delegates: Delegates,
    context: ServiceContext,
    backends: Vec<SchedulerBackend>,
    /// By the group's number.
    made: BTreeMap<usize, Made>,
}

/// A delegate at work.
struct Made {
    name: String,
    scheduler: Box<dyn Scheduler>,
    /// What it was told last.
    told: Vec<SchedulerBackend>,
}

impl DelegatingScheduler {
    /// A scheduler of that service, which has been configured.
    #[must_use]
    pub fn new(inner: Box<dyn Scheduler>, context: ServiceContext, delegates: Delegates) -> Self {
        Self {
            inner,
            delegates,
            context,
            backends: Vec::new(),
            made: BTreeMap::new(),
        }
    }

    /// What a delegate plans for a group; with when it is to be asked again. `None`: there is no such delegate.
    fn planned(
        &mut self,
        group: usize,
        name: &str,
        servers: &[BackendId],
    ) -> Result<Option<(PlannedGroup, Option<u32>)>, PluginError> {
        let Some(plugin) = self.delegates.get(name) else {
            return Ok(None);
        };
        let error = |answer: String| PluginError {
            plugin: plugin.manifest().name.clone(),
            version: plugin.manifest().version.clone(),
            failure: Failure::Answer(format!("as a delegate for group {group}: {answer}")),
        };
        let by_id: BTreeMap<BackendId, &SchedulerBackend> =
            self.backends.iter().map(|it| (it.id, it)).collect();
        let mut told = Vec::with_capacity(servers.len());
        for id in servers {
            match by_id.get(id) {
                Some(backend) => told.push((*backend).clone()),
                None => return Err(error(format!("backend {id} was not given"))),
            }
        }
        if self.made.get(&group).is_none_or(|it| it.name != name) {
            let scheduler = plugin.scheduler(&self.context, &defaults(plugin.manifest()))?;
            let made = Made {
                name: name.to_owned(),
                scheduler,
                told: Vec::new(),
            };
            self.made.insert(group, made);
        }
        let Some(made) = self.made.get_mut(&group) else {
            return Ok(None);
        };
        if made.told != told {
            made.scheduler.set_backends(&told)?;
            made.told = told;
        }
        let plan = made.scheduler.make_plan()?;
        let refresh = plan.refresh_ms();
        let planned = match plan {
            Plan::Table {
                slots, selector, ..
            } => PlannedGroup::Servers(GroupTable { slots, selector }),
            Plan::None => PlannedGroup::Refuse,
            Plan::PerConnection => return Err(error("it has no plan".to_owned())),
            Plan::Groups(_) => return Err(error("its plan has groups itself".to_owned())),
        };
        Ok(Some((planned, refresh)))
    }
}

/// What a plugin is configured with where nothing is said.
fn defaults(manifest: &Manifest) -> Vec<Setting> {
    let settings = manifest.settings.iter();
    settings
        .filter_map(|spec| {
            Some(Setting {
                key: spec.key.clone(),
                value: spec.default.clone()?,
            })
        })
        .collect()
}

impl Scheduler for DelegatingScheduler {
    fn set_role(&mut self, role: DirectorRole) -> Result<(), PluginError> {
        self.context.role = role;
        for made in self.made.values_mut() {
            made.scheduler.set_role(role)?;
        }
        self.inner.set_role(role)
    }

    fn validate(
        &mut self,
        backends: &[SchedulerBackend],
    ) -> Result<Result<(), String>, PluginError> {
        self.inner.validate(backends)
    }

    fn set_backends(&mut self, backends: &[SchedulerBackend]) -> Result<(), PluginError> {
        self.backends = backends.to_vec();
        self.inner.set_backends(backends)
    }

    fn set_loads(&mut self, loads: &[Load]) -> Result<(), PluginError> {
        let by_id: BTreeMap<BackendId, &Load> = loads.iter().map(|load| (load.id, load)).collect();
        for backend in &mut self.backends {
            if let Some(load) = by_id.get(&backend.id) {
                backend.facts = load.facts.clone();
            }
        }
        self.inner.set_loads(loads)
    }

    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        let mut plan = self.inner.make_plan()?;
        let Plan::Groups(groups) = &mut plan else {
            self.made.clear();
            return Ok(plan);
        };
        let mut left = std::mem::take(&mut groups.groups);
        let mut in_use = Vec::new();
        for (number, group) in left.iter_mut().enumerate() {
            let PlannedGroup::Delegate { scheduler, servers } = group else {
                continue;
            };
            let Some((planned, refresh)) = self.planned(number, scheduler, servers)? else {
                continue;
            };
            *group = planned;
            in_use.push(number);
            groups.refresh_ms = groups.refresh_ms.into_iter().chain(refresh).min();
        }
        groups.groups = left;
        self.made.retain(|number, _| in_use.contains(number));
        Ok(plan)
    }

    fn pick(&mut self, flow: &Flow) -> Result<Option<BackendId>, PluginError> {
        self.inner.pick(flow)
    }

    fn metrics(&self) -> Arc<PluginMetrics> {
        self.inner.metrics()
    }

    fn export_state(&mut self) -> Result<Option<SavedState>, PluginError> {
        self.inner.export_state()
    }

    fn import_state(&mut self, state: &SavedState) -> Result<Result<(), String>, PluginError> {
        self.inner.import_state(state)
    }
}

#[cfg(test)]
mod tests;
