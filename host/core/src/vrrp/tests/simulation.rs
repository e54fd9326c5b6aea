//! Two and three routers through every kind of trouble: at the end there is one master, and it is the right one; never
//! two for longer than the protocol has it, and never none for longer.

use proptest::prelude::*;

use super::world::{Act, World, moment};
use super::*;

/// A second or so of them.
const CASES: u32 = 1000;

/// What a router that was in fault waits.
const SETTLES: Duration = Duration::from_secs(1);

fn acts(machines: usize) -> impl Strategy<Value = Act> {
    let one = 0..machines;
    let two = (0..machines, 1..machines).prop_map(move |(a, by)| (a, (a + by) % machines));
    let link = (0..machines, 0..2usize);
    prop_oneof![
        one.clone().prop_map(Act::Crash),
        one.clone().prop_map(Act::Start),
        one.clone().prop_map(Act::Pause),
        one.clone().prop_map(Act::Resume),
        one.clone().prop_map(Act::ResumeDeaf),
        link.clone()
            .prop_map(|(at, interface)| Act::Cut(at, interface)),
        link.prop_map(|(at, interface)| Act::Mend(at, interface)),
        two.clone().prop_map(|(a, b)| Act::Part(a, b)),
        two.prop_map(|(a, b)| Act::Join(a, b)),
        (0..60u64).prop_map(Act::Lose),
        one.clone().prop_map(Act::Resign),
        one.prop_map(Act::Take),
    ]
}

/// An end to all trouble.
fn peace(machines: usize) -> Vec<Act> {
    let mut all = vec![Act::Lose(0)];
    for at in 0..machines {
        all.extend([
            Act::Resume(at),
            Act::Mend(at, 0),
            Act::Mend(at, 1),
            Act::Start(at),
            Act::Take(at),
        ]);
        all.extend((0..at).map(|other| Act::Join(at, other)));
    }
    all
}

#[derive(Debug, Clone)]
struct Case {
    priorities: Vec<u8>,
    interval: Duration,
    version: VrrpVersion,
    preempt: bool,
    /// In tenths of an interval from one to the next.
    trouble: Vec<(u32, Act)>,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let shape = (2..=3usize).prop_flat_map(|machines| {
        let priorities = prop::collection::vec(1..=254u8, machines);
        let trouble = prop::collection::vec((0..80u32, acts(machines)), 0..25);
        (priorities, trouble)
    });
    let timing = prop_oneof![
        Just((VrrpVersion::V2, 1000)),
        Just((VrrpVersion::V3, 1000)),
        Just((VrrpVersion::V3, 100)),
        Just((VrrpVersion::V3, 10)),
    ];
    (shape, timing, any::<bool>(), any::<u64>()).prop_map(
        |((priorities, trouble), (version, interval), preempt, seed)| Case {
            priorities,
            interval: interval * MS,
            version,
            preempt,
            trouble,
            seed,
        },
    )
}

fn world(case: &Case) -> World {
    let configs = case.priorities.iter().map(|priority| {
        config(VrrpInstance {
            version: case.version,
            advert_interval: case.interval,
            preempt: case.preempt,
            ..instance(*priority)
        })
    });
    World::new(configs.collect(), case.interval / 10, case.seed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn after_any_trouble_there_is_one_master_and_it_is_the_right_one(case in cases()) {
        let mut world = world(&case);
        let machines = case.priorities.len();
        for (after, act) in &case.trouble {
            world.pass(case.interval * *after / 10);
            world.act(*act);
        }
        for act in peace(machines) {
            world.act(act);
        }
        let quiet = world.now;
        let moment = moment(world.delay);
        // Nobody is heard of: three intervals and the skew, which is less than one; a link settles; and once more,
        // where a router that has just yielded finds that the other one leaves, too.
        let none = 5 * case.interval + SETTLES + moment;
        world.pass(2 * none);
        let settled = world.now;
        world.pass(20 * case.interval);

        // Two that hear each other again know after an advert. Two that were both started again, and both found the
        // addresses, know after that of the one that is master first: an interval and the skew. And two that both
        // resign while they do not hear each other both wait for the other one.
        let resigned = case.trouble.iter().any(|(_, act)| matches!(act, Act::Resign(_)));
        let most = if resigned { 6 } else { 2 } * case.interval + moment;
        let double = world.longest(quiet, |holders| holders > 1);
        prop_assert!(double <= most, "two masters for {double:?}\n{:#?}", world.history);
        let nobody = world.longest(quiet, |holders| holders == 0);
        prop_assert!(nobody <= none, "no master for {nobody:?}\n{:#?}", world.history);
        prop_assert_eq!(world.longest(settled, |holders| holders != 1), Duration::ZERO);
        let holders = world.holders("VI_1");
        prop_assert_eq!(holders.len(), 1);
        let master = holders[0];
        prop_assert_eq!(world.state(master, 0), Some(State::Master));
        for other in (0..machines).filter(|at| *at != master) {
            prop_assert_eq!(world.state(other, 0), Some(State::Backup));
            if case.preempt {
                prop_assert!(case.priorities[other] <= case.priorities[master]);
            }
        }
    }

    #[test]
    fn a_planned_handover_leaves_no_instant_without_the_addresses(
        priorities in prop::collection::vec(1..=254u8, 2..=3),
        interval in prop_oneof![Just(1000), Just(100), Just(10)],
        order in prop_oneof![Just(Act::Resign(0)), Just(Act::Stop(0))],
        wait in 0..50u32,
        seed in any::<u64>(),
    ) {
        let case = Case {
            priorities,
            interval: interval * MS,
            version: VrrpVersion::V3,
            preempt: true,
            trouble: Vec::new(),
            seed,
        };
        let mut world = world(&case);
        world.pass(10 * case.interval);
        let master = world.holders("VI_1")[0];
        world.pass(case.interval * wait / 50);
        let begin = world.now;
        world.act(match order {
            Act::Resign(_) => Act::Resign(master),
            _ => Act::Stop(master),
        });
        world.pass(10 * case.interval);
        prop_assert_eq!(world.longest(begin, |holders| holders == 0), Duration::ZERO);
        // Of two backups, both may take over before one hears the other: the skews of like priorities are alike.
        let both = world.longest(begin, |holders| holders > 1);
        prop_assert!(both <= 2 * moment(world.delay), "both for {both:?}");
        let now = world.holders("VI_1");
        prop_assert!(now.len() == 1 && now[0] != master, "{now:?}");
    }

    #[test]
    fn a_backup_that_was_paused_leaves_a_healthy_master_alone(
        priorities in prop::collection::vec(1..=254u8, 2..=3),
        interval in prop_oneof![Just(1000), Just(100), Just(10)],
        preempt in any::<bool>(),
        // From one to the next it hears the master: what is lost twice in a row is taken for silence.
        pauses in prop::collection::vec((25..60u32, 1..400u32, any::<bool>()), 1..5),
        seed in any::<u64>(),
    ) {
        let case = Case {
            priorities,
            interval: interval * MS,
            version: VrrpVersion::V3,
            preempt,
            trouble: Vec::new(),
            seed,
        };
        let mut world = world(&case);
        world.pass(20 * case.interval);
        let master = world.holders("VI_1")[0];
        let begin = world.now;
        for (wait, pause, deaf) in pauses {
            let backup = (0..case.priorities.len()).find(|at| *at != master).unwrap_or(0);
            world.pass(case.interval * wait / 10);
            world.act(Act::Pause(backup));
            // What was lost in a shorter one cannot be told from a master's silence.
            let pause = if deaf { pause.max(52) } else { pause };
            world.pass(case.interval * pause / 10);
            world.act(if deaf { Act::ResumeDeaf(backup) } else { Act::Resume(backup) });
        }
        world.pass(10 * case.interval);
        prop_assert_eq!(world.longest(begin, |holders| holders != 1), Duration::ZERO);
        prop_assert_eq!(world.holders("VI_1"), [master]);
    }

    #[test]
    fn a_return_by_preemption_leaves_no_instant_without_the_addresses(
        low in 1..=253u8,
        more in 1..=100u8,
        interval in prop_oneof![Just(1000), Just(100), Just(10)],
        seed in any::<u64>(),
    ) {
        let case = Case {
            priorities: vec![low.saturating_add(more).min(254), low],
            interval: interval * MS,
            version: VrrpVersion::V3,
            preempt: true,
            trouble: Vec::new(),
            seed,
        };
        let mut world = world(&case);
        world.pass(10 * case.interval);
        prop_assert_eq!(world.holders("VI_1"), [0]);
        world.act(Act::Resign(0));
        world.pass(10 * case.interval);
        prop_assert_eq!(world.holders("VI_1"), [1]);
        let begin = world.now;
        world.act(Act::Take(0));
        world.pass(10 * case.interval);
        prop_assert_eq!(world.holders("VI_1"), [0]);
        // The address manager of the new one is as fast as that of the old one, which is told later.
        prop_assert_eq!(world.longest(begin, |holders| holders == 0), Duration::ZERO);
        let both = world.longest(begin, |holders| holders > 1);
        prop_assert!(both <= moment(world.delay), "both for {both:?}");
    }
}

#[test]
fn a_dead_master_is_replaced_after_the_master_down_time() {
    for interval in [10, 100, 1000] {
        let case = Case {
            priorities: vec![120, 80],
            interval: interval * MS,
            version: VrrpVersion::V3,
            preempt: true,
            trouble: Vec::new(),
            seed: 1,
        };
        let mut world = world(&case);
        world.pass(10 * case.interval);
        world.act(Act::Crash(0));
        let begin = world.now;
        let down = super::super::timing::master_down(VrrpVersion::V3, 80, case.interval);
        world.pass(down + moment(world.delay));
        assert_eq!(
            world.holders("VI_1"),
            [0, 1],
            "what the dead one held stays"
        );
        assert!(world.now - begin <= 4 * case.interval + moment(world.delay));
        // Back, it finds what it held, and another master: that one is in force until it is pre-empted.
        world.act(Act::Start(0));
        world.pass(case.interval + moment(world.delay));
        assert_eq!(world.holders("VI_1"), [1]);
        world.pass(5 * case.interval);
        assert_eq!(world.holders("VI_1"), [0]);
    }
}

#[test]
fn a_daemon_that_is_back_at_once_goes_on_as_master_and_nobody_notices() {
    let case = Case {
        priorities: vec![120, 80],
        interval: 1000 * MS,
        version: VrrpVersion::V2,
        preempt: true,
        trouble: Vec::new(),
        seed: 1,
    };
    let mut world = world(&case);
    world.pass(10 * case.interval);
    let begin = world.now;
    world.act(Act::Crash(0));
    world.pass(500 * MS);
    world.act(Act::Start(0));
    world.pass(10 * case.interval);
    assert_eq!(world.longest(begin, |holders| holders != 1), Duration::ZERO);
    assert_eq!(world.state(0, 0), Some(State::Master));
}
