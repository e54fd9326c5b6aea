//! What a scheduler is.

use crate::backends::{BackendId, Backends, Flow};
use crate::plan::Plan;
use crate::settings::Settings;

/// Spreads the new connections of one virtual service over its real servers. Every service has an
/// instance of its own, which lives until the service's configuration changes.
pub trait Scheduler: Sized + 'static {
    /// What can be configured: a struct made by [`settings!`](crate::settings!), or `()`.
    type Settings: Settings;

    /// Makes an instance.
    ///
    /// # Errors
    /// Settings that each are in range but make no sense together. The text is shown to the user.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// How new connections are to be spread from now on. Called when the servers, their weights or
    /// their counts of connections have changed.
    fn plan(&mut self, backends: &Backends) -> Plan;

    /// The server for one new connection; `None` refuses it. Called only after a plan of
    /// [`Plan::PerConnection`]. The connection is counted in [`Backend::active`](crate::Backend) at
    /// once.
    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let _ = (flow, backends);
        None
    }
}
