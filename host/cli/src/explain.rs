//! `evenkeel explain`: how a connection to a service travels, in plain words, and what its real servers need.
//!
//! Text from the configuration alone; [`plan`] asks the scheduler for its plan. What the machine is like is
//! `preflight`'s to say.

mod director;
mod plan;
mod second;
mod servers;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{
    CheckTiming, DataPlaneKind, Forward, Model, OnDown, OnDrain, Protocol, Server, Service,
};

pub(crate) use plan::Planned;

/// How wide the column of headings is.
const COLUMN: usize = 13;

/// The whole text about a service. Ends with a newline.
pub(crate) fn text(model: &Model, service: &Service, planned: &Planned) -> String {
    let mut out = String::new();
    let count = service.servers.len();
    let servers = if count == 1 { "server" } else { "servers" };
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "service {}: {}, {count} real {servers}\n",
        service.name, service.key
    );
    let mut say = |heading: &str, what: String| {
        let _ = writeln!(out, "{heading:COLUMN$}{what}");
    };
    say("Address", address(model, service));
    let chosen = &model.dataplane;
    say("Data plane", format!("{}: {}", chosen.kind, chosen.why));
    let (first, rest) = scheduler(service, chosen.kind, planned);
    say("Scheduler", first);
    rest.into_iter().for_each(|line| say("", line));
    if let Some((heading, line)) = second::line(service) {
        say(heading, line);
    }
    say("Persistence", persistence(service));
    let mut heading = "Forwarding";
    for forward in [Forward::Nat, Forward::Dr, Forward::Tun] {
        if let Some(line) = forwarding(service, forward, chosen.kind) {
            say(heading, line);
            heading = "";
        }
    }
    say("Checks", checks(service));
    say("On failure", on_failure(service, chosen.kind));
    if let Some(sync) = &model.connection_sync {
        say(
            "Failover",
            format!(
                "IPVS copies connections to the other director over {}, as VRRP instance {} goes: they go on there",
                sync.interface, sync.vrrp
            ),
        );
    }
    out.push_str(&director::needs(service));
    out.push_str(&servers::needs(model, service));
    out
}

fn address(model: &Model, service: &Service) -> String {
    let addr = service.key.addr;
    if let Protocol::Fwmark(mark) = service.key.protocol {
        return format!("whatever your own rules give firewall mark {mark}");
    }
    let local = match model.dataplane.kind {
        DataPlaneKind::Nftables => "",
        DataPlaneKind::Ipvs => "; IPVS takes only what is for an address of the director itself",
    };
    match (&service.assign, holder(model, addr)) {
        (Some(assign), _) => format!(
            "{addr}/{}, which Evenkeel puts on {}",
            assign.prefix, assign.interface
        ),
        (None, Some(instance)) => {
            format!("{addr}, on the director that is master of VRRP instance {instance}")
        }
        (None, None) => format!("{addr}, which others bring to this machine{local}"),
    }
}

/// The VRRP instance that an address belongs to.
fn holder(model: &Model, addr: IpAddr) -> Option<&str> {
    let mut instances = model.vrrp.instances.iter();
    instances
        .find(|instance| instance.addresses.iter().any(|it| it.addr == addr))
        .map(|instance| instance.name.as_str())
}

fn scheduler(
    service: &Service,
    dataplane: DataPlaneKind,
    planned: &Planned,
) -> (String, Vec<String>) {
    let name = &service.scheduler.plugin;
    let first = match service.decision {
        Decision::Plan => format!("{name} makes plans, which the kernel follows by itself"),
        Decision::PerConnection => format!(
            "{name} is asked about each new connection; while it does not answer, its last plan is followed"
        ),
    };
    (first, planned.lines(service, dataplane))
}

fn persistence(service: &Service) -> String {
    match service.persistence {
        None => "each new connection is scheduled for itself".to_owned(),
        Some(it) => {
            let longest = if service.key.addr.is_ipv4() { 32 } else { 128 };
            let who = if it.prefix == longest {
                "a client stays".to_owned()
            } else {
                format!("clients of one /{} stay", it.prefix)
            };
            let drains = match service.on_drain {
                OnDrain::Keep => "",
                OnDrain::Move => ", or until the server's weight is 0",
            };
            format!(
                "{who} with the same server until there has been no new connection for {}{drains}",
                show(it.timeout)
            )
        }
    }
}

fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Servers that are reached in this way; all of them are not named.
fn named(service: &Service, forward: Forward) -> Option<String> {
    let with: Vec<&Server> = service
        .servers
        .iter()
        .filter(|server| server.forward == forward)
        .collect();
    if with.is_empty() {
        return None;
    }
    if with.len() == service.servers.len() {
        return Some(String::new());
    }
    let names: Vec<&str> = with.iter().map(|server| server.name.as_str()).collect();
    Some(format!("{}: ", names.join(", ")))
}

fn forwarding(service: &Service, forward: Forward, dataplane: DataPlaneKind) -> Option<String> {
    let who = named(service, forward)?;
    let how = match (forward, service.snat) {
        (Forward::Nat, true) => {
            "nat: the destination becomes the server and the source the director, so that the server answers the director and does not see the client"
        }
        (Forward::Nat, false) if dataplane == DataPlaneKind::Ipvs => {
            "nat: the destination becomes the server, which sees the client; its answers must pass the director, which turns them back. Clients on the server's own network get no answer, unless snat = true"
        }
        (Forward::Nat, false) => {
            "nat: the destination becomes the server, which sees the client; its answers must pass the director, which turns them back. Clients on the server's own network are hidden, so that it answers the director"
        }
        (Forward::Dr, _) => {
            "dr: the packet goes to the server's MAC address as it is; the server has the service's address, too, and answers the client directly"
        }
        (Forward::Tun, _) => {
            "tun: the packet goes to the server inside another IP packet; the server takes it out, has the service's address, too, and answers the client directly"
        }
    };
    Some(format!("{who}{how}"))
}

fn checks(service: &Service) -> String {
    let mut plain: Vec<String> = Vec::new();
    let mut unchecked: Vec<&str> = Vec::new();
    for server in &service.servers {
        if server.checks.is_empty() {
            unchecked.push(&server.name);
        }
        for check in &server.checks {
            let interval = check.timing.interval;
            let port = check.target.port();
            let text = format!(
                "{} on port {port} every {}, out {} later at most",
                check.plugin.plugin,
                show(interval),
                show(detection(&check.timing))
            );
            if !plain.contains(&text) {
                plain.push(text);
            }
        }
    }
    let all = unchecked.len() == service.servers.len();
    if all {
        return "none: servers are always taken as up".to_owned();
    }
    let mut text = plain.join("; ");
    if !unchecked.is_empty() {
        let _ = write!(
            text,
            "; none for {}, always taken as up",
            unchecked.join(", ")
        );
    }
    text
}

/// How long a server that stops answering stays in the pool at most (docs/configuration.md, `service.check`).
fn detection(timing: &CheckTiming) -> Duration {
    let repetitions = timing
        .retry_delay
        .max(timing.timeout)
        .saturating_mul(timing.retries);
    timing
        .interval
        .saturating_add(repetitions)
        .saturating_add(timing.timeout)
}

fn on_failure(service: &Service, dataplane: DataPlaneKind) -> String {
    let inhibiting: Vec<&str> = service
        .servers
        .iter()
        .filter(|server| server.inhibit_on_failure)
        .map(|server| server.name.as_str())
        .collect();
    let flows = match (service.on_down, dataplane) {
        (OnDown::Kill, _) => {
            "established flows are forgotten, and a client's next packet goes to another server"
        }
        (OnDown::Keep, DataPlaneKind::Nftables) => "established flows go on if they can",
        (OnDown::Keep, DataPlaneKind::Ipvs) => {
            "the server leaves IPVS, and packets of its established flows are dropped until it is back"
        }
    };
    if inhibiting.is_empty() {
        return format!("new connections go to the others; {flows}");
    }
    let stays = "the server stays in the kernel with weight 0: established flows go on if they can";
    if inhibiting.len() == service.servers.len() {
        return format!("new connections go to the others; {stays}");
    }
    format!(
        "new connections go to the others; {flows}; of {}: {stays}",
        inhibiting.join(", ")
    )
}
