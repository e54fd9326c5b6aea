//! What the tests of many schedulers say: each function states one fact and panics, as `assert!` does, if it is none.

use std::cell::Cell;

use super::{FLOW, SchedulerTest, scheduler_manifest};
use crate::backends::{BackendId, Backends, Decision, Facts, Flow};
use crate::plan::Plan;
use crate::registered::Registered;
use crate::scheduler::Scheduler;

/// A usable server: its name, weight, open connections and closing ones.
pub type Load<'a> = (&'a str, u32, u32, u32);

/// A scheduler with default settings and these servers.
#[must_use]
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn loaded<S: Scheduler>(servers: &[Load<'_>]) -> SchedulerTest<S> {
    SchedulerTest::loaded(servers).unwrap_or_else(|error| panic!("{error}"))
}

/// In each case the first pick is the server that is named.
pub fn assert_first_picks<S: Scheduler>(cases: &[(&[Load<'_>], &str)]) {
    for (servers, expected) in cases {
        let picked = loaded::<S>(servers).pick(&FLOW);
        assert_eq!(picked.as_deref(), Some(*expected), "{servers:?}");
    }
}

/// Without a server of a weight above 0, connections are refused: by pick and by plan.
pub fn assert_refuses_without_servers<S: Scheduler>() {
    let none: [&[Load<'_>]; 3] = [&[], &[("a", 0, 0, 0)], &[("a", 0, 0, 0), ("b", 0, 5, 5)]];
    for servers in none {
        let mut test = loaded::<S>(servers);
        assert_eq!(test.pick(&FLOW), None, "{servers:?}");
        assert_eq!(test.plan(), Plan::None, "{servers:?}");
    }
}

/// It has this name, looks at connections, and decides by plan unless it is configured to decide each connection.
pub fn assert_decides_both_ways_by_connections<S: Scheduler + Registered>(name: &str) {
    assert_eq!(scheduler_manifest::<S>().name, name);
    assert_eq!(S::DECISIONS, [Decision::Plan, Decision::PerConnection]);
    assert_eq!(S::FACTS, Facts::CONNECTIONS);
}

/// Of servers, each a weight with open and closing connections, it picks the one that `rule` names; that one has a
/// slot in the plan; and no server of weight 0 has one. Made for any servers, such as `proptest` thinks of.
pub fn assert_follows_rule<S: Scheduler>(
    servers: &[(u32, u32, u32)],
    rule: impl for<'a> Fn(&[Load<'a>]) -> Option<&'a str>,
) {
    let names: Vec<String> = (0..servers.len()).map(|n| format!("s{n}")).collect();
    let described: Vec<Load<'_>> = names
        .iter()
        .zip(servers)
        .map(|(name, &(weight, active, inactive))| (name.as_str(), weight, active, inactive))
        .collect();
    let mut test = loaded::<S>(&described);
    let slots = test.slots();
    for name in &slots {
        let takes = |&(other, weight, ..): &Load<'_>| other == name && weight > 0;
        assert!(described.iter().any(takes), "{name} has a slot");
    }
    let expected = rule(&described);
    assert_eq!(slots.is_empty(), expected.is_none(), "{slots:?}");
    if let Some(expected) = expected {
        assert!(
            slots.iter().any(|name| name == expected),
            "{expected} has no slot: {slots:?}"
        );
    }
    assert_eq!(test.pick(&FLOW).as_deref(), expected);
}

/// A rule for [`assert_follows_rule`]: of the servers of a weight, the first with the least `cost(weight, open,
/// closing)`.
pub fn first_of_least<'a>(
    servers: &[Load<'a>],
    cost: impl Fn(u128, u128, u128) -> u128,
) -> Option<&'a str> {
    let usable = servers.iter().filter(|(_, weight, ..)| *weight > 0);
    let of = |&&(_, weight, active, inactive): &&Load<'_>| {
        cost(weight.into(), active.into(), inactive.into())
    };
    usable.min_by_key(of).map(|(name, ..)| *name)
}

/// The decision of a scheduler that draws two numbers.
pub type Draw = fn(&Backends, u64, u64) -> Option<BackendId>;

/// The server that such a decision names for these numbers.
#[must_use]
pub fn drawn(draw: Draw, numbers: (u64, u64), servers: &[Load<'_>]) -> Option<String> {
    DRAW.set(Some((draw, numbers)));
    loaded::<Drawing>(servers).pick(&FLOW)
}

/// How often each server is chosen when each of two dice shows each of so many numbers once.
#[must_use]
pub fn all_throws(draw: Draw, servers: &[Load<'_>], sides: u64) -> Vec<u32> {
    let mut test = loaded::<Drawing>(servers);
    let number = |side: u64| side * (u64::MAX / sides) + u64::MAX / (2 * sides);
    let mut chosen = vec![0; servers.len()];
    for throw in 0..sides * sides {
        let numbers = (number(throw / sides), number(throw % sides));
        DRAW.set(Some((draw, numbers)));
        let name = test.pick(&FLOW);
        let place = servers
            .iter()
            .position(|(n, ..)| Some(*n) == name.as_deref());
        assert!(place.is_some(), "nobody is chosen by {numbers:?}");
        if let Some(place) = place {
            chosen[place] += 1;
        }
    }
    chosen
}

thread_local! {
    /// The next decision.
    static DRAW: Cell<Option<(Draw, (u64, u64))>> = const { Cell::new(None) };
}

/// Decides by numbers that are known; its counts stay as they are.
struct Drawing;

impl Scheduler for Drawing {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn plan(&mut self, _: &Backends) -> Plan {
        Plan::None
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        let (draw, (first, second)) = DRAW.get()?;
        draw(backends, first, second)
    }
}
