//! The lines of a service and its servers.

use std::fmt::Write as _;

use evenkeel_runtime::text;

use super::duration::duration;
use super::plugin::PluginStatus;
use super::second_table;
use super::service::{ServerStatus, ServiceStatus};

/// A service and its servers, whose addresses are `width` characters wide.
pub(super) fn write(out: &mut String, service: &ServiceStatus, width: usize) -> std::fmt::Result {
    writeln!(
        out,
        "{:<4} {} {}{}  # {}",
        service.protocol.to_uppercase(),
        service.listen,
        service.scheduler,
        flags(service),
        service.name,
    )?;
    if let Some(plugin) = &service.plugin {
        out.push_str("  by ");
        write_plugin(out, &service.scheduler, &service.scheduler_version, plugin)?;
    }
    second_table::write(out, service, write_plugin)?;
    if let Some(queue) = &service.queue {
        writeln!(
            out,
            "  each connection decided: {} by the scheduler in {}/{} us (half/99 of 100), {} by the plan",
            queue.decided, queue.pick_p50_us, queue.pick_p99_us, queue.passed,
        )?;
        if let Some(problem) = &queue.problem {
            writeln!(out, "  !! {problem}")?;
        }
    } else if service.decision == "per-connection" && service.scheduler_problem.is_none() {
        writeln!(
            out,
            "  !! connections are not decided one by one: they follow the plan"
        )?;
    }
    if let Some(followed) = &service.followed {
        writeln!(out, "  {followed}")?;
    }
    for line in service.groups.iter().take(GROUP_LINES) {
        writeln!(out, "  {line}")?;
    }
    if let Some(more) = service
        .groups
        .len()
        .checked_sub(GROUP_LINES)
        .filter(|it| *it > 0)
    {
        writeln!(
            out,
            "  and {more} more lines of groups and clients: see --json"
        )?;
    }
    if let Some(problem) = &service.kernel_problem {
        writeln!(
            out,
            "  !! {problem}; it is there as it was before, or not at all"
        )?;
    }
    if let Some(problem) = &service.scheduler_problem {
        let meanwhile = service.scheduler_meanwhile.as_deref();
        writeln!(out, "  !! {problem}; {}", meanwhile.unwrap_or_default())?;
    }
    if let Some(reason) = &service.plan_refused {
        writeln!(out, "  !! {reason}; the plan before stays")?;
    }
    if let Some(problem) = &service.successor_problem {
        writeln!(out, "  !! {problem}")?;
    }
    if service.suspended {
        writeln!(
            out,
            "  checks rest while the address is on the other director (ha_suspend)"
        )?;
    }
    if !service.quorum && service.spread != "refuse" {
        writeln!(out, "  !! fewer servers than its quorum wants")?;
    }
    if service.spread == "refuse" {
        writeln!(
            out,
            "  !! no server takes connections: new ones are refused"
        )?;
    }
    for server in &service.servers {
        writeln!(
            out,
            "  -> {:<width$} {:<7} {:<6} {:<10} {:<9} {:<10} {}",
            server.address,
            forward(server, service.snat),
            weight(server),
            server.active,
            server.inactive,
            server.connections,
            health(server),
        )?;
    }
    Ok(())
}

/// So many lines about groups are shown of a service.
const GROUP_LINES: usize = 20;

/// Who makes plans, and how that goes.
fn write_plugin(
    out: &mut String,
    name: &str,
    version: &str,
    plugin: &PluginStatus,
) -> std::fmt::Result {
    let sum = plugin.sha256.as_deref().unwrap_or("unknown file");
    write!(
        out,
        "{name} {version} ({}, {}, contract {}, {}): {} plans in {}/{} us (half/99 of 100)",
        sum.get(..12).unwrap_or(sum),
        plugin.runtime,
        plugin.contract,
        signed(plugin),
        plugin.calls,
        plugin.call_p50_us,
        plugin.call_p99_us,
    )?;
    if plugin.failures > 0 {
        write!(out, ", {} failed", plugin.failures)?;
    }
    writeln!(out)
}

/// Characters of a signature's comment that are shown; `--json` has all of them.
const COMMENT: usize = 40;

fn signed(plugin: &PluginStatus) -> String {
    let Some(key) = &plugin.signed_by else {
        return "unsigned".to_owned();
    };
    match plugin.signature_comment.as_deref() {
        None | Some("") => format!("signed by {key}"),
        Some(comment) => format!("signed by {key}: {}", text::clean(comment, COMMENT)),
    }
}

/// As in ipvsadm's column Forward.
fn forward(server: &ServerStatus, snat: bool) -> &'static str {
    match server.forward.as_str() {
        "dr" => "Route",
        "tun" => "Tunnel",
        _ if snat => "FullNAT",
        _ => "Masq",
    }
}

/// As in ipvsadm's column Flags.
fn flags(service: &ServiceStatus) -> String {
    let mut text = String::new();
    if service.snat {
        text.push_str(" snat");
    }
    if service.decision != "plan" {
        text.push(' ');
        text.push_str(&service.decision);
    }
    if let Some((seconds, prefix)) = service.persistence {
        let whole = if service.listen.starts_with('[') {
            128
        } else {
            32
        };
        let _ = write!(text, " persistent {seconds}");
        if prefix < whole {
            let _ = write!(text, " mask /{prefix}");
        }
    }
    text
}

fn weight(server: &ServerStatus) -> String {
    if server.health == "up" && server.effective_weight != server.weight {
        format!("{}/{}", server.effective_weight, server.weight)
    } else {
        server.weight.to_string()
    }
}

fn health(server: &ServerStatus) -> String {
    let mut text = match server.health.as_str() {
        "down" => "DOWN".to_owned(),
        "forced" => "DOWN, used since all are".to_owned(),
        state => state.to_owned(),
    };
    if let Some(role) = &server.role {
        let _ = write!(text, " ({role})");
    }
    if let Some(seconds) = server.for_seconds {
        text.push(' ');
        text.push_str(&duration(seconds));
    }
    if let Some(reason) = &server.reason {
        text.push_str(": ");
        text.push_str(reason);
    }
    for check in &server.checks {
        if check.state == "unknown" {
            let _ = write!(
                text,
                " (check {}: unknown, {})",
                check.plugin,
                check.reason.as_deref().unwrap_or("")
            );
        } else if check.failing > 0 {
            let _ = write!(text, " (check {}: {} failed)", check.plugin, check.failing);
        }
    }
    if let Some(percent) = server.slow_start {
        let _ = write!(text, " (slow start: {percent} %)");
    }
    if server.checks.is_empty() && server.role.as_deref() != Some("sorry") {
        text.push_str(" (not checked)");
    }
    text
}
