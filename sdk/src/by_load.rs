//! Schedulers that go by the load of servers alone.

use crate::backends::{Backend, BackendId, Backends, Decision, Facts, Flow};
use crate::plan::{Plan, least};
use crate::scheduler::Scheduler;

/// A scheduler without settings that sends a new connection to the least loaded server, or the lesser
/// loaded of some. Whatever implements this is a [`Scheduler`] that is told of connections and can be
/// followed by plan (the default) or connection by connection.
///
/// ```
/// //! The server with the fewest open connections for its weight.
/// use evenkeel_sdk::{Backend, Backends, ByLoad, Greedy, Plan, Ratio, register_scheduler};
///
/// #[derive(Default)]
/// struct FewestOpen(Greedy);
///
/// impl ByLoad for FewestOpen {
///     type Load = Ratio;
///
///     fn load(backend: &Backend) -> Ratio {
///         Ratio::new(backend.counts.active.into(), backend.weight)
///     }
///
///     fn spread(&mut self, backends: &Backends) -> Plan {
///         self.0.plan(backends, Self::load)
///     }
/// }
///
/// register_scheduler!(FewestOpen, "fewest-open", "the fewest open connections for the weight");
/// # let mut test = evenkeel_sdk::testing::SchedulerTest::<FewestOpen>::new(&[]).unwrap();
/// # test.backends(&[("a", 1), ("b", 1)]);
/// # test.loads(&[("a", 5), ("b", 0)]);
/// # assert_eq!(test.slots()[0], "b");
/// ```
pub trait ByLoad: Default + 'static {
    /// How loads are compared; the least gets the connection.
    type Load: Ord;

    /// The load of one server.
    fn load(backend: &Backend) -> Self::Load;

    /// The plan ([`Scheduler::plan`]): [`Greedy`](crate::Greedy) and
    /// [`two_choices`](crate::two_choices) make one of a load.
    fn spread(&mut self, backends: &Backends) -> Plan;

    /// The server for one new connection ([`Scheduler::pick`]).
    fn choose(&mut self, backends: &Backends) -> Option<BackendId> {
        least(backends, Self::load)
    }
}

impl<T: ByLoad> Scheduler for T {
    type Settings = ();

    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.spread(backends)
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        self.choose(backends)
    }
}
