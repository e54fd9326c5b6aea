//! What a scheduler is.

use crate::backends::{BackendId, Backends, Decision, Facts, Flow};
use crate::context::{Context, SavedState};
use crate::declared::DeclaredSetting;
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

    /// Promises that equal servers and counts have equal plans, whatever happened before and on every director: it
    /// uses neither clocks nor randomness.
    const DETERMINISTIC: bool = false;

    /// Promises that a plan follows from the settings, the context, and the servers with their facts alone, and that
    /// nothing is kept from one call of [`Self::plan`] to the next but for speed. The host then keeps no instance
    /// between plans: ten thousand services with such a scheduler take hardly more memory than one. Where each
    /// connection is decided by [`Self::pick`], the instance stays all the same.
    const STATELESS: bool = false;

    /// The labels of real servers that it reads: `Labels::DECLARED` of a struct made by [`settings!`](crate::settings!),
    /// without lists, durations and secrets. The host then refuses a configuration with a label that is none of them
    /// and like one of them, with a value that does not fit, or with a server that lacks one that must be there;
    /// [`Backend::labels_as`](crate::Backend::labels_as) reads them.
    const LABELS: &'static [DeclaredSetting] = &[];

    /// The names of schedulers that its plans may name for a group
    /// ([`Group::delegate`](crate::Group::delegate)), 16 at most. The host loads them with it, as if the configuration
    /// named them, and tells them of what they want to know.
    const DELEGATES: &'static [&'static str] = &[];

    /// Makes an instance.
    ///
    /// # Errors
    /// Settings that each are in range but make no sense together. The text is shown to the user.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// The virtual service that it works for: after [`Self::new`], and when this director's role changes.
    fn set_context(&mut self, context: &Context) {
        let _ = context;
    }

    /// Whether the settings make sense with these servers: a name that no server has, and the like. For an instance
    /// that is only tried, before a configuration is taken.
    ///
    /// # Errors
    /// What is wrong, for the user.
    fn validate(&self, backends: &Backends) -> Result<(), String> {
        let _ = backends;
        Ok(())
    }

    /// What it hands to its successor, when another version of the plugin or other settings take its place, or when the
    /// daemon starts again. Asked for from time to time.
    fn export_state(&self) -> Option<SavedState> {
        None
    }

    /// What its predecessor handed over, before the first plan. That may have been another version, with other
    /// settings and other servers: look at [`SavedState::version`], and take nothing on trust.
    ///
    /// # Errors
    /// Why it is of no use. It is logged, and the scheduler goes on without.
    fn import_state(&mut self, state: SavedState) -> Result<(), String> {
        let _ = state;
        Err("it takes over no state".to_owned())
    }

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
