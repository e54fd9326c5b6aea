//! From TOML to a workload. What is wrong is said with its line, its key and its value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_runtime::text::clean;
use serde::Deserialize;
use toml::Spanned;

use super::model::{Arrivals, Choice, Clients, Event, Happening, Lifetime, Server, Workload};
use super::values::{
    Capacity, ClientCount, Exponent, Labels, Name, Rate, Shape, Span, Speed, Time, Weight,
};
use crate::{Refused, refuse};

/// Connections of one simulation: so many take some seconds, and some hundred megabytes.
const MAX_CONNECTIONS: f64 = 5_000_000.0;
/// Servers of one simulation.
const MAX_SERVERS: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    duration: Option<Span>,
    seed: Option<u32>,
    detection: Option<Time>,
    check_interval: Option<Span>,
    closing: Option<Time>,
    lifetime: Option<LifetimeValue>,
    #[serde(default)]
    clients: ClientsTable,
    #[serde(default)]
    server: Vec<Spanned<ServerTable>>,
    #[serde(default)]
    event: Vec<Spanned<EventTable>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum LifetimeValue {
    Constant(Span),
    Exponential(Span),
    Pareto(ParetoTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParetoTable {
    mean: Span,
    shape: Shape,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientsTable {
    count: Option<ClientCount>,
    rate: Option<Rate>,
    arrivals: Option<ArrivalsValue>,
    choice: Option<ChoiceValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ArrivalsValue {
    Random,
    Even,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChoiceValue {
    Uniform,
    Zipf(Exponent),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTable {
    name: Name,
    weight: Option<Weight>,
    capacity: Option<Capacity>,
    speed: Option<Speed>,
    latency: Option<Time>,
    #[serde(default)]
    labels: Labels,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventTable {
    at: Time,
    fail: Option<Name>,
    r#return: Option<Name>,
    drain: Option<Name>,
    remove: Option<Name>,
    weight: Option<BTreeMap<Name, Weight>>,
    add: Option<ServerTable>,
    rate: Option<Rate>,
}

/// Reads a workload. `file` is its name in errors.
///
/// # Errors
/// [`Refused`]: what is wrong, with its line, and what would be right.
pub(in super::super) fn read(text: &str, file: &str) -> Result<Workload, Refused> {
    let tables: File = toml::from_str(text)
        .map_err(|error| Refused(format!("workload {file}: {}", words(&error))))?;
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let at = |place: std::ops::Range<usize>| format!("workload {file}, line {}", line(place.start));
    if tables.server.is_empty() {
        refuse!(
            "workload {file}: it has no server; [[server]] and below it name = \"a\" is the least"
        );
    }
    let mut names = BTreeSet::new();
    let mut servers = Vec::new();
    for table in tables.server {
        let place = table.span();
        let server = server(table.into_inner());
        if !names.insert(server.name.clone()) {
            refuse!(
                "{}: name = {:?}: there is a server of that name above",
                at(place),
                server.name
            );
        }
        servers.push(server);
    }
    let duration = tables.duration.map_or(Duration::from_secs(60), |it| it.0);
    let mut events = Vec::new();
    for table in tables.event {
        let place = table.span();
        let event = event(table.into_inner())
            .and_then(|event| fits(&event, duration, &mut names).map(|()| event))
            .map_err(|reason| Refused(format!("{}: {reason}", at(place))))?;
        events.push(event);
    }
    if names.len() > MAX_SERVERS {
        refuse!(
            "workload {file}: it has {} servers, and may have {MAX_SERVERS}",
            names.len()
        );
    }
    // Those of one time stay in their order.
    events.sort_by_key(|event| event.at);
    let workload = Workload {
        duration,
        seed: tables.seed.map_or(1, u64::from),
        detection: tables.detection.map_or(Duration::from_secs(2), |it| it.0),
        check_interval: tables
            .check_interval
            .map_or(Duration::from_secs(1), |it| it.0),
        closing: tables.closing.map_or(Duration::from_secs(10), |it| it.0),
        lifetime: tables
            .lifetime
            .map_or(Lifetime::Exponential(Duration::from_secs(2)), lifetime),
        clients: clients(tables.clients),
        servers,
        events,
    };
    let connections = workload.connections();
    if connections > MAX_CONNECTIONS {
        refuse!(
            "workload {file}: rate and duration make some {connections:.0} connections; at most {MAX_CONNECTIONS:.0} are \
             simulated"
        );
    }
    Ok(workload)
}

/// With the line that is meant, of which nothing may steer a terminal.
fn words(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let lines: Vec<String> = text
        .trim_end()
        .lines()
        .map(|line| clean(line, 300))
        .collect();
    lines.join("\n")
}

impl Workload {
    /// How many connections are to be expected.
    fn connections(&self) -> f64 {
        let (mut rate, mut since, mut sum) = (self.clients.rate, Duration::ZERO, 0.0);
        for event in &self.events {
            if let Happening::Rate(next) = event.what {
                sum += rate * (event.at - since).as_secs_f64();
                (rate, since) = (next, event.at);
            }
        }
        sum + rate * (self.duration - since).as_secs_f64()
    }
}

fn lifetime(value: LifetimeValue) -> Lifetime {
    match value {
        LifetimeValue::Constant(time) => Lifetime::Constant(time.0),
        LifetimeValue::Exponential(mean) => Lifetime::Exponential(mean.0),
        LifetimeValue::Pareto(table) => Lifetime::Pareto {
            mean: table.mean.0,
            shape: table.shape.0,
        },
    }
}

fn clients(table: ClientsTable) -> Clients {
    Clients {
        count: table.count.map_or(5000, |it| it.0),
        rate: table.rate.map_or(200.0, |it| it.0),
        arrivals: match table.arrivals {
            Some(ArrivalsValue::Even) => Arrivals::Even,
            Some(ArrivalsValue::Random) | None => Arrivals::Random,
        },
        choice: match table.choice {
            Some(ChoiceValue::Zipf(exponent)) => Choice::Zipf(exponent.0),
            Some(ChoiceValue::Uniform) | None => Choice::Uniform,
        },
    }
}

fn server(table: ServerTable) -> Server {
    Server {
        name: table.name.0,
        weight: table.weight.map_or(1, |it| it.0),
        capacity: table.capacity.map(|it| it.0),
        speed: table.speed.map_or(1.0, |it| it.0),
        latency: table.latency.map_or(Duration::from_millis(1), |it| it.0),
        labels: table.labels,
    }
}

/// The one thing that an event names.
fn event(table: EventTable) -> Result<Event, String> {
    let at = table.at.0;
    let weights = |it: BTreeMap<Name, Weight>| {
        Happening::Weights(
            it.into_iter()
                .map(|(name, weight)| (name.0, weight.0))
                .collect(),
        )
    };
    let named = [
        table.fail.map(|it| Happening::Fail(it.0)),
        table.r#return.map(|it| Happening::Return(it.0)),
        table.drain.map(|it| Happening::Drain(it.0)),
        table.remove.map(|it| Happening::Remove(it.0)),
        table.weight.map(weights),
        table.add.map(|it| Happening::Add(server(it))),
        table.rate.map(|it| Happening::Rate(it.0)),
    ];
    let mut named = named.into_iter().flatten();
    match (named.next(), named.next()) {
        (Some(what), None) => Ok(Event { at, what }),
        (None, _) => Err("this [[event]] says only when: one of fail, return, drain, remove, weight, add and rate is to be \
                          beside at"
            .to_owned()),
        (Some(one), Some(other)) => Err(format!(
            "this [[event]] is two, \"{one}\" and \"{other}\": an [[event]] for each is right"
        )),
    }
}

/// Whether it can happen: in time, and to servers that there are. `names` grows by a server that is added.
fn fits(event: &Event, duration: Duration, names: &mut BTreeSet<String>) -> Result<(), String> {
    if event.at > duration {
        return Err(format!(
            "at = {:?}: the simulation lasts {duration:?} (duration)",
            event.at
        ));
    }
    let of = |names: &BTreeSet<String>, name: &String| {
        if names.contains(name) {
            return Ok(());
        }
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        Err(format!(
            "there is no server {name:?}; there are {}",
            known.join(", ")
        ))
    };
    match &event.what {
        Happening::Fail(name)
        | Happening::Return(name)
        | Happening::Drain(name)
        | Happening::Remove(name) => of(names, name),
        Happening::Weights(weights) => weights.keys().try_for_each(|name| of(names, name)),
        Happening::Add(server) if !names.insert(server.name.clone()) => Err(format!(
            "add: there is a server {:?} already, or was: another name is right",
            server.name
        )),
        Happening::Add(_) | Happening::Rate(_) => Ok(()),
    }
}
