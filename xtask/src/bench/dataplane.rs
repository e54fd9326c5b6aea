//! What each connection and each byte costs on its way.

use std::process::Command;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::Paths;
use serde_json::{Value, json};

use super::connections;
use super::stage::{ASK, STREAM, Stage, Way};
use super::stats::{median, range};
use crate::cmd::target;

/// Connections under way at once.
const AT_ONCE: usize = 256;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often everything is measured; medians count
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

/// What the release build has made.
pub(crate) fn paths() -> Paths {
    Paths {
        binary: target().join("release/evenkeel"),
        ..Paths::default()
    }
}

/// One column of the table.
#[derive(Debug)]
struct Column {
    title: &'static str,
    key: &'static str,
    /// Rounds of each way, in the order of [`Way::ALL`].
    rounds: [Vec<f64>; 4],
}

impl Column {
    fn new(title: &'static str, key: &'static str) -> Self {
        Self {
            title,
            key,
            rounds: Default::default(),
        }
    }

    fn of(&self, way: Way) -> &[f64] {
        let mut ways = Way::ALL.iter().zip(&self.rounds);
        ways.find(|(it, _)| **it == way)
            .map_or(&[], |(_, rounds)| rounds)
    }

    fn median(&self, way: Way) -> f64 {
        median(self.of(way))
    }

    /// The median of the rounds' ratios: what else the machine does meanwhile concerns both sides of one round alike.
    fn ratio(&self, way: Way, to: Way) -> f64 {
        let ratios: Vec<f64> = self
            .of(way)
            .iter()
            .zip(self.of(to))
            .map(|(a, b)| a / b)
            .collect();
        median(&ratios)
    }
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    let stage = Stage::set(&Way::ALL)?;
    let time = Duration::from_secs(options.seconds);
    let mut columns = [
        Column::new("1 stream, offloads on (Gb/s)", "stream_offloads_on"),
        Column::new("offloads off (Gb/s)", "stream_offloads_off"),
        Column::new("new connections/s", "connections"),
    ];
    let mut failed = [0; 4];
    for round in 1..=options.rounds {
        for (place, offloads) in [(0, true), (1, false)] {
            stage.offloads(offloads)?;
            for (number, way) in order(round) {
                columns[place].rounds[number].push(stream(&stage, way, time)?);
            }
        }
        stage.offloads(true)?;
        for (number, way) in order(round) {
            let rate = connections::measure(&stage.client, &way.addresses(ASK), AT_ONCE, time)?;
            columns[2].rounds[number].push(rate.per_second);
            failed[number] += rate.failed;
        }
        println!(
            "round {round} of {}: {}",
            options.rounds,
            this_round(&columns)
        );
    }
    if let Some(evenkeel) = stage.evenkeel(Way::Evenkeel) {
        println!("\nEvenkeel's own view:\n{}", evenkeel.status_table()?);
    }
    table(&columns);
    for (way, failed) in Way::ALL
        .iter()
        .zip(failed)
        .filter(|(_, failed)| *failed > 0)
    {
        println!("{}: {failed} connections failed or got stuck", way.name());
    }
    aims(&columns);
    if as_json {
        println!("{}", report(&columns, failed));
    }
    Ok(())
}

/// Every round begins with another way.
fn order(round: usize) -> impl Iterator<Item = (usize, Way)> {
    let ways = Way::ALL.into_iter().enumerate();
    ways.cycle()
        .skip(round % Way::ALL.len())
        .take(Way::ALL.len())
}

/// One TCP stream from the client to a server, in Gb/s as received.
fn stream(stage: &Stage, way: Way, time: Duration) -> Result<f64> {
    let to = way.address(STREAM);
    let mut iperf = Command::new("iperf3");
    iperf.args(["-J", "-O", "1", "-t", &time.as_secs().to_string()]);
    iperf.args(["-c", &to.ip().to_string(), "-p", &to.port().to_string()]);
    let output = stage
        .client
        .output_within(iperf, time * 2 + Duration::from_secs(20))?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let bits = answer["end"]["sum_received"]["bits_per_second"].as_f64();
    ensure!(
        output.status.success(),
        "{}: iperf3: {}",
        way.name(),
        answer["error"]
    );
    Ok(bits.context("iperf3 has not said how fast it was")? / 1e9)
}

fn this_round(columns: &[Column]) -> String {
    let figures = Way::ALL.iter().enumerate().map(|(number, way)| {
        let last: Vec<String> = columns
            .iter()
            .map(|column| figure(column.rounds[number].last().copied().unwrap_or_default()))
            .collect();
        format!("{} {}", way.key(), last.join(" / "))
    });
    figures.collect::<Vec<_>>().join(", ")
}

fn table(columns: &[Column]) {
    let cores = available_parallelism().map_or(0, std::num::NonZero::get);
    println!(
        "client -> director -> 2 servers on {cores} cores; medians (least to greatest), and x plain routing (median of the rounds' ratios)"
    );
    print!("{:<18}", "");
    for column in columns {
        print!(" | {:>32}", column.title);
    }
    println!();
    for (number, way) in Way::ALL.into_iter().enumerate() {
        print!("{:<18}", way.name());
        for column in columns {
            let (least, greatest) = range(&column.rounds[number]);
            print!(
                " | {:>32}",
                format!(
                    "{} ({} to {}) x{:.2}",
                    figure(column.median(way)),
                    figure(least),
                    figure(greatest),
                    column.ratio(way, Way::Routing)
                )
            );
        }
        println!();
    }
}

fn figure(figure: f64) -> String {
    if figure < 1000.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}

fn aims(columns: &[Column; 3]) {
    println!();
    let [stream, _, connections] = columns;
    println!(
        "throughput, offloads on: Evenkeel / plain routing = {:.2} (aim: 0.9 or more)",
        stream.ratio(Way::Evenkeel, Way::Routing)
    );
    println!(
        "new connections/s: Evenkeel / HAProxy = {:.2} (aim: 1.6 or more)",
        connections.ratio(Way::Evenkeel, Way::HaProxy)
    );
}

fn report(columns: &[Column; 3], failed: [u64; 4]) -> Value {
    let mut ways = serde_json::Map::new();
    for (number, way) in Way::ALL.into_iter().enumerate() {
        let mut figures = serde_json::Map::new();
        for column in columns {
            let figure = json!({
                "median": column.median(way),
                "rounds": column.rounds[number],
                "x_routing": column.ratio(way, Way::Routing),
            });
            figures.insert(column.key.to_owned(), figure);
        }
        figures.insert("failed_connections".to_owned(), json!(failed[number]));
        ways.insert(way.key().to_owned(), figures.into());
    }
    let [stream, _, connections] = columns;
    json!({
        "ways": ways,
        "throughput_x_routing": stream.ratio(Way::Evenkeel, Way::Routing),
        "connections_x_haproxy": connections.ratio(Way::Evenkeel, Way::HaProxy),
    })
}
