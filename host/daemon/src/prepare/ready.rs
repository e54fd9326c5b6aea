//! What a configuration comes to, with everything in place to put it in force.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_config::Diagnostic;
use evenkeel_core::director::{NewScheduler, NewSecond};
use evenkeel_core::model::{CheckTiming, ChecksRequired, Model, PluginRef, Service, ServiceKey};
use evenkeel_runtime::Checker;

use super::identity::PluginIdentity;

/// A configuration with everything in place to put it in force.
pub struct Prepared {
    /// What the configuration asks for.
    pub model: Model,
    /// New schedulers, for services that need one.
    pub schedulers: BTreeMap<ServiceKey, NewScheduler>,
    /// The second schedulers of all services that have one.
    pub seconds: BTreeMap<ServiceKey, NewSecond>,
    /// The plugins of the services' schedulers; without those whose files are broken.
    pub identities: Vec<Arc<PluginIdentity>>,
    /// The checkers of every server that has any.
    pub checks: Vec<ServerChecks>,
    /// Worth the operator's attention.
    pub warnings: Vec<Diagnostic>,
}

/// What there is of other plugins.
pub struct Rescanned {
    /// The services that are to get another scheduler, with that. Their own settings are as they were.
    pub schedulers: Vec<(Service, NewScheduler)>,
    /// The second schedulers of all services that have one: the director knows which of them are new.
    pub seconds: Vec<(Service, NewSecond)>,
    /// The plugins of the services' schedulers.
    pub identities: Vec<Arc<PluginIdentity>>,
    /// All checks, if some have another checker.
    pub checks: Option<Vec<ServerChecks>>,
    /// The plugins whose new files cannot be used, and why; those before go on.
    pub problems: BTreeMap<PluginRef, String>,
}

/// One server's checks.
pub struct ServerChecks {
    /// The service's name.
    pub service_name: String,
    /// The service.
    pub service: ServiceKey,
    /// The server's name.
    pub server_name: String,
    /// The server.
    pub server: SocketAddr,
    /// How many of its checks must pass.
    pub required: ChecksRequired,
    /// Its checks.
    pub checks: Vec<ReadyCheck>,
}

impl ServerChecks {
    /// Whether a prober for the one can go on for the other.
    pub(crate) fn is_checked_as(&self, other: &Self) -> bool {
        self.required == other.required && self.checks == other.checks
    }
}

/// A check with its checker. Equal if a prober for the one can go on for the other.
#[derive(Clone)]
pub struct ReadyCheck {
    /// Who judges. The same for all checks with the same plugin and settings.
    pub checker: Arc<dyn Checker>,
    /// The plugin's name.
    pub plugin: String,
    /// The name of the check that services share, if it is one.
    pub shared: Option<String>,
    /// What is checked.
    pub target: SocketAddr,
    /// When and how often.
    pub timing: CheckTiming,
}

impl PartialEq for ReadyCheck {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.checker, &other.checker)
            && self.target == other.target
            && self.timing == other.timing
            && self.shared == other.shared
    }
}
