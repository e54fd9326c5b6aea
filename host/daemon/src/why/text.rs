//! The answer as text.

use std::fmt::Write as _;
use std::time::Duration;

use super::report::{ConnectionWhy, NextWhy, ServerWhy, ServiceWhy, Why};

/// For a terminal.
#[must_use]
pub fn render(why: &Why) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write(&mut out, why);
    out
}

fn write(out: &mut String, why: &Why) -> std::fmt::Result {
    if let Some(problem) = &why.problem {
        writeln!(out, "!! {problem}")?;
    }
    if why.services.is_empty() {
        return writeln!(
            out,
            "{} has no connection here, and no service remembers it. With the name of a service: where its next \
             connection would go",
            why.client
        );
    }
    for (n, service) in why.services.iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        write_service(out, why, service)?;
    }
    if why.more {
        writeln!(
            out,
            "\nIt has more connections than are listed; with a port, one is looked for"
        )?;
    }
    Ok(())
}

fn write_service(out: &mut String, why: &Why, service: &ServiceWhy) -> std::fmt::Result {
    writeln!(
        out,
        "{} -> {} ({} {}, {})",
        why.client, service.service, service.protocol, service.listen, why.dataplane
    )?;
    if service.elsewhere {
        writeln!(
            out,
            "  !! the service's address is on the other director: connections come there"
        )?;
    }
    for connection in &service.connections {
        writeln!(out, "  connection  {}", words(connection))?;
    }
    if service.connections.is_empty() {
        writeln!(out, "  connection  none is known")?;
    }
    if let Some(it) = &service.remembered {
        let server = it
            .server
            .as_deref()
            .unwrap_or("a server that is configured no more");
        writeln!(
            out,
            "  remembered  {server}, for {:.0} s yet (persistence)",
            it.expires_seconds
        )?;
    }
    let Some(plugin) = &service.plugin else {
        return writeln!(
            out,
            "  The service is configured no more; its connections go on"
        );
    };
    let sha256 = plugin
        .sha256
        .as_deref()
        .and_then(|it| it.get(..12))
        .unwrap_or("unknown");
    writeln!(
        out,
        "  decided by  {} {}, sha256 {sha256}, {}",
        plugin.name, plugin.version, plugin.decision
    )?;
    if let Some(problem) = &plugin.problem {
        writeln!(out, "  !! {problem}")?;
    }
    if let Some(reason) = &plugin.plan_refused {
        writeln!(out, "  !! {reason}; the plan before stays")?;
    }
    if let Some(canary) = &service.canary {
        let client = match canary.decides {
            Some(true) => ", this client's among them",
            Some(false) => ", this client's not among them",
            None => "",
        };
        writeln!(
            out,
            "  canary      {} {}, for {} of {} slots{client}",
            canary.name, canary.version, canary.slots, canary.all_slots
        )?;
    }
    match service.plan_seconds {
        Some(seconds) => writeln!(
            out,
            "  plan        number {}, {} slots, in force for {seconds:.1} s",
            service.plan, service.slots
        )?,
        None => writeln!(out, "  plan        none: servers take turns, by weight")?,
    }
    if let Some(next) = &service.next {
        writeln!(out, "  next        {}", of_next(next, service))?;
    }
    write_servers(out, &service.servers)
}

fn words(connection: &ConnectionWhy) -> String {
    let server = connection
        .server
        .as_deref()
        .unwrap_or("a server that is configured no more");
    let mut text = format!(
        "{} -> {server} at {}",
        connection.client, connection.address
    );
    if let Some(id) = connection.id {
        text.push_str(&format!(", number {id}"));
    }
    if let Some(state) = &connection.state {
        text.push_str(&format!(", {state}"));
    }
    text
}

fn of_next(next: &NextWhy, service: &ServiceWhy) -> String {
    let server = next
        .server
        .as_deref()
        .unwrap_or("a server that is configured no more");
    match (next.how.as_str(), next.slot) {
        ("remembered", _) => format!("{server}, since the service remembers the client"),
        ("hash", Some(slot)) => {
            format!("{server}, by slot {slot} of {}, which the client's hash has", service.slots)
        }
        ("hash-port", _) => "by a hash of the client's port, too: ask with ADDRESS:PORT".to_owned(),
        ("groups", slot) => led(next, slot),
        ("turn", _) => "the server whose turn it is, by the shares below".to_owned(),
        ("random", _) => "any server, by the shares below".to_owned(),
        ("asked", _) => "the scheduler is asked when it comes; the shares below are what happens without an answer".to_owned(),
        ("ipvs", _) => format!(
            "IPVS's {} decides, by the shares below",
            next.ipvs_scheduler.as_deref().unwrap_or("scheduler")
        ),
        _ => "it would be refused: no server takes connections".to_owned(),
    }
}

fn led(next: &NextWhy, slot: Option<usize>) -> String {
    let path: Vec<String> = next.groups.iter().map(ToString::to_string).collect();
    let path = match path.as_slice() {
        [one] => format!("group {one}"),
        _ => format!("groups {}", path.join(", ")),
    };
    match (&next.server, slot) {
        (Some(server), Some(slot)) => {
            format!("{server}, by {path} and slot {slot} there, which the client's hash has")
        }
        _ => format!("by {path}, and what that says (`evenkeel status`)"),
    }
}

fn write_servers(out: &mut String, servers: &[ServerWhy]) -> std::fmt::Result {
    let wide =
        |get: fn(&ServerWhy) -> &str| servers.iter().map(|it| get(it).len()).max().unwrap_or(0);
    let (name, address) = (wide(|it| &it.name).max(6), wide(|it| &it.address).max(7));
    let told = servers.iter().any(|server| server.told.is_some());
    let heads = if told {
        "  TOLD: ACTIVE INACTIVE LATENCY"
    } else {
        ""
    };
    writeln!(
        out,
        "  {:<name$}  {:<address$}  {:>6}  {:>6}  {:<6}{heads}",
        "SERVER", "ADDRESS", "WEIGHT", "SHARE", "HEALTH"
    )?;
    for server in servers {
        let facts = server.told.as_ref().map(|it| {
            let latency = it.latency_us.map(Duration::from_micros);
            let latency = latency.map_or_else(|| "-".to_owned(), |it| format!("{it:.1?}"));
            let signals = it.signals.iter();
            let signals: String = signals
                .map(|(name, value)| format!("  {name} = {value}"))
                .collect();
            format!(
                "  {:>12} {:>8} {latency:>7}{signals}",
                it.active, it.inactive
            )
        });
        let line = format!(
            "  {:<name$}  {:<address$}  {:>6}  {:>5.1}%  {:<6}{}",
            server.name,
            server.address,
            server.weight,
            server.share_percent,
            server.health,
            facts.unwrap_or_default()
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
