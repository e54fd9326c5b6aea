//! How evenly least connections spreads connections of unequal lifetimes: Evenkeel in both ways, HAProxy, and IPVS
//! where the kernel has it, one after the other with the same arrivals and lifetimes.

mod load;
mod net;
mod scenario;

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use load::{Load, Samples};
use net::{Balancer, Stage};
use scenario::{SCENARIOS, Scenario};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Seconds that are looked at, after a third of them to warm up
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// New connections per second, on average (exponential pauses)
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Where the arrivals' and lifetimes' random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs in Debian's own kernel in qemu, which has IPVS: ten times slower, so with a rate of 40 unless another is
    /// given
    #[arg(long)]
    qemu: bool,
}

impl Options {
    /// Whether another machine is to run this.
    pub(crate) fn elsewhere(&self) -> bool {
        self.qemu
    }

    /// What that other machine is to run.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let rate = if self.rate == 200 { 40 } else { self.rate };
        [
            ("--seconds", self.seconds.to_string()),
            ("--rate", rate.to_string()),
            ("--seed", self.seed.to_string()),
        ]
        .into_iter()
        .fold(vec!["balance".to_owned()], |mut words, (key, value)| {
            words.extend([key.to_owned(), value]);
            words
        })
    }
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    let mut all = Vec::new();
    let network = net::network()?;
    for scenario in SCENARIOS {
        println!(
            "{}: {}, {} connections/s, {} s\n  imbalance = most - fewest open connections per weight at one moment, every 10 ms",
            scenario.scheduler, scenario.name, options.rate, options.seconds
        );
        for balancer in Balancer::ALL {
            let stage = match Stage::set(&network, balancer, &scenario)? {
                Ok(stage) => stage,
                Err(why) => {
                    println!("  {:<28} not here: {why}", balancer.name());
                    continue;
                }
            };
            let load = Load {
                rate: options.rate,
                seed: options.seed,
                time: Duration::from_secs(options.seconds),
                lifetimes: scenario.lifetimes,
            };
            let samples = load.run(&stage)?;
            let decided = stage.decided()?;
            stage.end()?;
            // Those that were not went by the plan: the machine was so busy that the daemon's heart missed beats.
            let asked = decided.map(|decided| {
                format!("; {} of {} decided", decided.min(samples.all), samples.all)
            });
            println!(
                "  {:<28} {}{}",
                balancer.name(),
                described(&samples, &scenario),
                asked.unwrap_or_default()
            );
            all.push(json!({
                "scheduler": scenario.scheduler,
                "balancer": balancer.key(),
                "mean_imbalance": samples.imbalance(&scenario.weights).mean,
                "max_imbalance": samples.imbalance(&scenario.weights).max,
                "failed": samples.failed,
                "connections": samples.connections,
                "decided": decided,
            }));
        }
    }
    if as_json {
        println!("{}", serde_json::Value::from(all));
    }
    Ok(())
}

fn described(samples: &Samples, scenario: &Scenario) -> String {
    let imbalance = samples.imbalance(&scenario.weights);
    let open: Vec<String> = samples
        .mean_open()
        .iter()
        .map(|open| format!("{open:.1}"))
        .collect();
    let failed = match samples.failed {
        0 => String::new(),
        failed => format!("; {failed} failed"),
    };
    format!(
        "imbalance mean {:>5.2}, max {:>5.1}; standard deviation mean {:>5.2}; open on average {}; {} connections{failed}",
        imbalance.mean,
        imbalance.max,
        imbalance.deviation,
        open.join(" / "),
        samples.connections,
    )
}
