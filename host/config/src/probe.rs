//! A check as it is configured.

use std::net::{IpAddr, SocketAddr};

use evenkeel_core::model::{Check, CheckTiming, PluginUse};

/// A check before it is known which server it is for.
#[derive(Clone)]
pub(super) struct Probe {
    /// The name of the [[check]] that it is.
    pub(super) shared: Option<String>,
    pub(super) plugin: PluginUse,
    pub(super) timing: CheckTiming,
    pub(super) address: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

impl Probe {
    /// The check of one server.
    pub(super) fn of(&self, server: SocketAddr) -> Check {
        let ip = self.address.unwrap_or(server.ip());
        let target = SocketAddr::new(ip, self.port.unwrap_or(server.port()));
        Check {
            shared: self.shared.clone(),
            plugin: self.plugin.clone(),
            target,
            timing: self.timing,
        }
    }
}
