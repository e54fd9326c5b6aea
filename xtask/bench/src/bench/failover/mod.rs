//! How long a virtual address is away when it moves, seen by a client: a pair of Evenkeel and a pair of keepalived,
//! in turns, in the same network, measured in the same way.

mod attempts;
mod interval;
mod pair;
mod report;
mod round;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Backend};

use self::interval::Interval;
use self::pair::{ASK, Program};
use self::report::Row;
use self::round::{Event, Round};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often everything is measured; medians count
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Only these intervals between adverts
    #[arg(long, value_enum)]
    interval: Vec<Interval>,
    /// Only this pair
    #[arg(long, value_enum)]
    pair: Option<Program>,
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    let net = Article::pair(2)?;
    let _servers = net
        .servers
        .iter()
        .enumerate()
        .map(|(number, node)| Backend::tcp(node, net.server(number, ASK), node.name()))
        .collect::<Result<Vec<_>>>()?;
    let programs = options
        .pair
        .map_or_else(|| Program::ALL.to_vec(), |program| vec![program]);
    let intervals = if options.interval.is_empty() {
        &Interval::ALL[..]
    } else {
        &options.interval
    };
    let mut rows: BTreeMap<(Interval, Event), Row> = BTreeMap::new();
    for interval in intervals {
        for number in 0..options.rounds {
            for program in &programs {
                // In the middle of an equal part of the time between two adverts, another part each round: chance has
                // no part in who is killed right before an advert.
                let phase = (f64::from(number) + 0.5) / f64::from(options.rounds);
                let round = Round::new(&net, *program, *interval, phase)?;
                let name = program.name();
                let seen = round
                    .run()
                    .with_context(|| format!("{name}, {}", interval.name()))?;
                println!(
                    "round {} of {}, {}, {name}: {}",
                    number + 1,
                    options.rounds,
                    interval.name(),
                    report::line(&seen)
                );
                for (event, measured) in seen {
                    rows.entry((*interval, event))
                        .or_default()
                        .add(*program, measured);
                }
            }
        }
    }
    report::tables(&rows);
    if as_json {
        println!("{}", report::json(&rows));
    }
    Ok(())
}
