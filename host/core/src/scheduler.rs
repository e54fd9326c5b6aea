//! Scheduler plugins as the director uses them: told of servers and their load, asked for plans and for single
//! decisions.
//!
//! The plugin runtimes implement these traits. Calls may block for as long as a plugin's sandbox lets them, so the
//! director makes none itself: it hands out jobs, which the driver runs where blocking is allowed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::connections::Counts;
pub use crate::connections::Traffic;
use crate::flow::Flow;
use crate::manifest::{Manifest, Setting};
use crate::metrics::PluginMetrics;
use crate::model::ServiceKey;
use crate::plan::Plan;
use crate::plugin::PluginError;
use crate::signals::Signals;
use crate::state::BackendId;

/// A loaded plugin, as far as schedulers are made with it.
pub trait SchedulerPlugin: Send + Sync {
    /// What it says about itself.
    fn manifest(&self) -> &Manifest;

    /// A scheduler for one virtual service, configured. Every service has its own. May block.
    ///
    /// # Errors
    /// [`PluginError`]: among others the plugin may refuse the settings, or be no scheduler.
    fn scheduler(
        &self,
        context: &ServiceContext,
        settings: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError>;
}

/// What a scheduler is told of the virtual service that it works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceContext {
    /// The service's name.
    pub service: String,
    /// Its address, port and protocol; `None`: there is no service, the scheduler is only tried.
    pub listener: Option<ServiceKey>,
    /// Whether this director has the service's address.
    pub role: DirectorRole,
}

impl ServiceContext {
    /// Of a scheduler that is only tried, for a service of that name.
    #[must_use]
    pub fn trial(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            listener: None,
            role: DirectorRole::Alone,
        }
    }
}

/// Whether a director has a service's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DirectorRole {
    /// The address belongs to no VRRP instance.
    #[default]
    Alone,
    /// It is on this director: the VRRP instance is master here.
    Master,
    /// It is on another director, or on none.
    Backup,
}

/// What a scheduler hands to its successor: another version of the plugin, other settings, or the next start of the
/// daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    /// The plugin's own version of the form of its bytes.
    pub version: u32,
    /// What it wants to keep. At most [`MAX_STATE`].
    pub bytes: Vec<u8>,
}

/// Bytes that a scheduler may hand to its successor.
pub const MAX_STATE: usize = 1 << 20;

/// One service's scheduler. Calls block for up to the sandbox's call time. After an error the instance is of no more
/// use.
pub trait Scheduler: Send {
    /// The role of this director, where it is not the one that it was made with.
    ///
    /// # Errors
    /// [`PluginError`].
    fn set_role(&mut self, role: DirectorRole) -> Result<(), PluginError> {
        let _ = role;
        Ok(())
    }

    /// Whether its settings make sense with these servers: names that no server has, and the like. On an instance that
    /// is only tried. `Ok(Err(..))`: they do not, with the reason.
    ///
    /// # Errors
    /// [`PluginError`].
    fn validate(
        &mut self,
        backends: &[SchedulerBackend],
    ) -> Result<Result<(), String>, PluginError> {
        let _ = backends;
        Ok(Ok(()))
    }

    /// The servers, whole, in the order of the configuration; failed ones, too ([`SchedulerBackend::usable`]).
    ///
    /// # Errors
    /// [`PluginError`].
    fn set_backends(&mut self, backends: &[SchedulerBackend]) -> Result<(), PluginError>;

    /// Counts that changed since the last call.
    ///
    /// # Errors
    /// [`PluginError`].
    fn set_loads(&mut self, loads: &[Load]) -> Result<(), PluginError>;

    /// How new connections are to be spread. What it answers is not checked yet: see [`Plan::spread`].
    ///
    /// # Errors
    /// [`PluginError`].
    fn make_plan(&mut self) -> Result<Plan, PluginError>;

    /// Places one connection, where the scheduler can and was chosen to. Blocks for up to the sandbox's pick time.
    /// `None`: refuse it. What it answers is not checked.
    ///
    /// # Errors
    /// [`PluginError`].
    fn pick(&mut self, flow: &Flow) -> Result<Option<BackendId>, PluginError>;

    /// What it counts and gauges under names of its own.
    fn metrics(&self) -> Arc<PluginMetrics> {
        Arc::default()
    }

    /// What it hands to its successor; `None`: nothing.
    ///
    /// # Errors
    /// [`PluginError`]; more than [`MAX_STATE`] is [`Failure::Answer`](crate::plugin::Failure::Answer).
    fn export_state(&mut self) -> Result<Option<SavedState>, PluginError> {
        Ok(None)
    }

    /// What its predecessor handed over, before it is told of servers. `Ok(Err(..))`: it refuses that, with the reason,
    /// and goes on without.
    ///
    /// # Errors
    /// [`PluginError`].
    fn import_state(&mut self, state: &SavedState) -> Result<Result<(), String>, PluginError> {
        let _ = state;
        Ok(Err("it takes over no state".to_owned()))
    }
}

/// A real server as a scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerBackend {
    /// Its number.
    pub id: BackendId,
    /// Its name in the configuration.
    pub name: String,
    /// Where connections are sent.
    pub address: SocketAddr,
    /// Its weight now. 0: takes no new connections.
    pub weight: u32,
    /// Its weight in the configuration.
    pub configured_weight: u32,
    /// What its checks say.
    pub health: BackendHealth,
    /// Whether a plan may name it: it is up, or stays although it has failed (`inhibit_on_failure`).
    pub usable: bool,
    /// As far as the scheduler wants such facts.
    pub facts: BackendFacts,
    /// Free key/value pairs of the configuration.
    pub labels: Vec<(String, String)>,
}

impl SchedulerBackend {
    /// A healthy server without labels, and without any connection.
    #[must_use]
    pub fn new(id: BackendId, name: impl Into<String>, address: SocketAddr, weight: u32) -> Self {
        Self {
            id,
            name: name.into(),
            address,
            weight,
            configured_weight: weight,
            health: BackendHealth::Healthy,
            usable: true,
            facts: BackendFacts::default(),
            labels: Vec::new(),
        }
    }
}

/// What the checks of a real server say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum BackendHealth {
    /// It is up. So is a server without checks.
    #[default]
    Healthy,
    /// It is up, and gets this share of its weight, in percent (0 to 99).
    Degraded(u8),
    /// It has failed.
    Failed,
}

/// What changes all the time about a real server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackendFacts {
    /// Its connections.
    pub counts: Counts,
    /// How long its last successful health check took.
    pub latency: Option<Duration>,
    /// What its checks reported beside their last verdicts.
    pub signals: Signals,
    /// New connections in a minute, as the last ten seconds or so had them.
    pub per_minute: u32,
    /// New connections of TCP ever that ended without having been established.
    pub failed: u64,
    /// What was sent ever; `None`: the kernel does not count it.
    pub traffic: Option<Traffic>,
}

/// A backend's facts, changed since the last call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Whose.
    pub id: BackendId,
    /// As they are now.
    pub facts: BackendFacts,
}
