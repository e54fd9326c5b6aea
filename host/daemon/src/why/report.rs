//! The answer as JSON. Its keys are stable (docs/stable.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where connections of a client go, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// Who was asked about.
    pub client: String,
    /// Which data plane carries the connections: `nftables`, `ipvs`.
    pub dataplane: String,
    /// The service that was asked about; otherwise those that the client has connections to, or that remember it.
    pub services: Vec<ServiceWhy>,
    /// The client has more connections than are listed.
    pub more: bool,
    /// Why its connections cannot be told.
    pub problem: Option<String>,
}

/// A service, as far as the client is concerned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceWhy {
    /// As configured; where it is configured no more, its address.
    pub service: String,
    /// `ADDRESS:PORT`, or the firewall mark.
    pub listen: String,
    /// `tcp`, `udp`, `sctp`, `fwm`.
    pub protocol: String,
    /// Connections that the kernel knows.
    pub connections: Vec<ConnectionWhy>,
    /// What the service remembers of the client (persistence).
    pub remembered: Option<RememberedWhy>,
    /// What would become of its next connection; none where the service is configured no more.
    pub next: Option<NextWhy>,
    /// Who decides; none likewise.
    pub plugin: Option<PluginWhy>,
    /// The second scheduler that decides for a share of the slots; none where there is no canary, or it was taken back.
    #[serde(default)]
    pub canary: Option<CanaryWhy>,
    /// The number of the plan in force, counted since the service came; 0: there is none.
    pub plan: u64,
    /// For how long it has been, in seconds.
    pub plan_seconds: Option<f64>,
    /// How many slots it has.
    pub slots: usize,
    /// Whether the service's address is on another director.
    pub elsewhere: bool,
    /// Its servers as they are now, in the order of the configuration.
    pub servers: Vec<ServerWhy>,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionWhy {
    /// `ADDRESS:PORT`.
    pub client: String,
    /// The server's name; none where it is configured no more.
    pub server: Option<String>,
    /// Its address.
    pub address: String,
    /// Its number, which is the connection's mark; with IPVS none is known.
    pub id: Option<u32>,
    /// `established`, `time-wait`, ...; none for what has no state.
    pub state: Option<String>,
}

/// A remembered client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RememberedWhy {
    /// The server's name; none where it is configured no more.
    pub server: Option<String>,
    /// For how long yet, in seconds.
    pub expires_seconds: f64,
}

/// What would become of the client's next connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NextWhy {
    /// `remembered`, `hash`, `hash-port` (the port is hashed, too, and was not given), `turn`, `random`, `groups` (the
    /// groups of the plan lead it), `asked` (the scheduler is asked about it), `ipvs` (IPVS decides by the shares),
    /// `refused`.
    pub how: String,
    /// The groups that it passes, as far as that can be told, by their numbers.
    #[serde(default)]
    pub groups: Vec<usize>,
    /// The server, where it can be told.
    pub server: Option<String>,
    /// The slot, where it can be told.
    pub slot: Option<usize>,
    /// IPVS's own scheduler, where that decides.
    pub ipvs_scheduler: Option<String>,
}

/// The plugin that decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginWhy {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Of its file, where that could be read.
    pub sha256: Option<String>,
    /// `plan` or `per-connection`.
    pub decision: String,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// Why its last plan was refused.
    pub plan_refused: Option<String>,
}

/// A canary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryWhy {
    /// Its plugin's name.
    pub name: String,
    /// Its plugin's version.
    pub version: String,
    /// How many of the plan's slots it has filled.
    pub slots: usize,
    /// Of so many.
    pub all_slots: usize,
    /// Whether the slot of the client's next connection is one of them, where the slot can be told.
    pub decides: Option<bool>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerWhy {
    /// As configured.
    pub name: String,
    /// `ADDRESS:PORT`.
    pub address: String,
    /// Its number.
    pub id: u32,
    /// As used: less what checkers take from it. 0 while down.
    pub weight: u32,
    /// `up`, `down`, `drain`, `full`.
    pub health: String,
    /// Its share of the plan's slots, in percent.
    pub share_percent: f64,
    /// What the scheduler was last told of it; none where it wants to know nothing.
    pub told: Option<ToldWhy>,
}

/// What a scheduler was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToldWhy {
    /// Open connections.
    pub active: u32,
    /// Closing ones.
    pub inactive: u32,
    /// New ones in a minute.
    #[serde(default)]
    pub per_minute: u32,
    /// Those that failed, ever.
    #[serde(default)]
    pub failed: u64,
    /// Bytes to the server and back; none where it does not want to know, or the kernel does not count.
    #[serde(default)]
    pub bytes: Option<[u64; 2]>,
    /// How long the last check took, in microseconds.
    pub latency_us: Option<u64>,
    /// What its checks reported.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signals: BTreeMap<String, f64>,
}
