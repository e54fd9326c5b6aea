//! What a scheduler costs.

mod subject;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evenkeel_core::manifest::{Decision, PluginKind};
use evenkeel_core::model::Sandbox;
use evenkeel_runtime::Plugin;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use serde::Serialize;

pub use self::subject::{Subject, defaults, middle, turns};
use crate::{Refused, delegates, refuse};

/// How many servers a service has.
pub const SERVERS: [u32; 4] = [2, 16, 100, 1000];
/// Picks that are timed together.
pub const PICKS: u32 = 20;
/// Instances over which times and memory are taken.
const INSTANCES: u32 = 64;

/// What one plugin costs.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// Bytes of its file.
    pub file_bytes: u64,
    /// From the file to code that can run, nothing kept of an earlier time; milliseconds.
    pub compile_ms: f64,
    /// A further instance, configured, for a service of 16 servers: milliseconds.
    pub instance_ms: f64,
    /// Memory that it takes, in KiB, as far as the kernel has given it.
    pub instance_kib: f64,
    /// Calls, for each of [`SERVERS`].
    pub calls: Vec<Calls>,
}

/// Medians of calls in microseconds.
#[derive(Debug, Serialize)]
pub struct Calls {
    /// Of so many servers.
    pub servers: u32,
    /// A change of one server, and the plan after it.
    pub plan_us: f64,
    /// One connection; `None` if it decides none.
    pub pick_us: Option<f64>,
}

/// Measures the scheduler in this file, with default settings. Takes about two seconds. `plugin_dirs`: where its
/// delegates are, if they are not beside it.
///
/// # Errors
/// [`Refused`]: the file is no scheduler, or it fails.
pub fn measure(file: &Path, plugin_dirs: &[PathBuf]) -> Result<Figures, Refused> {
    let runtime = WasmRuntime::new(WasmConfig {
        // A call that takes long is to be measured, not ended.
        sandbox: Sandbox {
            call_time: Duration::from_secs(10),
            pick_time: Duration::from_secs(1),
            ..Sandbox::default()
        },
        cache: CacheUse::None,
    })
    .map_err(|error| Refused(error.to_string()))?;
    let began = Instant::now();
    let plugin = delegates::load(&runtime, file, plugin_dirs)?;
    let compile = began.elapsed();
    let plugin = plugin.as_ref();
    let manifest = plugin.manifest();
    if plugin.kind() != PluginKind::Scheduler {
        refuse!(
            "{} is a {}: only schedulers are measured",
            manifest.name,
            plugin.kind()
        );
    }
    if let Some(spec) = manifest
        .settings
        .iter()
        .find(|spec| spec.required && spec.default.is_none())
    {
        refuse!(
            "{} needs the setting {}, and is measured with defaults only",
            manifest.name,
            spec.key
        );
    }
    let [instance_ms, instance_kib] = instances(plugin)?;
    Ok(Figures {
        plugin: manifest.name.clone(),
        version: manifest.version.clone(),
        file_bytes: fs::metadata(file)
            .map_err(|error| Refused::io("read", file, &error))?
            .len(),
        compile_ms: compile.as_secs_f64() * 1e3,
        instance_ms,
        instance_kib,
        calls: SERVERS
            .into_iter()
            .map(|servers| calls(plugin, servers))
            .collect::<Result<_, _>>()?,
    })
}

fn calls(plugin: &dyn Plugin, servers: u32) -> Result<Calls, Refused> {
    let mut subject = [Subject::new(plugin, servers)?];
    let [plan_us] = turns(&mut subject, 1, Subject::plan)?;
    let pick_us = if picks(plugin) {
        let [pick_us] = turns(&mut subject, PICKS, Subject::pick)?;
        Some(pick_us)
    } else {
        None
    };
    Ok(Calls {
        servers,
        plan_us,
        pick_us,
    })
}

/// Whether it decides connections.
#[must_use]
pub fn picks(plugin: &dyn Plugin) -> bool {
    let abilities = plugin.manifest().abilities.as_ref();
    abilities.is_some_and(|it| it.decisions.contains(&Decision::PerConnection))
}

/// Time and memory of one of many.
fn instances(plugin: &dyn Plugin) -> Result<[f64; 2], Refused> {
    // What only the first one costs.
    let _first = Subject::new(plugin, 16)?;
    let before = resident()?;
    let began = Instant::now();
    let all = (0..INSTANCES)
        .map(|_| Subject::new(plugin, 16))
        .collect::<Result<Vec<_>, _>>()?;
    let time = began.elapsed();
    let grown = (resident()? - before).max(0.0);
    drop(all);
    let count = f64::from(INSTANCES);
    Ok([time.as_secs_f64() * 1e3 / count, grown / count])
}

/// Memory of this process, in KiB.
fn resident() -> Result<f64, Refused> {
    let status = Path::new("/proc/self/status");
    let text = fs::read_to_string(status).map_err(|error| Refused::io("read", status, &error))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| {
            Refused("the kernel does not say how much memory this process has".to_owned())
        })
}
