//! What it costs a new connection how its server is decided.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::connections;
use super::stage::{ASK, Stage, Way};
use super::stats::{median, range};

const WAYS: usize = Way::DECIDING.len();

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often everything is measured; medians count
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Connections under way at once
    #[arg(long, default_value_t = 256)]
    at_once: usize,
}

/// What was measured of one way.
#[derive(Debug, Default)]
struct Row {
    rates: Vec<f64>,
    failed: u64,
    /// Processor time of the daemon for each connection, in microseconds.
    daemon: Vec<f64>,
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    let stage = Stage::set(&Way::DECIDING)?;
    let time = Duration::from_secs(options.seconds);
    let mut rows: [Row; WAYS] = Default::default();
    for round in 1..=options.rounds {
        for (number, way) in order(round) {
            let to = way.addresses(ASK);
            let before = processor_time(&stage, way);
            let rate = connections::measure(&stage.client, &to, options.at_once, time)?;
            let row = &mut rows[number];
            row.rates.push(rate.per_second);
            row.failed += rate.failed;
            if let (Some(before), Some(after)) = (before, processor_time(&stage, way)) {
                // The run-up counts too: see `connections::measure`.
                let connections = rate.per_second * time.as_secs_f64() * 1.2;
                row.daemon.push((after - before) * 1e6 / connections);
            }
        }
        let figures = Way::DECIDING.iter().zip(&rows);
        let figures: Vec<String> = figures
            .map(|(way, row)| format!("{} {:.0}", way.key(), row.rates[round - 1]))
            .collect();
        println!(
            "round {round} of {}: {}",
            options.rounds,
            figures.join(", ")
        );
    }
    print(&rows);
    let latency = latency(&stage)?;
    println!(
        "a decision takes (half of them / 99 of 100): {} / {} us in the scheduler, {} / {} us from reading the packet to sending it on; \
         {} decided, {} left to the plan",
        latency["pick_p50_us"],
        latency["pick_p99_us"],
        latency["total_p50_us"],
        latency["total_p99_us"],
        latency["decided"],
        latency["passed"],
    );
    println!(
        "new connections/s: Evenkeel per connection / HAProxy = {:.2} (aim: 1.3 or more)",
        ratio(&rows, Way::EvenkeelAsking, Way::HaProxy)
    );
    if as_json {
        println!("{}", report(&rows, &latency));
    }
    Ok(())
}

/// Every round begins with another way.
fn order(round: usize) -> impl Iterator<Item = (usize, Way)> {
    let ways = Way::DECIDING.into_iter().enumerate();
    ways.cycle().skip(round % WAYS).take(WAYS)
}

/// Seconds of processor time that the daemon of a way has used.
fn processor_time(stage: &Stage, way: Way) -> Option<f64> {
    let pid = stage.evenkeel(way)?.status().ok()?["pid"].as_u64()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name in brackets: state is field 3, utime and stime are 14 and 15 (proc_pid_stat(5)), in hundredths
    // of a second.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(14)? + ticks(15)?) / 100.0)
}

fn of(rows: &[Row; WAYS], way: Way) -> &[f64] {
    let mut ways = Way::DECIDING.iter().zip(rows);
    ways.find(|(it, _)| **it == way)
        .map_or(&[], |(_, row)| &row.rates)
}

/// The median of the rounds' ratios: what else the machine does meanwhile concerns both sides of one round alike.
fn ratio(rows: &[Row; WAYS], way: Way, to: Way) -> f64 {
    let pairs = of(rows, way).iter().zip(of(rows, to));
    median(&pairs.map(|(a, b)| a / b).collect::<Vec<_>>())
}

fn print(rows: &[Row; WAYS]) {
    println!(
        "\nclient -> director -> 2 servers; new connections/s: median (least to greatest), x plain routing, x HAProxy"
    );
    for (way, row) in Way::DECIDING.into_iter().zip(rows) {
        let (least, greatest) = range(&row.rates);
        let daemon = if row.daemon.is_empty() {
            String::new()
        } else {
            format!("; daemon {:.1} us a connection", median(&row.daemon))
        };
        let failed = match row.failed {
            0 => String::new(),
            failed => format!("; {failed} failed or got stuck"),
        };
        println!(
            "{:<28} {:>6.0} ({least:.0} to {greatest:.0}) x{:.2} x{:.2}{daemon}{failed}",
            way.name(),
            median(&row.rates),
            ratio(rows, way, Way::Routing),
            ratio(rows, way, Way::HaProxy),
        );
    }
}

/// The queue of the daemon that is asked, as `status` shows it.
fn latency(stage: &Stage) -> Result<Value> {
    let Some(evenkeel) = stage.evenkeel(Way::EvenkeelAsking) else {
        return Ok(Value::Null);
    };
    let status = evenkeel.status()?;
    let services = status["services"].as_array().cloned().unwrap_or_default();
    let asked = services.into_iter().find(|it| it["name"] == "ask");
    Ok(asked.map(|it| it["queue"].clone()).unwrap_or_default())
}

fn report(rows: &[Row; WAYS], latency: &Value) -> Value {
    let ways = Way::DECIDING.into_iter().zip(rows).map(|(way, row)| {
        let figures = json!({
            "median": median(&row.rates),
            "rounds": row.rates,
            "x_routing": ratio(rows, way, Way::Routing),
            "x_haproxy": ratio(rows, way, Way::HaProxy),
            "failed_connections": row.failed,
            "daemon_us": median(&row.daemon),
        });
        (way.key().to_owned(), figures)
    });
    json!({ "ways": ways.collect::<serde_json::Map<_, _>>(), "queue": latency })
}
