//! From what the parts of the daemon know to a status. The main loop gathers a [`Snapshot`], without waiting for
//! anything; what only the kernel knows is read afterwards, by a task; then [`Sources`] are complete.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::metrics::Metric;
use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::state::{BackendId, Counters};

use super::plugin::CheckerMetrics;
use super::report::{CountingReport, Status};
use super::service::{ServiceSnapshot, ServiceStatus};
use super::vrrp::VrrpReport;
use crate::connection_sync::SyncReport;
use crate::driver::KernelReport;
use crate::punctuality::ChecksReport;

/// All that a status is made of.
pub(crate) struct Sources {
    /// What the main loop knows.
    pub(crate) snapshot: Snapshot,
    /// The kernel's counters of each server.
    pub(crate) counters: BTreeMap<BackendId, Counters>,
    /// The connections of each server, where they were counted for this status; `None`: the director's counts are up to
    /// date.
    pub(crate) connections: Option<BTreeMap<BackendId, Counts>>,
}

/// What the main loop knows, at one moment.
pub(crate) struct Snapshot {
    /// When it was taken.
    pub(crate) now: Instant,
    /// Since the daemon's start.
    pub(crate) up: Duration,
    /// The configuration file.
    pub(crate) config: String,
    /// For how long a reload has been under way.
    pub(crate) reloading: Option<Duration>,
    /// Why the last reload was refused.
    pub(crate) reload_problem: Option<String>,
    /// Why new files of plugins are not used.
    pub(crate) plugin_problem: Option<String>,
    /// Log lines that were dropped.
    pub(crate) log_dropped: u64,
    /// Which data plane.
    pub(crate) dataplane: DataPlaneKind,
    /// Why that one.
    pub(crate) dataplane_why: String,
    /// Name of our table.
    pub(crate) table: String,
    /// Whether the kernel holds what is wanted.
    pub(crate) settled: bool,
    /// From the data plane's thread.
    pub(crate) kernel: KernelReport,
    /// From the address manager.
    pub(crate) network_problem: Option<String>,
    /// Why packets do not get to real servers.
    pub(crate) forwarding_problem: Option<String>,
    /// From the counter of connections, while it listens.
    pub(crate) counting: Option<evenkeel_flows::Report>,
    /// From the queues.
    pub(crate) queue_problem: Option<String>,
    /// From this machine's limits.
    pub(crate) connection_table_problem: Option<String>,
    /// How late checks began.
    pub(crate) checks: ChecksReport,
    /// Of VRRP, where it is configured.
    pub(crate) vrrp: Option<VrrpReport>,
    /// Of the copying of connections, where it is configured.
    pub(crate) connection_sync: Option<SyncReport>,
    /// Checkers by the names of their plugins, with their metrics.
    pub(crate) checker_metrics: Vec<(String, BTreeMap<String, Metric>)>,
    /// In the order of the configuration.
    pub(crate) services: Vec<ServiceSnapshot>,
}

impl Status {
    /// The status that comes of these.
    pub(crate) fn build(sources: Sources) -> Self {
        let Sources {
            snapshot,
            counters,
            connections,
        } = sources;
        let now = snapshot.now;
        let service = |service| ServiceStatus::new(service, &counters, connections.as_ref(), now);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            up_seconds: snapshot.up.as_secs(),
            config: snapshot.config,
            reload_seconds: snapshot.reloading.map(|reloading| reloading.as_secs()),
            reload_problem: snapshot.reload_problem,
            plugin_problem: snapshot.plugin_problem,
            log_dropped: snapshot.log_dropped,
            dataplane: snapshot.dataplane.to_string(),
            dataplane_why: snapshot.dataplane_why,
            table: snapshot.table,
            settled: snapshot.settled,
            kernel: snapshot.kernel,
            network_problem: snapshot.network_problem,
            forwarding_problem: snapshot.forwarding_problem,
            counting: snapshot.counting.map(build_counting),
            queue_problem: snapshot.queue_problem,
            connection_table_problem: snapshot.connection_table_problem,
            checks: snapshot.checks,
            vrrp: snapshot.vrrp,
            connection_sync: snapshot.connection_sync,
            checker_metrics: snapshot
                .checker_metrics
                .into_iter()
                .map(|(plugin, metrics)| CheckerMetrics::new(plugin, metrics))
                .collect(),
            services: snapshot.services.into_iter().map(service).collect(),
        }
    }
}

fn build_counting(report: evenkeel_flows::Report) -> CountingReport {
    CountingReport {
        connections: report.connections,
        events: report.events,
        overruns: report.overruns,
        dumps: report.dumps,
        problem: report.problem,
    }
}

#[cfg(test)]
mod tests;
