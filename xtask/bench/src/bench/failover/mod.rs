//! How long a virtual address is away when it moves, seen by a client: a pair of Evenkeel and a pair of keepalived, in turns, in
//! the same network, measured in the same way.

mod attempts;
mod pair;
mod report;
mod round;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use evenkeel_tests::{Article, Backend};

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

/// From one advert to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Interval {
    /// VRRP version 2, as in the article.
    #[value(name = "1s")]
    Second,
    /// Version 3.
    #[value(name = "100ms")]
    Tenth,
    /// Version 3, as short as the protocol has it.
    #[value(name = "10ms")]
    Hundredth,
}

impl Interval {
    const ALL: [Self; 3] = [Self::Second, Self::Tenth, Self::Hundredth];

    fn duration(self) -> Duration {
        Duration::from_millis(match self {
            Self::Second => 1000,
            Self::Tenth => 100,
            Self::Hundredth => 10,
        })
    }

    fn version(self) -> u8 {
        match self {
            Self::Second => 2,
            Self::Tenth | Self::Hundredth => 3,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Second => "1 s (v2)",
            Self::Tenth => "100 ms (v3)",
            Self::Hundredth => "10 ms (v3)",
        }
    }
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
                // In the middle of an equal part of the time between two adverts, another part each round: chance has no part
                // in who is killed right before an advert.
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
