//! A service's second scheduler in a status: a shadow or a canary.

use evenkeel_core::comparison::Compared;
use evenkeel_core::director::SecondReport;
use evenkeel_core::model::{Canary, SecondRole, Share};
use serde::{Deserialize, Serialize};

use super::plugin::PluginStatus;
use crate::calls::CallStats;
use crate::prepare::PluginIdentity;

/// A second scheduler, and how its plans compare with those of the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecondStatus {
    /// The scheduler plugin's name.
    pub scheduler: String,
    /// The scheduler plugin's version.
    pub scheduler_version: String,
    /// The scheduler plugin itself; none where its file is broken.
    pub plugin: Option<PluginStatus>,
    /// What is wrong with it; the service goes on.
    pub problem: Option<String>,
    /// How many plans it has made that could be used.
    pub plans: u64,
    /// How much its last plan would send elsewhere than the first scheduler's, in percent; none while there are no two
    /// plans for the same servers.
    pub otherwise_percent: Option<f64>,
    /// Of what: `clients`, where both plans hash the same; `connections`, by the servers' shares of the slots: then it is
    /// the least that goes elsewhere.
    pub compared: Option<String>,
    /// How far the server that is farthest from its weighted share would be from it by its plan, in percent of all slots.
    pub uneven_percent: Option<f64>,
    /// The same by the first scheduler's plan.
    pub first_uneven_percent: Option<f64>,
}

/// A second scheduler that decides for a share of the slots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryStatus {
    /// As of any second scheduler.
    #[serde(flatten)]
    pub second: SecondStatus,
    /// As configured.
    pub share_percent: u8,
    /// As configured, in microseconds.
    pub max_call_us: u64,
    /// As configured.
    pub max_uneven_percent: f64,
    /// How many slots it fills now.
    pub slots: usize,
    /// Of so many slots of the merged plan; 0 while there is none.
    pub all_slots: usize,
    /// Why the first scheduler decides for all again.
    pub taken_back: Option<String>,
}

impl SecondStatus {
    fn new(report: SecondReport, plugin: Option<&PluginIdentity>, calls: &CallStats) -> Self {
        let compared = |of| match of {
            Compared::Clients => "clients",
            Compared::Connections => "connections",
        };
        Self {
            scheduler: report.scheduler,
            scheduler_version: report.version,
            plugin: plugin.map(|it| PluginStatus::new(it, calls, report.metrics)),
            problem: report.problem,
            plans: report.plans,
            otherwise_percent: report.difference.map(|it| percent(it.share)),
            compared: report.difference.map(|it| compared(it.of).to_owned()),
            uneven_percent: report.uneven.map(|it| percent(it.second)),
            first_uneven_percent: report.uneven.map(|it| percent(it.first)),
        }
    }
}

impl CanaryStatus {
    fn new(canary: Canary, second: SecondStatus, slots: (usize, usize)) -> Self {
        let micros = canary.max_call.as_micros();
        Self {
            second,
            share_percent: canary.share,
            max_call_us: u64::try_from(micros).unwrap_or(u64::MAX),
            max_uneven_percent: percent(canary.max_uneven),
            slots: slots.0,
            all_slots: slots.1,
            taken_back: None,
        }
    }
}

/// A shadow or a canary, as it is one.
pub(super) fn new(
    report: SecondReport,
    plugin: Option<&PluginIdentity>,
    calls: &CallStats,
) -> (Option<SecondStatus>, Option<CanaryStatus>) {
    let (role, slots, taken_back) = (report.role, report.slots, report.taken_back.clone());
    let second = SecondStatus::new(report, plugin, calls);
    match role {
        SecondRole::Shadow => (Some(second), None),
        SecondRole::Canary(canary) => {
            let canary = CanaryStatus::new(canary, second, slots);
            (
                None,
                Some(CanaryStatus {
                    taken_back,
                    ..canary
                }),
            )
        }
    }
}

fn percent(share: Share) -> f64 {
    f64::from(share.hundredths()) / 100.0
}
