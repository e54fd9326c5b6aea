//! `evenkeel check`.

use anyhow::Context as _;

use crate::args::ConfigArgs;
use crate::exit::{self, Failed};
use crate::preflight::{Level, WantedCounts, preflight};
use evenkeel_daemon::plane;
use evenkeel_daemon::prepare::{PrepareError, Preparer};

/// Checks the configuration, its plugins, and with `machine` this machine too.
///
/// # Errors
/// [`exit::CONFIG`] when the configuration cannot be used, [`exit::PREFLIGHT`] when this machine is not ready for it.
pub(crate) async fn run(args: ConfigArgs, machine: bool) -> anyhow::Result<()> {
    let file = args.config.display().to_string();
    let prepared = tokio::task::spawn_blocking(move || {
        let mut preparer = Preparer::for_check(args.into())?;
        if !machine {
            preparer.for_any_machine();
        }
        preparer.prepare(|_| None)
    })
    .await
    .context("the configuration's thread")?
    .map_err(|error: PrepareError| anyhow::Error::from(error))?;
    for warning in &prepared.warnings {
        super::print(&format!("{warning}\n"))?;
    }
    let firsts = prepared
        .schedulers
        .iter()
        .map(|(key, it)| (*key, &it.plugin));
    let seconds = prepared.seconds.iter().map(|(key, it)| (*key, &it.plugin));
    let mut wanted = WantedCounts::default();
    for (service, plugin) in firsts.chain(seconds) {
        let abilities = plugin.manifest().abilities.as_ref();
        let facts = abilities.map(|it| it.facts).unwrap_or_default();
        if facts.connections || facts.traffic {
            wanted.connections.insert(service);
        }
        if facts.traffic {
            wanted.bytes.insert(service);
        }
    }
    let model = prepared.model;
    let servers: usize = model
        .services
        .iter()
        .map(|service| service.servers.len())
        .sum();
    super::print(&format!(
        "ok       {file}: {} services, {servers} real servers\n",
        model.services.len()
    ))?;
    if !machine {
        return Ok(());
    }
    let (kind, table) = (model.dataplane.kind, model.daemon.table.clone());
    let probe = tokio::task::spawn_blocking(move || plane::new(kind, &table)?.probe())
        .await
        .context("the data plane's thread")?;
    let findings = preflight(&model, &wanted, probe).await;
    for finding in &findings {
        super::print(&format!("{finding}\n"))?;
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .count();
    if errors == 0 {
        return Ok(());
    }
    Err(Failed::new(
        exit::PREFLIGHT,
        format!("this machine is not ready: {errors} errors above"),
    )
    .into())
}
