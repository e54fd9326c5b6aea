//! The plugin that decides for a service, in a status.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use evenkeel_core::metrics::Metric;
use serde::{Deserialize, Serialize};

use crate::calls::CallStats;
use crate::prepare::PluginIdentity;

/// The plugin that decides for a service. `instances` and `memory` are those of all services with this plugin, the rest
/// is the service's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// Of its file; none if it could not be read.
    pub sha256: Option<String>,
    /// The file.
    pub file: String,
    /// Version of the contract that it was built against.
    pub contract: String,
    /// `wasm` or `native`.
    pub runtime: String,
    /// The trusted key that has signed it, by its number as minisign prints it; none if it is unsigned, or signed by a
    /// key that is not trusted.
    #[serde(default)]
    pub signed_by: Option<String>,
    /// What was said with that signature.
    #[serde(default)]
    pub signature_comment: Option<String>,
    /// When it was loaded, in seconds since 1970.
    pub loaded_at: u64,
    /// How many instances it has; none of a native plugin.
    pub instances: Option<u64>,
    /// Memory of its instances, in bytes; none of a native plugin.
    pub memory: Option<u64>,
    /// How often it has been run for a plan.
    pub calls: u64,
    /// How often it failed: trapped, took too long, or wanted too much.
    pub failures: u64,
    /// Half of the calls took no longer, in microseconds; at most twice what is true.
    pub call_p50_us: u64,
    /// 99 in 100 calls took no longer, likewise.
    pub call_p99_us: u64,
    /// Its own metrics.
    #[serde(flatten)]
    pub metrics: OwnMetrics,
}

/// What a plugin counts and gauges under names of its own, since its instance began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnMetrics {
    /// Counters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// Gauges.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gauges: BTreeMap<String, f64>,
}

impl From<BTreeMap<String, Metric>> for OwnMetrics {
    fn from(metrics: BTreeMap<String, Metric>) -> Self {
        let mut own = Self::default();
        for (name, metric) in metrics {
            match metric {
                Metric::Counter(count) => {
                    own.counters.insert(name, count);
                }
                Metric::Gauge(value) => {
                    own.gauges.insert(name, value);
                }
            }
        }
        own
    }
}

/// The metrics of one checker: of all checks with the same plugin and settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckerMetrics {
    /// The checker plugin's name.
    pub plugin: String,
    /// Its own metrics.
    #[serde(flatten)]
    pub metrics: OwnMetrics,
}

impl CheckerMetrics {
    pub(super) fn new(plugin: String, metrics: BTreeMap<String, Metric>) -> Self {
        Self {
            plugin,
            metrics: metrics.into(),
        }
    }
}

impl PluginStatus {
    pub(super) fn new(
        plugin: &PluginIdentity,
        calls: &CallStats,
        metrics: BTreeMap<String, Metric>,
    ) -> Self {
        let usage = plugin.usage();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let signer = plugin.signature.signer();
        let since = plugin.loaded_at.duration_since(UNIX_EPOCH);
        Self {
            sha256: plugin.sha256.map(|it| it.to_string()),
            file: plugin.file.to_string_lossy().into_owned(),
            contract: plugin.contract.clone(),
            runtime: plugin.runtime.to_owned(),
            signed_by: signer.map(|(key, _)| key.id.to_string()),
            signature_comment: signer.map(|(_, comment)| comment.to_owned()),
            loaded_at: since.map_or(0, |since| since.as_secs()),
            instances: usage.map(|usage| number(usage.instances)),
            memory: usage.map(|usage| number(usage.memory)),
            calls: calls.calls(),
            failures: calls.failures(),
            call_p50_us: calls.within(50),
            call_p99_us: calls.within(99),
            metrics: metrics.into(),
        }
    }
}
