//! What a change costs among many services.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Evenkeel, Lab, Node, wait_until};
use serde_json::{Value, json};

use super::release::paths;
use super::stats::median;
use xtask::cmd::target;

/// Real servers of each service.
const SERVERS: usize = 4;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many services
    #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000, 10_000])]
    services: Vec<usize>,
    /// How often one service is changed; medians count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Leaves out the data plane by itself
    #[arg(long)]
    daemon_only: bool,
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    let lab = Lab::new()?;
    let example = target().join("release/examples/bench_update");
    if !options.daemon_only {
        println!("The data plane by itself:");
        let node = lab.node("dataplane")?;
        let output = node.output_within(Command::new(example), 5 * LIMIT)?;
        print!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(output.status.success(), "bench_update: {}", output.status);
    }
    println!("\nThe daemon ({SERVERS} servers a service, no checks):");
    println!(
        "{:>9} | {:>14} | {:>26} | {:>22} | {:>8}",
        "services", "start to ready", "reload, 1 service changed", "of it in the kernel", "memory"
    );
    let mut report = Vec::new();
    // What the directors' cables lead to.
    let network = lab.node("network")?;
    for services in &options.services {
        let node = lab.node(&format!("director{services}"))?;
        lab.cable(&node, "eth0", &network, &format!("to{services}"))?;
        let figures = measure(&node, *services, options.rounds)?;
        println!(
            "{services:>9} | {:>11.0} ms | {:>23.1} ms | {:>19.2} ms | {:>5.0} MB",
            figures.start_ms, figures.reload_ms, figures.kernel_ms, figures.memory_mb
        );
        report.push(figures.json(*services));
    }
    println!(
        "(aims: a change 2 ms or less in the kernel, a full load 2 s or less, at 10,000 services)"
    );
    if as_json {
        println!("{}", Value::from(report));
    }
    Ok(())
}

/// What one number of services costs.
#[derive(Debug)]
struct Figures {
    /// From the start of the process until it answers and the kernel holds everything.
    start_ms: f64,
    /// From SIGHUP until the change is in force, as seen by asking over and over.
    reload_ms: f64,
    /// The batch of the change by itself, as the daemon measured it.
    kernel_ms: f64,
    /// Resident memory.
    memory_mb: f64,
}

impl Figures {
    fn json(&self, services: usize) -> Value {
        json!({
            "services": services,
            "servers": SERVERS * services,
            "start_ms": self.start_ms,
            "reload_ms": self.reload_ms,
            "kernel_ms": self.kernel_ms,
            "memory_mb": self.memory_mb,
        })
    }
}

fn measure(node: &Node, services: usize, rounds: usize) -> Result<Figures> {
    node.forward()?;
    node.add_address("eth0", "10.0.0.1/8")?;
    let mut evenkeel = Evenkeel::with_paths(node, &config(services, 1), paths())?;
    let begun = Instant::now();
    evenkeel.start()?;
    evenkeel.wait_status("everything is in the kernel", LIMIT, |status| {
        status["settled"] == true
    })?;
    let start_ms = millis(begun.elapsed());
    let (mut reloads, mut kernel) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let weight = 2 + u32::try_from(round % 8)?;
        let before = changes(&evenkeel.status()?)?;
        let config = config(services, weight);
        let begun = Instant::now();
        evenkeel.reload(&config)?;
        wait_until("the change is in force", LIMIT, || {
            Ok(changes(&evenkeel.status()?)? > before)
        })?;
        reloads.push(millis(begun.elapsed()));
        let micros = evenkeel.status()?["kernel"]["last_us"].as_f64();
        kernel.push(micros.context("the status has no kernel.last_us")? / 1000.0);
    }
    let memory_mb = memory(evenkeel.running()?.pid())?;
    let ended = evenkeel.sigterm()?;
    ensure!(ended.success(), "the daemon: {ended}\n{}", evenkeel.log());
    Ok(Figures {
        start_ms,
        reload_ms: median(&reloads),
        kernel_ms: median(&kernel),
        memory_mb,
    })
}

/// Services of which the middle one's first server has this weight.
fn config(services: usize, weight: u32) -> String {
    let mut text = String::new();
    for number in 0..services {
        let (third, fourth) = (number / 250, 1 + number % 250);
        let _ = write!(
            text,
            "[[service]]\nname = \"s{number}\"\nlisten = \"10.1.{third}.{fourth}:80\"\n\
             scheduler = {{ plugin = \"wrr\" }}\n"
        );
        for server in 0..SERVERS {
            let weight = if number == services / 2 && server == 0 {
                weight
            } else {
                1
            };
            let network = 2 + server;
            let _ = write!(
                text,
                "[[service.server]]\naddress = \"10.{network}.{third}.{fourth}:80\"\nweight = {weight}\n"
            );
        }
    }
    text
}

fn changes(status: &Value) -> Result<u64> {
    status["kernel"]["changes"]
        .as_u64()
        .context("the status has no kernel.changes")
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Resident memory of a process, in MB.
fn memory(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?
        .parse()?;
    Ok(kib * 1024.0 / 1e6)
}
