//! Throughput and new connections per second of several ways, measured in turn, round by round, and compared with the
//! first of them.

use std::process::Command;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::connections;
use super::datagrams;
use super::stage::{ASK, STREAM, Stage, Way};
use super::stats::{median, range};

/// How long to measure.
#[derive(Debug, Clone, clap::Args)]
// Part of other benches' options, whose group has the same name.
#[group(skip)]
pub(crate) struct Options {
    /// How often everything is measured; medians count
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 2)]
    pub(crate) seconds: u64,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Measure {
    /// One TCP stream, with segmentation and receive offloads.
    Stream,
    /// One TCP stream, packet by packet.
    Packets,
    /// New connections per second.
    Connections,
    /// Datagrams of one flow per second, with nothing beside the director to slow them down.
    Datagrams,
}

impl Measure {
    /// What takes no more than a service of TCP.
    pub(crate) const TCP: &[Self] = &[Self::Stream, Self::Packets, Self::Connections];
    /// Those, and what takes a service of UDP: [`Way::KERNEL`] alone has one.
    pub(crate) const ALL: &[Self] = &[
        Self::Stream,
        Self::Packets,
        Self::Connections,
        Self::Datagrams,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Stream => "1 stream, offloads on (Gb/s)",
            Self::Packets => "offloads off (Gb/s)",
            Self::Connections => "new connections/s",
            Self::Datagrams => "datagrams/s",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Stream => "stream_offloads_on",
            Self::Packets => "stream_offloads_off",
            Self::Connections => "connections",
            Self::Datagrams => "datagrams",
        }
    }
}

/// All figures.
#[derive(Debug)]
pub(crate) struct Rounds {
    measures: Vec<Measure>,
    ways: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    way: Way,
    /// In the order of the measures, a figure for each round.
    figures: Vec<Vec<f64>>,
    failed: u64,
}

impl Rounds {
    /// Measures; says each round's figures. `at_once`: connections under way at once.
    pub(crate) fn measure(
        stage: &Stage,
        ways: &[Way],
        measures: &[Measure],
        options: &Options,
        at_once: usize,
    ) -> Result<Self> {
        let rows = ways.iter().map(|&way| Row {
            way,
            figures: vec![Vec::new(); measures.len()],
            failed: 0,
        });
        let mut rounds = Self {
            measures: measures.to_vec(),
            ways: rows.collect(),
        };
        let time = Duration::from_secs(options.seconds);
        for round in 1..=options.rounds {
            // Every round begins with another way.
            rounds.ways.rotate_left(1);
            for (place, measure) in measures.iter().enumerate() {
                stage.offloads(*measure != Measure::Packets)?;
                for row in &mut rounds.ways {
                    let figure = match measure {
                        Measure::Connections => {
                            let to = row.way.addresses(ASK);
                            let rate = connections::measure(&stage.client, &to, at_once, time)?;
                            row.failed += rate.failed;
                            rate.per_second
                        }
                        Measure::Datagrams => datagrams::measure(stage, row.way, time)?,
                        Measure::Stream | Measure::Packets => stream(stage, row.way, time)?,
                    };
                    row.figures[place].push(figure);
                }
            }
            println!("round {round} of {}: {}", options.rounds, rounds.last());
        }
        let order = |row: &Row| ways.iter().position(|way| *way == row.way);
        rounds.ways.sort_by_key(order);
        Ok(rounds)
    }

    fn of(&self, way: Way, measure: Measure) -> &[f64] {
        let place = self.measures.iter().position(|it| *it == measure);
        let row = self.ways.iter().find(|row| row.way == way);
        row.zip(place)
            .and_then(|(row, place)| row.figures.get(place))
            .map_or(&[], Vec::as_slice)
    }

    /// The median of the rounds' ratios: what else the machine does meanwhile concerns both sides of one round alike.
    pub(crate) fn ratio(&self, measure: Measure, way: Way, to: Way) -> f64 {
        let pairs = self.of(way, measure).iter().zip(self.of(to, measure));
        median(&pairs.map(|(a, b)| a / b).collect::<Vec<_>>())
    }

    fn last(&self) -> String {
        let figures = self.ways.iter().map(|row| {
            let last: Vec<String> = row
                .figures
                .iter()
                .map(|figures| show(figures.last().copied().unwrap_or_default()))
                .collect();
            format!("{} {}", row.way.key(), last.join(" / "))
        });
        figures.collect::<Vec<_>>().join(", ")
    }

    /// Prints all medians, each as a multiple of the first way's, too.
    pub(crate) fn table(&self) {
        let cores = available_parallelism().map_or(0, std::num::NonZero::get);
        println!(
            "client -> director -> 2 servers on {cores} cores; medians (least to greatest), and x plain routing (median of the rounds' ratios)"
        );
        print!("{:<20}", "");
        for measure in &self.measures {
            print!(" | {:>32}", measure.title());
        }
        println!();
        for row in &self.ways {
            print!("{:<20}", row.way.name());
            for (measure, figures) in self.measures.iter().zip(&row.figures) {
                let (least, greatest) = range(figures);
                print!(
                    " | {:>32}",
                    format!(
                        "{} ({} to {}) x{:.2}",
                        show(median(figures)),
                        show(least),
                        show(greatest),
                        self.ratio(*measure, row.way, Way::Routing)
                    )
                );
            }
            println!();
        }
        for row in self.ways.iter().filter(|row| row.failed > 0) {
            println!(
                "{}: {} connections failed or got stuck",
                row.way.name(),
                row.failed
            );
        }
    }

    /// All of it, by the ways' keys.
    pub(crate) fn report(&self) -> Value {
        let ways = self.ways.iter().map(|row| {
            let figures = self.measures.iter().zip(&row.figures);
            let mut report: serde_json::Map<String, Value> = figures
                .map(|(measure, figures)| {
                    let figure = json!({
                        "median": median(figures),
                        "rounds": figures,
                        "x_routing": self.ratio(*measure, row.way, Way::Routing),
                    });
                    (measure.key().to_owned(), figure)
                })
                .collect();
            report.insert("failed_connections".to_owned(), json!(row.failed));
            (row.way.key().to_owned(), report.into())
        });
        ways.collect::<serde_json::Map<_, _>>().into()
    }
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

fn show(figure: f64) -> String {
    if figure < 1000.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}
