//! Runs plugins.
//!
//! One trait, [`PluginRuntime`]; the daemon knows no other way to a plugin. Implementations: [`wasm`], where a plugin
//! can do nothing but compute, and [`native`], where it is trusted with everything.

pub mod catalogue;
mod clocks;
pub mod delegating;
mod digest;
pub mod facts;
pub mod files;
mod identity;
mod manifest;
pub mod native;
mod parallel;
pub mod played;
mod plugin_log;
mod probe;
mod rights;
mod section;
pub mod signature;
mod stand_in;
#[cfg(test)]
mod testing;
pub mod text;
pub mod wasm;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::signature::Signature;
use async_trait::async_trait;
pub use digest::Sha256;
pub use evenkeel_core::flow::Flow;
use evenkeel_core::manifest::{Manifest, PluginKind, Setting};
use evenkeel_core::metrics::PluginMetrics;
use evenkeel_core::model::{Needs, PluginRef};
pub use evenkeel_core::plugin::{Failure, PluginError};
pub use evenkeel_core::scheduler::{
    BackendFacts, BackendHealth, DirectorRole, Load, SavedState, Scheduler,
    SchedulerBackend as Backend, SchedulerPlugin, ServiceContext,
};
use evenkeel_core::signals::Signals;
pub use probe::tls_with_anyone;
pub use rights::{CommandEnd, Commands, Order, Rights};

/// The largest file that is read as a plugin. One with an interpreter in it (Python) has 18 MB.
pub const MAX_PLUGIN: u64 = 64 << 20;

/// A manifest as a file has it in its section (`evenkeel_sdk::section`); `None` if it has more in it than that can hold.
#[must_use]
pub fn manifest_section(manifest: &Manifest) -> Option<Vec<u8>> {
    section::encode(manifest)
}

/// Loads plugin files of one kind of code (WebAssembly, native).
pub trait PluginRuntime: Send + Sync {
    /// The content of a plugin file that may be one of this kind: what the other functions are given, so that it is
    /// the same content that is looked at, judged by its signature, and run.
    ///
    /// # Errors
    /// When it cannot be read, or nothing there is to be read.
    fn read(&self, file: &Path) -> Result<Vec<u8>, LoadError>;

    /// What a plugin file with this content says about itself. Compiles nothing if the file has its manifest in it, or
    /// has been asked before; otherwise with little effort. May take a second otherwise: call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with the file.
    fn describe_content(&self, file: &Path, content: &[u8]) -> Result<Described, LoadError>;

    /// Checks the content of a plugin file, compiles it (or takes it from the cache) and asks it for its manifest. May
    /// take a second: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with the file.
    fn load_content(&self, file: &Path, content: &[u8]) -> Result<Arc<dyn Plugin>, LoadError>;

    /// [`Self::read`] and [`Self::describe_content`], whoever has signed the file.
    ///
    /// # Errors
    /// As these.
    fn describe(&self, file: &Path) -> Result<Described, LoadError> {
        self.describe_content(file, &self.read(file)?)
    }

    /// [`Self::read`] and [`Self::load_content`], whoever has signed the file.
    ///
    /// # Errors
    /// As these.
    fn load(&self, file: &Path) -> Result<Arc<dyn Plugin>, LoadError> {
        self.load_content(file, &self.read(file)?)
    }

    /// What [`Self::keep_good`] was told of last for this plugin, with the signature that it had then, if its compiled
    /// code is still there: it can be run where its file has been broken since. By default there is none.
    fn last_good(&self, _plugin: &PluginRef) -> Option<(Arc<dyn Plugin>, Signature)> {
        None
    }

    /// A configuration with this plugin is in order. By default nothing is kept.
    fn keep_good(&self, _plugin: &PluginRef, _loaded: &dyn Plugin, _signature: &Signature) {}
}

/// What is known of a plugin before it is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginInfo {
    /// What it is for.
    pub kind: PluginKind,
    /// Version of the contract that it was built against, such as `0.1.0`.
    pub contract: String,
    /// What it says about itself.
    pub manifest: Manifest,
}

/// The answer of [`PluginRuntime::describe`].
#[derive(Clone)]
pub struct Described {
    /// What the file says about itself.
    pub info: PluginInfo,
    /// The plugin, if it had to be loaded to know that.
    pub plugin: Option<Arc<dyn Plugin>>,
}

impl Described {
    fn unloaded(info: PluginInfo) -> Self {
        Self { info, plugin: None }
    }

    fn loaded(plugin: Arc<dyn Plugin>) -> Self {
        let info = PluginInfo {
            kind: plugin.kind(),
            contract: plugin.contract().to_owned(),
            manifest: plugin.manifest().clone(),
        };
        Self {
            info,
            plugin: Some(plugin),
        }
    }
}

/// A loaded plugin. What it says about itself, and the schedulers that it makes, are what the director uses:
/// [`SchedulerPlugin`].
pub trait Plugin: SchedulerPlugin {
    /// What it is for.
    fn kind(&self) -> PluginKind;

    /// Version of the contract that it was built against, such as `0.1.0`.
    fn contract(&self) -> &str;

    /// The file it was loaded from.
    fn file(&self) -> &Path;

    /// Of the file that it was loaded from, where that is known.
    fn sha256(&self) -> Option<Sha256> {
        None
    }

    /// What its instances take now, where that is counted.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// What it asks the host for beyond what every plugin has.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// A checker for any number of checks with these settings, which may do so much.
    ///
    /// # Errors
    /// [`PluginError`]: among others the plugin may refuse the settings.
    fn checker_with(
        &self,
        settings: &[Setting],
        rights: &Rights,
    ) -> Result<Arc<dyn Checker>, PluginError>;

    /// [`Self::checker_with`], for a trial: with nothing of this machine's.
    ///
    /// # Errors
    /// As that.
    fn checker(&self, settings: &[Setting]) -> Result<Arc<dyn Checker>, PluginError> {
        self.checker_with(settings, &Rights::of_trial())
    }
}

/// What a plugin's instances take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many there are: of a checker the idle ones, too.
    pub instances: usize,
    /// Their memory, in bytes of address space.
    pub memory: usize,
}

/// What a check is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The server's name in the configuration.
    pub name: String,
    /// The only address that the check can reach.
    pub address: SocketAddr,
    /// What the checker has kept about it in the check before; `None`: nothing.
    pub session: Option<Vec<u8>>,
}

/// A checker's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Fit to be used.
    Healthy,
    /// Alive, but should get only this share of its weight, in percent (0 to 100); with the reason, if it says one.
    Degraded(u8, Option<String>),
    /// Not fit to be used, with the reason.
    Unhealthy(String),
    /// Not fit to be used, since it does not answer, with the reason; unless something between here and there keeps
    /// answers away, which the caller may know better.
    Unanswered(String),
    /// Nothing was learnt about it, for lack of something on this machine: of ports, descriptors, memory or processor
    /// time. With the reason.
    Unknown(String),
}

/// What one check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// The checker's word.
    pub verdict: Verdict,
    /// What it reported beside it.
    pub signals: Signals,
    /// What it wants to have in [`Target::session`] from now on; `None`: what it has there.
    pub session: Option<Vec<u8>>,
    /// What it has done on the network, in its order, as far as that is known; the first of many steps.
    pub steps: Vec<Step>,
}

/// Something that a check has done on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `connect`, `TLS`, `echo`, `read`, `write`, `end`.
    pub what: &'static str,
    /// How often, one after the other.
    pub times: u32,
    /// How long the target was waited for.
    pub took: Duration,
    /// Sent or received.
    pub bytes: u64,
    /// Why it failed.
    pub failed: Option<String>,
}

impl From<Verdict> for CheckReport {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            signals: Signals::NONE,
            session: None,
            steps: Vec::new(),
        }
    }
}

/// Judges real servers. Shared by every check with the same plugin and settings.
#[async_trait]
pub trait Checker: Send + Sync {
    /// Runs one check. Ends at `timeout` at the latest: a check that has reached no verdict by then is
    /// [`Verdict::Unanswered`], or [`Verdict::Unknown`] if it was not the target that used the time.
    ///
    /// # Errors
    /// [`PluginError`] means that the plugin failed, so nothing is known of the server.
    async fn check(&self, target: Target, timeout: Duration) -> Result<CheckReport, PluginError>;

    /// What it counts and gauges under names of its own.
    fn metrics(&self) -> Arc<PluginMetrics> {
        Arc::default()
    }
}

/// Why a plugin file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("plugin {file}: {reason}", file = text::path(file))]
pub struct LoadError {
    /// The file.
    pub file: std::path::PathBuf,
    /// What is wrong, and what would be right. Fit for a terminal, whatever the file says.
    pub reason: String,
}

/// A scheduler wants to hand over more state than it may.
fn too_much_state(bytes: usize) -> Failure {
    let most = evenkeel_core::scheduler::MAX_STATE;
    Failure::Answer(format!(
        "it hands over {bytes} bytes of state; {most} are allowed"
    ))
}

/// Characters of a reason that are kept.
const MAX_REASON: usize = 2000;

impl LoadError {
    fn new(file: &Path, reason: &str) -> Self {
        Self {
            file: file.to_owned(),
            reason: text::clean(reason, MAX_REASON),
        }
    }
}
