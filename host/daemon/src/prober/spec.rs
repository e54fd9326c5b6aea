//! What is to be checked, and what comes of it.

use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_core::health::{InitialHealth, ServerHealth};
use evenkeel_core::model::{CheckTiming, ChecksRequired, ServiceKey};
use evenkeel_runtime::Checker;

use crate::own_limits::OwnLimits;

/// What is to be checked, and how.
pub(crate) struct ProbeSpec {
    /// The service's name, for the log.
    pub(crate) service_name: String,
    /// The service, for events.
    pub(crate) service: ServiceKey,
    /// The server's name, for the log and for plugins.
    pub(crate) server_name: String,
    /// The server, for events.
    pub(crate) server: SocketAddr,
    /// How many of its checks must pass.
    pub(crate) required: ChecksRequired,
    /// The checks. A server without any needs no prober.
    pub(crate) checks: Vec<ProbeCheck>,
    /// What was known of the server before: see [`super::Prober::handover`].
    pub(crate) initial: Option<InitialHealth>,
    /// What may keep a check from saying anything about the server.
    pub(crate) limits: Arc<OwnLimits>,
}

/// One check of a [`ProbeSpec`].
#[derive(Clone)]
pub(crate) struct ProbeCheck {
    /// The name of the check that services share, if it is one: then it is the same whatever its servers are called.
    pub(crate) shared: Option<String>,
    /// Who judges.
    pub(crate) checker: Arc<dyn Checker>,
    /// The checker plugin's name, for reasons and `status`.
    pub(crate) plugin: String,
    /// What is checked.
    pub(crate) target: SocketAddr,
    /// When and how often.
    pub(crate) timing: CheckTiming,
}

/// A server went into the pool, out of it, or is to get another share of its weight.
#[derive(Debug, Clone)]
pub(crate) struct HealthEvent {
    /// The service.
    pub(crate) service: ServiceKey,
    /// The real server.
    pub(crate) server: SocketAddr,
    /// How it is now, not how it was when the change was noticed: the last event of a server is always the truth.
    pub(crate) health: ServerHealth,
}
