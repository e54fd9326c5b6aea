//! `evenkeel plugin simulate`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_author::delegates;
use evenkeel_author::simulate::{self, Outcome, Workload};
use evenkeel_config as config;
use evenkeel_runtime::{Plugin, text};

use super::runtime::runtime;
use crate::args::author::SimulateArgs;
use crate::commands::print;
use crate::exit::{self, Failed};

/// Plays a workload to one or two schedulers, and prints what came of it.
///
/// # Errors
/// [`exit::CONFIG`] when a plugin or the workload cannot be used; [`exit::FAILURE`] when a plugin failed while it was
/// simulated, after the outcome was printed.
pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<()> {
    if args.example {
        return Ok(print(simulate::DEFAULT)?);
    }
    let unusable = |error: &dyn std::fmt::Display| Failed::new(exit::CONFIG, error.to_string());
    let workload = match &args.workload {
        Some(file) => simulate::read(file),
        None => simulate::default_workload(),
    };
    let mut workload = workload.map_err(|error| unusable(&error))?;
    if let Some(seed) = args.seed {
        workload.seed = seed.into();
    }
    let runtime = runtime(config::parse("", "").daemon())?;
    let mut outcomes = Vec::new();
    for (n, plugin) in args.plugins.iter().enumerate() {
        let dirs = [args.shipped.clone()];
        let plugin = delegates::load(&runtime, &file(plugin, &args.shipped), &dirs)
            .map_err(|error| unusable(&error))?;
        let settings = args.settings.get(n).map_or("", String::as_str);
        let outcome = play(&plugin, settings, args, &workload);
        outcomes.push(outcome.map_err(|error| unusable(&error))?);
    }
    if let Some(svg) = &args.svg {
        std::fs::write(svg, simulate::chart(&outcomes)).map_err(|error| {
            Failed::new(
                exit::FAILURE,
                format!("cannot write {}: {error}", text::path(svg)),
            )
        })?;
    }
    print(&if args.json {
        serde_json::to_string_pretty(&outcomes)? + "\n"
    } else {
        simulate::table(&outcomes)
    })?;
    match outcomes.iter().find(|outcome| outcome.problem.is_some()) {
        None => Ok(()),
        Some(outcome) => {
            let message = format!("{} failed while it was simulated", outcome.plugin);
            Err(Failed::new(exit::FAILURE, message).into())
        }
    }
}

fn play(
    plugin: &Arc<dyn Plugin>,
    settings: &str,
    args: &SimulateArgs,
    workload: &Workload,
) -> Result<Outcome, evenkeel_author::Refused> {
    simulate::play(plugin, settings, args.decision.map(Into::into), workload)
}

/// The file that is meant: what looks like a path is one.
fn file(plugin: &str, shipped: &Path) -> PathBuf {
    if plugin.contains('/') || Path::new(plugin).extension().is_some() {
        PathBuf::from(plugin)
    } else {
        shipped.join(plugin).with_extension("wasm")
    }
}
