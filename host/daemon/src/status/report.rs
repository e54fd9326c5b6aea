//! What a status says, in the form in which `GET /v1/status` and `evenkeel status --json` give it. Its keys are stable
//! (docs/stable.md).

use serde::{Deserialize, Serialize};

use super::plugin::CheckerMetrics;
use super::service::ServiceStatus;
use super::vrrp::VrrpReport;
use crate::connection_sync::SyncReport;
use crate::driver::KernelReport;
use crate::punctuality::ChecksReport;

/// Everything, as the daemon answers and `--json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How long it has been running, in seconds.
    pub up_seconds: u64,
    /// The configuration in force.
    pub config: String,
    /// For how long a reload has been under way, in seconds, if one is: files are being read, plugins compiled.
    pub reload_seconds: Option<u64>,
    /// Why the last reload was refused, if it was.
    pub reload_problem: Option<String>,
    /// Why new files of plugins are not used, if there are such: the ones before go on.
    #[serde(default)]
    pub plugin_problem: Option<String>,
    /// Log lines that were dropped since the start, because nobody has read them.
    #[serde(default)]
    pub log_dropped: u64,
    /// Which data plane carries the connections: `nftables`, `ipvs`.
    pub dataplane: String,
    /// Why that one.
    pub dataplane_why: String,
    /// Name of the table that is ours.
    pub table: String,
    /// Whether the kernel holds what is wanted, as far as known.
    pub settled: bool,
    /// The last change made in the kernel.
    pub kernel: KernelReport,
    /// What is wrong with the addresses that are to be on interfaces.
    pub network_problem: Option<String>,
    /// Why no connection gets to real servers although they are up: this machine does not forward packets.
    pub forwarding_problem: Option<String>,
    /// How connections are being counted; none while they are counted for this answer only.
    pub counting: Option<CountingReport>,
    /// Why connections that are to be decided one by one follow the plans.
    pub queue_problem: Option<String>,
    /// That the kernel's connection table is full, or was some seconds ago: new connections are dropped, and what does
    /// not answer is not taken to be down.
    #[serde(default)]
    pub connection_table_problem: Option<String>,
    /// How late checks began in the last minute.
    #[serde(default)]
    pub checks: ChecksReport,
    /// VRRP, where it is configured.
    pub vrrp: Option<VrrpReport>,
    /// Copying of connections to the other director, where it is configured.
    pub connection_sync: Option<SyncReport>,
    /// What checkers count and gauge under names of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checker_metrics: Vec<CheckerMetrics>,
    /// The virtual services, in the order of the configuration.
    pub services: Vec<ServiceStatus>,
}

/// How connections are being counted, from the kernel's events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountingReport {
    /// Connections that are known now.
    pub connections: u64,
    /// Events taken in.
    pub events: u64,
    /// How often events were lost, so that all connections were listed again.
    pub overruns: u64,
    /// How often all connections were listed.
    pub dumps: u64,
    /// What is wrong.
    pub problem: Option<String>,
}
