//! What is answered, in the form of `evenkeel server check --json` and `POST /v1/check`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the checks of a server have found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedNow {
    /// The service's name.
    pub service: String,
    /// The server's name.
    pub server: String,
    /// Its address.
    pub address: String,
    /// Whether as many of its checks have passed as must.
    pub healthy: bool,
    /// How many must pass.
    pub required: usize,
    /// Its checks, in the order of the configuration. None: it is not checked, and taken to be up.
    pub checks: Vec<CheckedOnce>,
}

/// What one check has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedOnce {
    /// The checker plugin's name.
    pub plugin: String,
    /// What was checked.
    pub target: String,
    /// `healthy`, `degraded`, `unhealthy`; `unknown`: nothing was learnt of the server.
    pub verdict: String,
    /// Why it is not simply healthy.
    pub reason: Option<String>,
    /// What part of its weight a degraded server should get, in percent.
    pub share: Option<u8>,
    /// How long the check took, in milliseconds.
    pub took_ms: f64,
    /// How long it may take, in milliseconds: as configured, and no longer than somebody waits for this answer (6 s).
    pub timeout_ms: f64,
    /// What it did on the network, in its order.
    pub steps: Vec<StepReport>,
    /// The numbers that it reports beside its verdict.
    pub signals: BTreeMap<String, f64>,
}

/// Something that a check did on the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// `connect`, `TLS`, `echo`, `read`, `write`, `end`.
    pub what: String,
    /// How often, one after the other.
    pub times: u32,
    /// How long the server was waited for, in milliseconds.
    pub took_ms: f64,
    /// Sent or received.
    pub bytes: u64,
    /// Why it failed.
    pub failed: Option<String>,
}
