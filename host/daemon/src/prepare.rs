//! From a configuration file to all that the daemon needs to run it. Whatever can fail fails here, before anything is touched.

pub mod keepalived;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use evenkeel_config::{self as config, Diagnostic, Found, Parsed, Plugins, Report};
pub use evenkeel_core::director::NewScheduler;
use evenkeel_core::manifest::{PluginKind, Setting};
use evenkeel_core::model::{
    CheckTiming, Daemon, DataPlaneKind, Model, PluginRef, PluginUse, ServiceKey,
};
use evenkeel_runtime::catalogue::Catalogue;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::wasm::{WasmConfig, WasmRuntime};
use evenkeel_runtime::{Checker, Plugin, PluginError, SchedulerPlugin};

use crate::plane::Machine;

/// Where a configuration comes from, and what takes the place of parts of it.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    /// The file: Evenkeel's own, or a keepalived.conf.
    pub config: PathBuf,
    /// Where plugins are looked for, in place of the file's `plugin_dirs`; empty: there.
    pub plugin_dirs: Vec<PathBuf>,
    /// The control socket, in place of the file's `socket`.
    pub socket: Option<PathBuf>,
}

/// A configuration with everything in place to put it in force.
pub struct Prepared {
    /// What the configuration asks for.
    pub model: Model,
    /// New schedulers, for services that need one.
    pub schedulers: BTreeMap<ServiceKey, NewScheduler>,
    /// The checkers of every server that has any.
    pub checks: Vec<ServerChecks>,
    /// Worth the operator's attention.
    pub warnings: Vec<Diagnostic>,
}

/// One server's checks.
pub struct ServerChecks {
    /// The service's name.
    pub service_name: String,
    /// The service.
    pub service: ServiceKey,
    /// The server's name.
    pub server_name: String,
    /// The server.
    pub server: SocketAddr,
    /// Its checks.
    pub checks: Vec<ReadyCheck>,
}

/// A check with its checker. Equal if a prober for the one can go on for the other.
#[derive(Clone)]
pub struct ReadyCheck {
    /// Who judges. The same for all checks with the same plugin and settings.
    pub checker: Arc<dyn Checker>,
    /// The plugin's name.
    pub plugin: String,
    /// What is checked.
    pub target: SocketAddr,
    /// When and how often.
    pub timing: CheckTiming,
}

impl PartialEq for ReadyCheck {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.checker, &other.checker)
            && self.target == other.target
            && self.timing == other.timing
    }
}

/// By plugin and settings.
type Checkers = BTreeMap<String, (Arc<dyn Plugin>, Arc<dyn Checker>)>;

/// Loads configurations; keeps what the next one can use again.
pub struct Preparer {
    source: ConfigSource,
    /// What [`Self::new`] has read, for the first [`Self::prepare`].
    parsed: Option<Parsed>,
    runtime: WasmRuntime,
    native: NativeRuntime,
    catalogue: Option<Catalogue>,
    machine: Machine,
    checkers: Checkers,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The file is wrong.
    #[error("{}", .0.render())]
    Config(Report),
    /// It cannot be read, or a plugin does not work with it.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl Preparer {
    /// Reads what is needed to start at all: the daemon's own settings.
    ///
    /// # Errors
    /// When the file cannot be read or no plugin runtime can be made. Mistakes in the file are reported by [`Self::prepare`].
    pub fn new(source: ConfigSource) -> Result<Self, PrepareError> {
        Self::with_cache(source, |daemon| Some(daemon.cache_dir.clone()))
    }

    /// As [`Self::new`], but compiled plugins are not kept.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn without_cache(source: ConfigSource) -> Result<Self, PrepareError> {
        Self::with_cache(source, |_| None)
    }

    fn with_cache(
        source: ConfigSource,
        cache_dir: impl FnOnce(&Daemon) -> Option<PathBuf>,
    ) -> Result<Self, PrepareError> {
        let parsed = read(&source.config).map_err(PrepareError::Other)?;
        let daemon = parsed.daemon();
        let runtime = WasmRuntime::new(WasmConfig {
            sandbox: daemon.sandbox,
            cache_dir: cache_dir(daemon),
        })
        .map_err(|error| PrepareError::Other(error.into()))?;
        let machine = Machine::new(&daemon.table);
        Ok(Self {
            source,
            parsed: Some(parsed),
            runtime,
            native: NativeRuntime::new(),
            catalogue: None,
            machine,
            checkers: BTreeMap::new(),
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

    /// The configuration file.
    pub fn file(&self) -> &Path {
        &self.source.config
    }

    /// Reads the configuration and makes everything that it needs. `in_force` tells the plugin and settings of the scheduler that a
    /// service has already.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or the first plugin that refuses its settings.
    pub fn prepare<'a>(
        &mut self,
        in_force: impl Fn(&ServiceKey) -> Option<(&'a Arc<dyn SchedulerPlugin>, &'a [Setting])>,
    ) -> Result<Prepared, PrepareError> {
        let parsed = match self.parsed.take() {
            Some(parsed) => parsed,
            None => read(&self.source.config).map_err(PrepareError::Other)?,
        };
        self.scan(&parsed);
        let asked = Asked {
            catalogue: self.catalogue.get_or_insert_with(Catalogue::default),
            machine: &self.machine,
        };
        let (model, warnings) = parsed.resolve(&asked).map_err(PrepareError::Config)?;
        let mut prepared = Prepared {
            schedulers: BTreeMap::new(),
            checks: Vec::new(),
            warnings,
            model,
        };
        self.schedulers(&mut prepared, in_force)
            .map_err(PrepareError::Other)?;
        self.checks(&mut prepared).map_err(PrepareError::Other)?;
        if let Some(socket) = &self.source.socket {
            prepared.model.daemon.socket.clone_from(socket);
        }
        Ok(prepared)
    }

    fn scan(&mut self, parsed: &Parsed) {
        let dirs = plugin_dirs(parsed, &self.source.plugin_dirs);
        let mut catalogue = match &self.catalogue {
            Some(catalogue) => catalogue.rescan(&self.runtime, dirs),
            None => Catalogue::scan(&self.runtime, dirs),
        };
        let trusted = &parsed.daemon().native_plugins;
        catalogue.load_native(&self.native, trusted);
        for entry in catalogue.entries().filter(|it| trusted.contains(&it.file)) {
            if let Err(reason) = &entry.plugin {
                tracing::warn!(file = %entry.file.display(), reason, "a native plugin cannot be used");
            }
        }
        catalogue.load_files(&self.runtime, &parsed.plugin_refs());
        self.catalogue = Some(catalogue);
    }

    fn plugin(&self, plugin: &PluginRef) -> anyhow::Result<Arc<dyn Plugin>> {
        self.catalogue
            .as_ref()
            .and_then(|catalogue| catalogue.get(plugin))
            .with_context(|| format!("bug: plugin {plugin} was resolved but is not there"))
    }

    fn schedulers<'a>(
        &self,
        prepared: &mut Prepared,
        in_force: impl Fn(&ServiceKey) -> Option<(&'a Arc<dyn SchedulerPlugin>, &'a [Setting])>,
    ) -> anyhow::Result<()> {
        for service in &prepared.model.services {
            let plugin: Arc<dyn SchedulerPlugin> = self.plugin(&service.scheduler.plugin)?;
            let settings = service.scheduler.settings.clone();
            if in_force(&service.key).is_some_and(|(same, with)| {
                Arc::ptr_eq(same, &plugin) && with == settings.as_slice()
            }) {
                continue;
            }
            let scheduler = plugin
                .scheduler(&service.name, &settings)
                .map_err(|error| in_service(&service.name, &error))?;
            prepared.schedulers.insert(
                service.key,
                NewScheduler {
                    plugin,
                    settings,
                    scheduler,
                },
            );
        }
        Ok(())
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
                        .checker(&check.plugin, &mut used)
                        .with_context(|| format!("service {}", service.name))?;
                    checks.push(ReadyCheck {
                        checker,
                        plugin: plugin.manifest().name.clone(),
                        target: check.target,
                        timing: check.timing,
                    });
                }
                prepared.checks.push(ServerChecks {
                    service_name: service.name.clone(),
                    service: service.key,
                    server_name: server.name.clone(),
                    server: server.address,
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
        used: &mut Checkers,
    ) -> anyhow::Result<(Arc<dyn Plugin>, Arc<dyn Checker>)> {
        let plugin = self.plugin(&with.plugin)?;
        let name = format!("{with:?}");
        let known = used.get(&name).or_else(|| {
            self.checkers
                .get(&name)
                .filter(|(from, _)| Arc::ptr_eq(from, &plugin))
        });
        let both = match known {
            Some(both) => both.clone(),
            None => (Arc::clone(&plugin), plugin.checker(&with.settings)?),
        };
        used.insert(name, both.clone());
        Ok(both)
    }
}

/// The catalogue, whose plugins are asked whether they take their settings while a mistake can still be shown in its place.
struct Asked<'a> {
    catalogue: &'a Catalogue,
    machine: &'a Machine,
}

impl Plugins for Asked<'_> {
    fn per_connection(&self, dataplane: DataPlaneKind) -> Result<(), String> {
        self.machine.asks(dataplane)
    }

    fn snat(&self, dataplane: DataPlaneKind) -> Result<(), String> {
        self.machine.masquerades(dataplane)
    }

    fn works(&self, dataplane: DataPlaneKind) -> Result<(), String> {
        self.machine.works(dataplane)
    }

    fn running(&self) -> Option<DataPlaneKind> {
        self.machine.running()
    }

    fn find(&self, plugin: &PluginRef) -> Found<'_> {
        self.catalogue.find(plugin)
    }

    fn available(&self) -> Vec<(String, PluginKind)> {
        self.catalogue.available()
    }

    fn accept(
        &self,
        plugin: &PluginRef,
        kind: PluginKind,
        settings: &[Setting],
    ) -> Result<(), String> {
        let Some(plugin) = self.catalogue.get(plugin) else {
            return Ok(());
        };
        let asked = match kind {
            PluginKind::Scheduler => plugin.scheduler("configuration", settings).map(drop),
            PluginKind::Checker => plugin.checker(settings).map(drop),
        };
        asked.map_err(|error| error.to_string())
    }
}

fn in_service(service: &str, error: &PluginError) -> anyhow::Error {
    anyhow::anyhow!("service {service}: {error}")
}

/// Reads a configuration file, Evenkeel's own or keepalived's, as far as that goes without its plugins.
///
/// # Errors
/// When it cannot be read, or is one of keepalived's in which something cannot be understood. What else is wrong in it is kept for
/// [`Parsed::resolve`].
pub fn read(file: &Path) -> anyhow::Result<Parsed> {
    let bytes = std::fs::read(file)
        .with_context(|| format!("cannot read the configuration {}", file.display()))?;
    let name = file.to_string_lossy();
    if keepalived::is_keepalived(file, &bytes) {
        let translation = keepalived::usable(file, &bytes)?;
        let (toml, origin) = (translation.toml, translation.origin);
        return Ok(config::parse_translated(&name, &toml, origin));
    }
    Ok(config::parse_bytes(&name, &bytes))
}

/// Where plugins are looked for: what the command line says takes the place of what the configuration says.
pub fn plugin_dirs<'a>(parsed: &'a Parsed, instead: &'a [PathBuf]) -> &'a [PathBuf] {
    if instead.is_empty() {
        &parsed.daemon().plugin_dirs
    } else {
        instead
    }
}
