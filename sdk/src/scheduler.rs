//! What a scheduler is.

use crate::backends::{BackendId, Backends, Decision, Facts, Flow};
use crate::plan::Plan;
use crate::settings::Settings;

/// Spreads the new connections of one virtual service over its real servers. Every service has an
/// instance of its own, which lives until the service's configuration changes.
pub trait Scheduler: Sized + 'static {
    /// What can be configured: a struct made by [`settings!`](crate::settings!), or `()`.
    type Settings: Settings;

    /// How its decisions can be followed; the first is the default, and the configuration may choose
    /// another.
    const DECISIONS: &'static [Decision] = &[Decision::Plan];

    /// What it wants to be told of. [`Self::plan`] is called whenever that changes, at most some tens of
    /// times a second.
    const FACTS: Facts = Facts::NONE;

    /// Makes an instance.
    ///
    /// # Errors
    /// Settings that each are in range but make no sense together. The text is shown to the user.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// How new connections are to be spread from now on. Called when the servers, their weights or
    /// the facts asked for have changed. Where each connection is decided by [`Self::pick`], the plan is
    /// what the kernel falls back to; [`Plan::PerConnection`] says that there is none.
    fn plan(&mut self, backends: &Backends) -> Plan;

    /// The server for one new connection; `None` refuses it. Called only where
    /// [`Decision::PerConnection`] is among [`Self::DECISIONS`] and chosen. The connection is counted in
    /// [`Counts::active`](crate::Counts) at once.
    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let _ = (flow, backends);
        None
    }
}
