//! The parts of a workload.

use std::collections::BTreeMap;
use std::time::Duration;

/// All that happens in a simulation, whatever the scheduler decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// How long it is played.
    pub duration: Duration,
    /// What all chance starts from.
    pub seed: u64,
    /// From a server's failure or return to when the director knows of it.
    pub detection: Duration,
    /// How often each server is checked: that often its latency is known anew.
    pub check_interval: Duration,
    /// For how long a connection that has ended counts as inactive.
    pub closing: Duration,
    /// How long the servers take for one connection.
    pub lifetime: Lifetime,
    /// Who connects.
    pub clients: Clients,
    /// The servers at the beginning.
    pub servers: Vec<Server>,
    /// What happens to them, in the order of time.
    pub events: Vec<Event>,
}

/// How long a server of speed 1 takes for one connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lifetime {
    /// Always as long.
    Constant(Duration),
    /// With this mean; many short ones, few long ones.
    Exponential(Duration),
    /// With a heavy tail: a few take very long.
    Pareto {
        /// The mean.
        mean: Duration,
        /// How fast the tail falls: above 1. At 2 or less the variance has no bound.
        shape: f64,
    },
}

/// Who connects, and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct Clients {
    /// How many there are, each with an address of its own.
    pub count: u32,
    /// New connections a second, of all together.
    pub rate: f64,
    /// When they come.
    pub arrivals: Arrivals,
    /// Who comes.
    pub choice: Choice,
}

/// When new connections come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Independently of one another (a Poisson process).
    Random,
    /// At equal distances.
    Even,
}

/// Which client the next connection is from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Choice {
    /// Any of them.
    Uniform,
    /// The client of rank n comes in proportion to n to the power of minus this.
    Zipf(f64),
}

/// A real server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// As configured.
    pub weight: u32,
    /// So many connections are served at once, others wait in line; `None`: all.
    pub capacity: Option<u32>,
    /// How fast it is: a connection takes its lifetime divided by this.
    pub speed: f64,
    /// How long a check of it takes while nobody waits.
    pub latency: Duration,
    /// For the scheduler.
    pub labels: BTreeMap<String, String>,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, after the beginning.
    pub at: Duration,
    /// What.
    pub what: Happening,
}

/// What happens to servers or clients.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The server resets its connections, and each new one.
    Fail(String),
    /// It works again.
    Return(String),
    /// Servers have other weights in the configuration.
    Weights(BTreeMap<String, u32>),
    /// The weight becomes 0.
    Drain(String),
    /// The server leaves the configuration; its connections go on.
    Remove(String),
    /// A server comes into the configuration.
    Add(Server),
    /// So many new connections come a second.
    Rate(f64),
}

impl std::fmt::Display for Happening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fail(name) => write!(f, "{name} fails"),
            Self::Return(name) => write!(f, "{name} returns"),
            Self::Weights(weights) => {
                let words = weights
                    .iter()
                    .map(|(name, weight)| format!("{name} {weight}"));
                write!(f, "weight of {}", words.collect::<Vec<_>>().join(", "))
            }
            Self::Drain(name) => write!(f, "{name} drains"),
            Self::Remove(name) => write!(f, "{name} is removed"),
            Self::Add(server) => write!(f, "{} is added", server.name),
            Self::Rate(rate) => write!(f, "{rate} connections/s"),
        }
    }
}
