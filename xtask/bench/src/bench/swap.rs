//! Another version of a scheduler takes over while connections come.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use evenkeel_tests::{Article, Backend, Client, Evenkeel, Paths};
use serde_json::json;

use super::release::paths;
use super::stats::{median, range};

const PORT: u16 = 80;
/// How long one takeover may take.
const LIMIT: Duration = Duration::from_secs(20);
/// The servers; the last one drains, and no plan may name it.
const SERVERS: usize = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often the plugin's file is replaced
    #[arg(long, default_value_t = 20)]
    swaps: usize,
    /// Clients that connect one time after the other
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Pause of each client after an answer, in microseconds
    #[arg(long, default_value_t = 2_000)]
    pause: u64,
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    let net = Article::new(SERVERS)?;
    let backends: Vec<Backend> = net
        .servers
        .iter()
        .enumerate()
        .map(|(n, node)| Backend::tcp(node, net.server(n, PORT), &n.to_string()))
        .collect::<Result<_>>()?;
    let plugins = Paths::default().plugins;
    // Two that plan differently, as two versions of one may.
    let versions = ["rr", "random"].map(|name| (name, plugins.join(name).with_extension("wasm")));
    let file = net.director.dir().join("swapped.wasm");
    fs::copy(&versions[0].1, &file)?;
    let mut evenkeel = Evenkeel::with_paths(&net.director, &config(&net, &file), paths())?;
    evenkeel.start()?;
    let client = Client::new(&net.client);
    let pause = Duration::from_micros(options.pause);
    let began = Instant::now();
    let streams = (0..options.clients)
        .map(|_| client.keep_asking(net.vip(PORT), pause))
        .collect::<Result<Vec<_>>>()?;
    let mut took = Vec::with_capacity(options.swaps);
    for swap in 1..=options.swaps {
        let (name, from) = &versions[swap % versions.len()];
        took.push(replace(&evenkeel, from, &file, name)?);
        std::thread::sleep(Duration::from_millis(200));
    }
    let seconds = began.elapsed().as_secs_f64();
    let (mut asked, mut lost, mut wrong, mut longest) = (0_usize, 0, 0, Duration::ZERO);
    for stream in streams {
        let record = stream.stop()?;
        asked += record.answers.len();
        lost += record.failures().count();
        wrong += record.spread().get("2").copied().unwrap_or(0);
        longest = longest.max(record.longest());
    }
    let log = evenkeel.log();
    let takeovers = log.matches("another scheduler has taken over").count();
    ensure!(takeovers == options.swaps, "{takeovers} takeovers\n{log}");
    drop(backends);
    let rate = f64::from(u32::try_from(asked)?) / seconds;
    let (least, greatest) = range(&took);
    println!(
        "{} swaps under {rate:.0} new connections/s: {asked} attempts, {lost} lost, {wrong} to a server that drains, \
         the slowest in {:.1} ms",
        options.swaps,
        longest.as_secs_f64() * 1000.0
    );
    println!(
        "from the new file to its plan in force: {:.0} ms ({least:.0} to {greatest:.0}), of which 250 ms are a wait \
         whether more of the file comes",
        median(&took)
    );
    println!("(aims: 2,000 new connections/s or more, 0 lost, 0 wrong)");
    if as_json {
        println!(
            "{}",
            json!({
                "swaps": options.swaps,
                "per_second": rate,
                "asked": asked,
                "lost": lost,
                "wrong": wrong,
                "longest_ms": longest.as_secs_f64() * 1000.0,
                "swap_ms": took,
            })
        );
    }
    Ok(())
}

fn config(net: &Article, plugin: &Path) -> String {
    let servers: Vec<String> = (0..SERVERS)
        .map(|n| {
            let weight = if n + 1 == SERVERS { 0 } else { 1 };
            format!(
                "{{ address = \"{}\", weight = {weight} }}",
                net.server(n, PORT)
            )
        })
        .collect();
    format!(
        "[[service]]\nname = \"web\"\nlisten = \"{}\"\nscheduler = {{ plugin = {plugin:?} }}\nserver = [{}]\n",
        net.vip(PORT),
        servers.join(", ")
    )
}

/// Puts a version into the file's place, and waits until it decides. In milliseconds.
fn replace(evenkeel: &Evenkeel, from: &Path, file: &Path, name: &str) -> Result<f64> {
    let beside = file.with_extension("new");
    fs::copy(from, &beside)?;
    let began = Instant::now();
    fs::rename(&beside, file)?;
    while evenkeel.status()?["services"][0]["scheduler"] != name {
        ensure!(began.elapsed() < LIMIT, "{name} has not taken over");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}
