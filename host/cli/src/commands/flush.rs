//! `evenkeel flush`.

use std::path::Path;

use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::state::State;

use crate::exit::{self, Failed};
use evenkeel_addresses::flush_all;
use evenkeel_daemon::connection_sync;
use evenkeel_daemon::lock::Lock;
use evenkeel_daemon::plane;

/// Removes our table, our services in IPVS, our addresses, and what VRRP has put in the kernel.
///
/// # Errors
/// [`exit::RUNNING`] while a daemon runs; others when something could not be removed.
pub(crate) async fn run(table: &str) -> anyhow::Result<()> {
    // Held until the end, so that no daemon starts meanwhile.
    let _lock = Lock::take()?;
    let flushed = flush_all().await?;
    for what in &flushed.removed {
        super::print(&format!("removed {what}\n"))?;
    }
    let mut failures = flushed.failures;
    nftables(table)?;
    failures.extend(ipvs(table)?);
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failed::new(exit::FAILURE, failures.join("; ")).into())
}

/// Where the kernel shows IPVS's services: there while it has IPVS.
const IPVS: &str = "/proc/net/ip_vs";

fn nftables(table: &str) -> anyhow::Result<()> {
    let mut plane = plane::new(DataPlaneKind::Nftables, table)?;
    // A kernel without nf_tables holds no table of ours.
    if let Err(error) = plane.read()
        && Path::new(IPVS).exists()
    {
        tracing::debug!(%error, "no table is looked for");
        return Ok(());
    }
    plane.clear()?;
    super::print(&format!("removed table inet {table}\n"))?;
    Ok(())
}

/// Removes our services, and ends the sync daemons that Evenkeel has started; others' go on. Loads no module: where IPVS
/// is not in use, there is nothing of ours. Returns what has failed.
fn ipvs(table: &str) -> anyhow::Result<Vec<String>> {
    if !Path::new(IPVS).exists() {
        return Ok(Vec::new());
    }
    let mut plane = plane::new(DataPlaneKind::Ipvs, table)?;
    let held = plane.read()?;
    plane.clear()?;
    if held != State::default() {
        super::print(&format!(
            "removed {} services from IPVS\n",
            held.services.len()
        ))?;
    }
    let mut failures = Vec::new();
    for (role, outcome) in connection_sync::end_ours()? {
        match outcome {
            Ok(()) => super::print(&format!("ended the sync daemon ({role})\n"))?,
            Err(error) => failures.push(error.to_string()),
        }
    }
    Ok(failures)
}
