//! What came of a simulation, as `--json` prints it.

use serde::Serialize;

/// What a scheduler made of a workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// `plan` or `per-connection`.
    pub decision: String,
    /// How long was simulated, in seconds.
    pub seconds: f64,
    /// What chance started from.
    pub seed: u64,
    /// New connections.
    pub connections: u64,
    /// Those that no server was found for.
    pub refused: u64,
    /// Those that a failed server reset, before it was known to have failed.
    pub failed: u64,
    /// Those that ended with their server.
    pub lost: u64,
    /// In the order in which they came.
    pub servers: Vec<ServerOutcome>,
    /// Over all samples with connections.
    pub imbalance: Option<ImbalanceSummary>,
    /// How long connections waited for a place; none where no server has a capacity.
    pub waiting: Option<Times>,
    /// From the beginning of a connection to its end, the wait included.
    pub response: Option<Times>,
    /// Connections of clients that had been there before.
    pub returning: u64,
    /// Those of them that went to the same server.
    pub returned_to_same: u64,
    /// How often the scheduler was run for a plan or with counts.
    pub runs: u64,
    /// How often the kernel's rules changed.
    pub kernel_changes: u64,
    /// How many connections it decided one by one.
    pub picks: u64,
    /// How the plugin failed first, if it did. The simulation went on as the daemon does.
    pub problem: Option<String>,
    /// What the changes of servers did to the plan.
    pub changes: Vec<Change>,
    /// From one of `samples` to the next, in seconds.
    pub sample_seconds: f64,
    /// Over time.
    pub samples: Vec<Sample>,
}

/// What came of one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerOutcome {
    /// Its name.
    pub name: String,
    /// Its weight at the end.
    pub weight: u32,
    /// New connections that it got.
    pub connections: u64,
    /// Of all connections.
    pub share_percent: f64,
    /// What its weight comes to, while it was in the pool.
    pub by_weight_percent: f64,
    /// Open connections, on average.
    pub active_mean: f64,
    /// The most of them in a sample.
    pub active_peak: u32,
    /// Connections that it reset since it had failed.
    pub failed: u64,
    /// Connections that ended when it failed.
    pub lost: u64,
}

/// How uneven the servers that take connections are loaded. Load is open connections for the weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Imbalance {
    /// The greatest load for the mean; 1 is even.
    pub max_over_mean: f64,
    /// The standard deviation of the load for its mean (coefficient of variation); 0 is even.
    pub variation: f64,
}

/// That over time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ImbalanceSummary {
    /// The mean of all samples.
    pub mean: Imbalance,
    /// The greatest of all samples.
    pub max: Imbalance,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Times {
    /// Half of them are no longer.
    pub p50_ms: f64,
    /// 99 of 100 are no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// The servers changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// When.
    pub at_seconds: f64,
    /// What happened.
    pub what: String,
    /// Which share of the clients has another server by the new plan; none where plans do not hash.
    pub moved: Option<Moved>,
}

/// Clients that got another server, in percent of all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moved {
    /// Those that had to: theirs has less weight or is gone, or they go to one that has more.
    pub with_reason_percent: f64,
    /// Those that were moved between servers that are as they were.
    pub others_percent: f64,
}

/// One moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Open connections of each server, in the order of `servers`; those that came later are not in earlier samples.
    pub active: Vec<u32>,
    /// None where there are no connections.
    pub imbalance: Option<Imbalance>,
}

impl ImbalanceSummary {
    pub(super) fn of(samples: &[Sample]) -> Option<Self> {
        let all: Vec<Imbalance> = samples.iter().filter_map(|it| it.imbalance).collect();
        let count = f64::from(u32::try_from(all.len()).ok().filter(|count| *count > 0)?);
        let of = |get: fn(&Imbalance) -> f64| {
            let values = all.iter().map(get);
            (
                values.clone().sum::<f64>() / count,
                values.fold(0.0, f64::max),
            )
        };
        let (max_over_mean, most_over_mean) = of(|it| it.max_over_mean);
        let (variation, most_varied) = of(|it| it.variation);
        Some(Self {
            mean: Imbalance {
                max_over_mean,
                variation,
            },
            max: Imbalance {
                max_over_mean: most_over_mean,
                variation: most_varied,
            },
        })
    }
}
