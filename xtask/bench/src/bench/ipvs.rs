//! nftables with and without a flowtable beside IPVS, driven by Evenkeel and by keepalived: one kernel that has all
//! of it, one start.

use anyhow::Result;
use clap::ValueEnum as _;
use serde_json::json;

use super::rounds::{self, Measure, Rounds};
use super::stage::{Stage, Way};

/// Connections under way at once: of an emulated machine, more would only wait for each other.
const AT_ONCE: usize = 64;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    rounds: rounds::Options,
    /// What to measure, of all
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
    /// Measures on this machine's own kernel, which has to have nftables with flowtables, and IPVS
    #[arg(long)]
    here: bool,
}

impl Options {
    /// Whether another machine is to run this.
    pub(crate) fn elsewhere(&self) -> bool {
        !self.here
    }

    /// What that other machine is to run.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let own = [
            "ipvs".to_owned(),
            "--here".to_owned(),
            format!("--rounds={}", self.rounds.rounds),
            format!("--seconds={}", self.rounds.seconds),
        ];
        let only = self.only.iter().filter_map(|it| it.to_possible_value());
        let only = only.map(|it| format!("--only={}", it.get_name()));
        own.into_iter().chain(only).collect()
    }
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    use Way::{Flowtable, Ipvs, IpvsByKeepalived, Nftables};
    let stage = Stage::set(&Way::KERNEL)?;
    let measures = match options.only.as_slice() {
        [] => Measure::ALL,
        only => only,
    };
    let rounds = Rounds::measure(&stage, &Way::KERNEL, measures, &options.rounds, AT_ONCE)?;
    for way in [Nftables, Flowtable, Ipvs] {
        if let Some(evenkeel) = stage.evenkeel(way) {
            println!(
                "\n{}, its own view:\n{}",
                way.name(),
                evenkeel.status_table()?
            );
        }
    }
    rounds.table();
    let aims = [
        (
            "flowtable / IPVS, datagrams/s",
            Measure::Datagrams,
            Flowtable,
            Ipvs,
            "1.2 or more",
        ),
        (
            "flowtable / IPVS, throughput, offloads off",
            Measure::Packets,
            Flowtable,
            Ipvs,
            "1.2 or more",
        ),
        (
            "flowtable / IPVS, throughput, offloads on",
            Measure::Stream,
            Flowtable,
            Ipvs,
            "1.2 or more",
        ),
        (
            "IPVS by Evenkeel / by keepalived, datagrams/s",
            Measure::Datagrams,
            Ipvs,
            IpvsByKeepalived,
            "1",
        ),
        (
            "IPVS by Evenkeel / by keepalived, throughput",
            Measure::Packets,
            Ipvs,
            IpvsByKeepalived,
            "1",
        ),
        (
            "IPVS by Evenkeel / by keepalived, new connections/s",
            Measure::Connections,
            Ipvs,
            IpvsByKeepalived,
            "1",
        ),
    ];
    let aims = aims.into_iter().filter(|it| measures.contains(&it.1));
    println!();
    for (what, measure, way, to, aim) in aims.clone() {
        println!("{what}: {:.2} (aim: {aim})", rounds.ratio(measure, way, to));
    }
    if as_json {
        let ratios: serde_json::Map<_, _> = aims
            .map(|(what, measure, way, to, _)| {
                (what.to_owned(), json!(rounds.ratio(measure, way, to)))
            })
            .collect();
        println!("{}", json!({ "ways": rounds.report(), "ratios": ratios }));
    }
    Ok(())
}
