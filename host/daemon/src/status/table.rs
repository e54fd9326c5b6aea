//! The status as a table that a user of `ipvsadm -ln` knows.

use std::fmt::Write as _;

use super::duration::duration;
use super::report::Status;
use super::{service_table, vrrp_table};

/// The whole table.
pub fn render(status: &Status) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_table(&mut text, status);
    text
}

fn write_table(out: &mut String, status: &Status) -> std::fmt::Result {
    writeln!(
        out,
        "Evenkeel {} ({}), up {}, {}",
        status.version,
        match status.dataplane.as_str() {
            "nftables" => format!("nftables, table {}", status.table),
            other => other.to_owned(),
        },
        duration(status.up_seconds),
        if status.settled {
            "kernel in sync"
        } else if status.services.iter().any(|it| it.kernel_problem.is_some()) {
            "some services refused by the kernel"
        } else {
            "changing the kernel"
        },
    )?;
    for (what, problem) in [
        ("kernel", &status.kernel.problem),
        ("addresses", &status.network_problem),
        ("forwarding", &status.forwarding_problem),
        ("queues", &status.queue_problem),
        ("connections", &status.connection_table_problem),
        ("health", &status.checks.problem),
        (
            "counting",
            &status.counting.as_ref().and_then(|it| it.problem.clone()),
        ),
        ("reload refused", &status.reload_problem),
        ("plugins", &status.plugin_problem),
    ] {
        if let Some(problem) = problem {
            writeln!(out, "{what}: {problem}")?;
        }
    }
    // One that takes no longer than it should is not worth a line.
    if let Some(seconds) = status.reload_seconds.filter(|seconds| *seconds > 0) {
        writeln!(
            out,
            "reload: under way for {}; until it is done, the configuration in force stays",
            duration(seconds)
        )?;
    }
    if status.log_dropped > 0 {
        let lines = status.log_dropped;
        writeln!(
            out,
            "log: {lines} lines dropped, since nobody has read standard error"
        )?;
    }
    if let Some(report) = &status.vrrp {
        vrrp_table::write(out, report)?;
    }
    if let Some(sync) = &status.connection_sync {
        writeln!(
            out,
            "connections are copied: {} on {}, id {}{}",
            sync.role.as_deref().unwrap_or("no role yet"),
            sync.interface,
            sync.id,
            sync.problem
                .as_ref()
                .map(|problem| format!(" !! {problem}"))
                .unwrap_or_default(),
        )?;
    }
    let width = status
        .services
        .iter()
        .flat_map(|service| &service.servers)
        .map(|server| server.address.len())
        .chain(["RemoteAddress:Port".len()])
        .max()
        .unwrap_or_default();
    writeln!(out, "Prot LocalAddress:Port Scheduler Flags")?;
    writeln!(
        out,
        "  -> {:<width$} Forward Weight ActiveConn InActConn Conns      Health",
        "RemoteAddress:Port"
    )?;
    for service in &status.services {
        service_table::write(out, service, width)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
