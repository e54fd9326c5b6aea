//! From a configuration file to all that the daemon needs to run it. Whatever can fail fails here, before anything is
//! touched.

pub mod keepalived;

mod emptied;
mod identify;
mod identity;
mod ready;
mod rehearsal;
mod rescan;
mod second;
mod source;
mod trust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use evenkeel_config::{Parsed, Report};
pub use evenkeel_core::director::NewScheduler;
use evenkeel_core::manifest::{PluginKind, Setting};
use evenkeel_core::model::{
    DataPlaneKind, Grant, Model, PluginRef, PluginUse, Service, ServiceKey,
};
use evenkeel_runtime::catalogue::Catalogue;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::wasm::{CacheUse, Host, WasmConfig, WasmRuntime};
use evenkeel_runtime::{
    Checker, Plugin, PluginRuntime as _, Rights, SchedulerPlugin, ServiceContext,
};

use crate::check_commands::CheckCommands;
use crate::machine::Machine;
pub use emptied::Emptied;
use emptied::Held;
use identify::Identities;
pub use identity::PluginIdentity;
pub use ready::{Prepared, ReadyCheck, Rescanned, ServerChecks};
use source::ConfigText;
pub use source::{ConfigSource, plugin_dirs, read};
pub use trust::read as trust_of;

/// The plugin and settings of each service's scheduler.
pub(crate) type InForce = BTreeMap<ServiceKey, (Arc<dyn SchedulerPlugin>, Vec<Setting>)>;

/// Where plugins come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginPlaces {
    /// Whose `*.wasm` are plugins.
    pub directories: Vec<PathBuf>,
    /// That the configuration names one by one.
    pub files: Vec<PathBuf>,
}

/// By plugin and settings.
type Checkers = BTreeMap<String, (Arc<dyn Plugin>, Arc<dyn Checker>)>;

/// Loads configurations; keeps what the next one can use again.
pub struct Preparer {
    source: ConfigSource,
    /// What [`Self::new`] has read, for the first [`Self::prepare`].
    first: Option<ConfigText>,
    /// What the last configuration was made of.
    text: Option<ConfigText>,
    /// Where the plugins of the last configuration come from.
    places: PluginPlaces,
    /// Whether new schedulers are asked for a plan before anything changes.
    rehearses: bool,
    runtime: WasmRuntime,
    native: NativeRuntime,
    catalogue: Catalogue,
    machine: Machine,
    checkers: Checkers,
    identities: Identities,
    /// What the last configuration has.
    held: Held,
    /// Whether a broken plugin is to cost only the services that name it: at the start of the daemon, when there is no
    /// configuration that could stay in force.
    starts: bool,
    /// Whether what works is noted, for a start on which it does not.
    keeps_good: bool,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The file is wrong.
    #[error("{}", .0.render())]
    Config(Report),
    /// There is nothing in it, while something runs.
    #[error(transparent)]
    Emptied(#[from] Emptied),
    /// It cannot be read, or a plugin does not work with it.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl Preparer {
    /// Reads what the daemon needs to start at all: its own settings.
    ///
    /// # Errors
    /// When the file cannot be read or no plugin runtime can be made. Mistakes in the file are reported by
    /// [`Self::prepare`].
    pub fn new(source: ConfigSource) -> Result<Self, PrepareError> {
        Ok(Self {
            starts: true,
            keeps_good: true,
            ..Self::with_cache(source, CacheUse::Own)?
        })
    }

    /// As [`Self::new`], for a command: the daemon's cache is used as far as this user may.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_command(source: ConfigSource) -> Result<Self, PrepareError> {
        Self::with_cache(source, CacheUse::Borrowed)
    }

    /// As [`Self::for_command`]; but root, as whom the daemon runs, makes the cache if there is none, so that the
    /// daemon's first start finds the plugins compiled.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_check(source: ConfigSource) -> Result<Self, PrepareError> {
        let mut preparer = Self::with_cache(source, cache_of_command)?;
        preparer.rehearses();
        Ok(preparer)
    }

    /// From now on every new scheduler is asked for a plan for the servers that are configured, before anything changes.
    /// Not so at the start of a daemon, where there is nothing to keep: a service whose scheduler fails then has its
    /// servers take turns, and the others run.
    pub fn rehearses(&mut self) {
        self.rehearses = true;
    }

    fn with_cache(
        source: ConfigSource,
        cache: impl FnOnce(PathBuf) -> CacheUse,
    ) -> Result<Self, PrepareError> {
        let text = ConfigText::read(&source.config).map_err(PrepareError::Other)?;
        let parsed = text.parse();
        let daemon = parsed.daemon();
        let config = WasmConfig {
            sandbox: daemon.sandbox,
            cache: cache(daemon.cache_dir.clone()),
        };
        let host = Host {
            compiler: source.compiler,
            sandboxes: daemon.plugin_sandboxes.clone(),
        };
        let runtime = WasmRuntime::with_host(config, host)
            .map_err(|error| PrepareError::Other(error.into()))?;
        let machine = Machine::new(&daemon.table);
        Ok(Self {
            source,
            first: Some(text),
            text: None,
            places: PluginPlaces::default(),
            rehearses: false,
            runtime,
            native: NativeRuntime::new(),
            catalogue: Catalogue::default(),
            machine,
            checkers: BTreeMap::new(),
            identities: Identities::new(),
            held: Held::default(),
            starts: false,
            keeps_good: false,
        })
    }

    /// The machine is not looked at: whatever a kernel can do is taken to work.
    pub fn for_any_machine(&mut self) {
        self.machine.ignore();
    }

    /// Services are to be explained, also where the machine cannot do what they need.
    pub fn explains(&mut self) {
        self.machine.explain();
    }

    /// From now on the daemon has this data plane: a configuration that wants another one is refused.
    pub fn runs(&mut self, dataplane: DataPlaneKind) {
        self.machine.runs(dataplane);
    }

    /// Where files are looked at by [`Self::rescan`]: a plugin that is put there or is written anew may be another one.
    #[must_use]
    pub fn plugin_places(&self) -> PluginPlaces {
        self.places.clone()
    }

    /// Whether the first configuration may take the place of what an earlier daemon has left in the kernel.
    ///
    /// # Errors
    /// When it has no service, `services` are there, and it does not say that this is meant.
    pub fn replaces(&self, services: usize, first: &Model) -> Result<(), PrepareError> {
        let left = Held {
            services,
            instances: 0,
        };
        Ok(left.give_way_to(first, self.file())?)
    }

    /// The configuration file.
    pub fn file(&self) -> &Path {
        &self.source.config
    }

    /// Reads the configuration and makes everything that it needs. `in_force` tells the plugin and settings of the
    /// scheduler that a service has already.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or the first plugin that refuses its settings.
    pub fn prepare<'a>(
        &mut self,
        in_force: impl Fn(&ServiceKey) -> Option<(&'a Arc<dyn SchedulerPlugin>, &'a [Setting])>,
    ) -> Result<Prepared, PrepareError> {
        let before = self.catalogue.clone();
        let prepared = self.prepare_now(in_force);
        if prepared.is_err() {
            // What runs goes on with its plugins.
            self.catalogue = before;
        }
        prepared
    }

    fn prepare_now<'a>(
        &mut self,
        in_force: impl Fn(&ServiceKey) -> Option<(&'a Arc<dyn SchedulerPlugin>, &'a [Setting])>,
    ) -> Result<Prepared, PrepareError> {
        let text = match self.first.take() {
            Some(text) => text,
            None => ConfigText::read(&self.source.config).map_err(PrepareError::Other)?,
        };
        let parsed = text.parse();
        let named = parsed.plugin_refs();
        let trusted = trust::read(&parsed.daemon().plugin_trust, self.starts);
        self.catalogue
            .set_trust(trusted.map_err(PrepareError::Other)?);
        self.load_plugins(&parsed, &named);
        let places = self.places_of(&parsed);
        let (model, warnings) = parsed
            .resolve(&self.catalogue, &self.machine)
            .map_err(PrepareError::Config)?;
        self.held.give_way_to(&model, self.file())?;
        let mut prepared = Prepared {
            schedulers: BTreeMap::new(),
            seconds: BTreeMap::new(),
            identities: Vec::new(),
            checks: Vec::new(),
            warnings,
            model,
        };
        self.schedulers(&mut prepared, in_force)
            .map_err(PrepareError::Other)?;
        prepared.seconds = self
            .seconds(&prepared.model.services)
            .map_err(PrepareError::Other)?;
        self.checks(&mut prepared).map_err(PrepareError::Other)?;
        prepared.identities = self.identify(&prepared.model.services);
        if let Some(socket) = &self.source.socket {
            prepared.model.daemon.socket.clone_from(socket);
        }
        if let Some(state_dir) = &self.source.state_dir {
            prepared.model.daemon.state_dir.clone_from(state_dir);
        }
        self.held = Held::by(&prepared.model);
        self.starts = false;
        if self.keeps_good {
            self.keep_good(&named);
        }
        self.text = Some(text);
        self.places = places;
        Ok(prepared)
    }

    /// Looks at all plugins that there are, and loads those that the configuration names.
    fn load_plugins(&mut self, parsed: &Parsed, named: &[PluginRef]) {
        let dirs = plugin_dirs(parsed, &self.source.plugin_dirs);
        let mut catalogue = self.catalogue.rescan(&self.runtime, dirs);
        let trusted = &parsed.daemon().native_plugins;
        catalogue.load_native(&self.native, trusted);
        for entry in catalogue.entries().filter(|it| trusted.contains(&it.file)) {
            if let Err(reason) = entry.info() {
                tracing::warn!(file = %entry.file.display(), reason, "a native plugin cannot be used");
            }
        }
        for shadowed in catalogue.shadowed() {
            tracing::warn!(
                plugin = shadowed.name,
                file = %shadowed.file.display(),
                used = %shadowed.by.display(),
                "a plugin is not used: an earlier one of plugin_dirs has one of this name"
            );
        }
        catalogue.add_files(&self.runtime, named);
        catalogue.load(&self.runtime, named);
        if self.starts {
            catalogue.fall_back(&self.runtime, named);
        }
        self.catalogue = catalogue;
    }

    /// Notes which files work now.
    fn keep_good(&self, named: &[PluginRef]) {
        for plugin in named {
            let signature = self.catalogue.signature(plugin);
            if let Some((loaded, signature)) = self.catalogue.get(plugin).zip(signature) {
                self.runtime.keep_good(plugin, loaded.as_ref(), signature);
            }
        }
    }

    fn places_of(&self, parsed: &Parsed) -> PluginPlaces {
        let files = parsed.plugin_refs().into_iter();
        PluginPlaces {
            directories: plugin_dirs(parsed, &self.source.plugin_dirs).to_vec(),
            files: files
                .filter_map(|plugin| match plugin {
                    PluginRef::File(file) => Some(file),
                    PluginRef::Name(_) => None,
                })
                .collect(),
        }
    }

    fn plugin(&self, plugin: &PluginRef, kind: PluginKind) -> anyhow::Result<Arc<dyn Plugin>> {
        self.catalogue
            .get(plugin)
            .or_else(|| self.catalogue.stand_in(plugin, kind))
            .with_context(|| format!("bug: plugin {plugin} was resolved but is not there"))
    }

    fn schedulers<'a>(
        &self,
        prepared: &mut Prepared,
        in_force: impl Fn(&ServiceKey) -> Option<(&'a Arc<dyn SchedulerPlugin>, &'a [Setting])>,
    ) -> anyhow::Result<()> {
        for service in &prepared.model.services {
            let plugin: Arc<dyn SchedulerPlugin> =
                self.plugin(&service.scheduler.plugin, PluginKind::Scheduler)?;
            if in_force(&service.key).is_some_and(|(same, with)| {
                Arc::ptr_eq(same, &plugin) && with == service.scheduler.settings.as_slice()
            }) {
                continue;
            }
            if self.rehearses {
                rehearsal::rehearse(service, &service.scheduler, service.decision, &*plugin)
                    .with_context(|| format!("service {}", service.name))?;
            }
            let new = self
                .new_scheduler(service, plugin)
                .with_context(|| format!("service {}", service.name))?;
            prepared.schedulers.insert(service.key, new);
        }
        Ok(())
    }

    /// Which plugins these services' schedulers are.
    fn identify(&mut self, services: &[Service]) -> Vec<Arc<PluginIdentity>> {
        self.identities = identify::identify(services, &self.catalogue, &self.identities);
        self.identities.values().cloned().collect()
    }

    /// A configured instance for a service.
    fn new_scheduler(
        &self,
        service: &Service,
        plugin: Arc<dyn SchedulerPlugin>,
    ) -> anyhow::Result<NewScheduler> {
        let context = ServiceContext {
            listener: Some(service.key),
            ..ServiceContext::trial(&service.name)
        };
        let settings = service.scheduler.settings.clone();
        let scheduler = plugin.scheduler(&context, &settings)?;
        Ok(NewScheduler {
            plugin,
            settings,
            scheduler,
            saved: None,
        })
    }

    fn checks(&mut self, prepared: &mut Prepared) -> anyhow::Result<()> {
        let mut used = BTreeMap::new();
        for service in &prepared.model.services {
            for server in service
                .servers
                .iter()
                .filter(|server| !server.checks.is_empty())
            {
                let mut checks = Vec::with_capacity(server.checks.len());
                for check in &server.checks {
                    let (plugin, checker) = self
                        .checker(&check.plugin, &prepared.model.daemon.grants, &mut used)
                        .with_context(|| format!("service {}", service.name))?;
                    checks.push(ReadyCheck {
                        checker,
                        plugin: plugin.manifest().name.clone(),
                        shared: check.shared.clone(),
                        target: check.target,
                        timing: check.timing,
                    });
                }
                prepared.checks.push(ServerChecks {
                    service_name: service.name.clone(),
                    service: service.key,
                    server_name: server.name.clone(),
                    server: server.address,
                    required: server.required,
                    checks,
                });
            }
        }
        self.checkers = used;
        Ok(())
    }

    /// The checker for a plugin and settings: one that is in use already, if there is one.
    fn checker(
        &self,
        with: &PluginUse,
        grants: &BTreeMap<String, Grant>,
        used: &mut Checkers,
    ) -> anyhow::Result<(Arc<dyn Plugin>, Arc<dyn Checker>)> {
        let plugin = self.plugin(&with.plugin, PluginKind::Checker)?;
        let grant = grants.get(&plugin.manifest().name).cloned();
        let rights = Rights {
            grant: grant.unwrap_or_default(),
            commands: Some(Arc::new(CheckCommands)),
        };
        let name = format!("{with:?} {:?}", rights.grant);
        let known = used.get(&name).or_else(|| {
            self.checkers
                .get(&name)
                .filter(|(from, _)| Arc::ptr_eq(from, &plugin))
        });
        let both = match known {
            Some(both) => both.clone(),
            None => (
                Arc::clone(&plugin),
                plugin.checker_with(&with.settings, &rights)?,
            ),
        };
        used.insert(name, both.clone());
        Ok(both)
    }
}

/// How a command uses the daemon's cache: as far as this user may. Root, as whom the daemon runs, makes it if there is
/// none, so that the daemon's first start finds what the command has compiled.
#[must_use]
pub fn cache_of_command(directory: PathBuf) -> CacheUse {
    if nix::unistd::geteuid().is_root() && !directory.exists() {
        CacheUse::Own(directory)
    } else {
        CacheUse::Borrowed(directory)
    }
}
