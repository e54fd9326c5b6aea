//! Scheduler plugins as the director uses them: told of servers and their load, asked for plans and for single
//! decisions.
//!
//! The plugin runtimes implement these traits. Calls may block for as long as a plugin's sandbox lets them, so the
//! director makes none itself: it hands out jobs, which the driver runs where blocking is allowed.

use std::net::SocketAddr;
use std::time::Duration;

use crate::connections::Counts;
use crate::flow::Flow;
use crate::manifest::{Manifest, Setting};
use crate::plan::Plan;
use crate::plugin::PluginError;
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
        service: &str,
        settings: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError>;
}

/// One service's scheduler. Calls block for up to the sandbox's call time. After an error the instance is of no more
/// use.
pub trait Scheduler: Send {
    /// The usable servers, whole, in the order of the configuration.
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
    /// As far as the scheduler wants such facts.
    pub facts: BackendFacts,
    /// Free key/value pairs of the configuration.
    pub labels: Vec<(String, String)>,
}

/// What changes all the time about a real server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackendFacts {
    /// Its connections.
    pub counts: Counts,
    /// How long its last successful health check took.
    pub latency: Option<Duration>,
}

/// A backend's facts, changed since the last call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Whose.
    pub id: BackendId,
    /// As they are now.
    pub facts: BackendFacts,
}
