//! A test of a plugin file: whether it bears all that can happen to it in the daemon. It runs in the daemon's own runtime,
//! within the limits of the default `[sandbox]`.

mod checker;
mod report;
mod scheduler;
mod servers;

use std::path::{Path, PathBuf};

use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::Sandbox;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};

pub use self::report::{Case, Outcome, Report};
use crate::settings::Variants;
use crate::{Refused, delegates};

/// How a plugin is tested.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What random changes start from: the same seed makes the same changes.
    pub seed: u64,
    /// Settings as in a configuration's inline table, such as `how = "fast"`; those of other keys are tried with all
    /// kinds of values.
    pub settings: String,
    /// The bounds that it runs in.
    pub sandbox: Sandbox,
    /// Where compiled code is kept.
    pub cache: CacheUse,
    /// Where the plugin's delegates are, if they are not beside it.
    pub plugin_dirs: Vec<PathBuf>,
}

/// Tests the plugin in this file. Checkers connect to listeners on the loopback address. Blocks for some seconds; call it
/// outside of an asynchronous runtime.
///
/// # Errors
/// [`Refused`]: the file cannot be loaded, or the options' settings do not fit it.
pub fn test(file: &Path, options: &Options) -> Result<Report, Refused> {
    let sandbox = &options.sandbox;
    let runtime = WasmRuntime::new(WasmConfig {
        sandbox: *sandbox,
        cache: options.cache.clone(),
    })
    .map_err(|error| Refused(error.to_string()))?;
    let plugin = delegates::load(&runtime, file, &options.plugin_dirs)?;
    let settings = Variants::new(&plugin.manifest().settings, &options.settings)?;
    let mut report = Report::new(plugin.as_ref(), options.seed);
    match plugin.kind() {
        PluginKind::Scheduler => {
            scheduler::run(plugin.as_ref(), &settings, sandbox, &mut report);
        }
        PluginKind::Checker => checker::run(plugin.as_ref(), &settings, &mut report)?,
    }
    Ok(report)
}
