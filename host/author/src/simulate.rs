//! A described workload, played to a scheduler: who gets how much, how even that is, who is moved by changes.
//!
//! ```text
//!  workload (TOML) --> world: from one happening to the next ----> measure --> outcome --> table, svg
//!                        |  pool: servers, waiting lines              ^
//!                        |  chance: arrivals, clients, lifetimes      |
//!                        '- balancer: the daemon's director, the plugin in the daemon's runtime, a kernel in memory
//! ```
//!
//! The director is the daemon's own, so that plans are made, refreshed, refused and put into the kernel, counts are told
//! and connections decided as in the daemon. What is simplified: plans and rules take no time, a server that fails resets
//! all connections at once, and how fast one is served does not depend on how many are.

mod balancer;
mod chance;
mod measure;
mod outcome;
mod pool;
mod svg;
mod table;
mod workload;
mod world;

use std::path::Path;
use std::sync::Arc;

use evenkeel_core::manifest::{Decision, PluginKind};
use evenkeel_runtime::{Plugin, files, text};
use tracing::subscriber::NoSubscriber;

pub use self::outcome::{
    Change, Imbalance, ImbalanceSummary, Moved, Outcome, Sample, ServerOutcome, Times,
};
pub use self::svg::chart;
pub use self::table::table;
pub use self::workload::{
    Arrivals, Choice, Clients, DEFAULT, Event, Happening, Lifetime, Server, Workload,
};

use self::balancer::Balancer;
use self::pool::Pool;
use self::world::World;
use crate::settings::Variants;
use crate::{Refused, refuse};

/// The largest workload file.
const MAX_FILE: u64 = 1 << 20;

/// Reads a workload file.
///
/// # Errors
/// [`Refused`]: it cannot be read, or what is wrong with it, with the line.
pub fn read(file: &Path) -> Result<Workload, Refused> {
    let bytes = files::read(file, MAX_FILE).map_err(|error| Refused::io("read", file, &error))?;
    let name = text::path(file);
    let Ok(written) = String::from_utf8(bytes) else {
        refuse!("workload {name}: it is no text in UTF-8");
    };
    workload::read(&written, &name)
}

/// The workload that is played where none is given.
///
/// # Errors
/// None: it is tested.
pub fn default_workload() -> Result<Workload, Refused> {
    workload::read(DEFAULT, "default")
}

/// Plays a workload to a scheduler. `settings` is the inside of an inline table; `decision`: another one than the
/// plugin's first. Blocks for seconds, and computes on this thread alone.
///
/// # Errors
/// [`Refused`]: the plugin is no scheduler, or does not take the settings.
pub fn play(
    plugin: &Arc<dyn Plugin>,
    settings: &str,
    decision: Option<Decision>,
    workload: &Workload,
) -> Result<Outcome, Refused> {
    let manifest = plugin.manifest();
    let Some(abilities) = &manifest.abilities else {
        refuse!(
            "{} is a {}: only schedulers are simulated",
            manifest.name,
            PluginKind::Checker
        );
    };
    let offered = abilities.decisions.as_slice();
    let decision = decision
        .or(offered.first().copied())
        .unwrap_or(Decision::Plan);
    if !offered.contains(&decision) {
        let offered: Vec<String> = offered.iter().map(Decision::to_string).collect();
        refuse!(
            "{} cannot be followed {decision}: it offers {}",
            manifest.name,
            offered.join(", ")
        );
    }
    let settings = Variants::new(&manifest.settings, settings)?;
    if let Some(key) = settings.invented.first() {
        refuse!(
            "{} needs the setting {key}, which has no default",
            manifest.name
        );
    }
    // The director's log would tell of things that do not happen; what is to be known of them is in the outcome.
    let _quiet = tracing::subscriber::set_default(NoSubscriber::default());
    let pool = Pool::new(&workload.servers);
    let servers = pool.configured();
    let balancer = Balancer::new(plugin, &settings.base, decision, servers, workload.seed)?;
    let (mut measured, balancer, pool) = World::new(workload, pool, balancer).play();
    let [waiting, response] = measured.times();
    let servers = measured.of_servers(&pool);
    let [runs, kernel_changes] = balancer.runs;
    let sample_seconds = measured.step().as_secs_f64();
    Ok(Outcome {
        plugin: manifest.name.clone(),
        version: manifest.version.clone(),
        decision: decision.to_string(),
        seconds: workload.duration.as_secs_f64(),
        seed: workload.seed,
        connections: measured.connections,
        refused: measured.refused,
        failed: servers.iter().map(|server| server.failed).sum(),
        lost: servers.iter().map(|server| server.lost).sum(),
        servers,
        imbalance: ImbalanceSummary::of(&measured.samples),
        waiting: waiting.filter(|_| pool.servers.iter().any(|it| it.spec.capacity.is_some())),
        response,
        returning: measured.returning[0],
        returned_to_same: measured.returning[1],
        runs,
        kernel_changes,
        picks: balancer.picks,
        problem: balancer.problem,
        changes: measured.changes,
        sample_seconds,
        samples: measured.samples,
    })
}
