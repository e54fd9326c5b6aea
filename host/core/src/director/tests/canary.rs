//! A second scheduler that decides for a share of the slots, until it is taken back.

use super::shadow::{Beside, Does, with_second};
use super::*;
use crate::model::{Canary, SecondRole, Share};

/// A canary whose unevenness is not looked at.
fn any(share: u8) -> Canary {
    Canary {
        share,
        max_call: Canary::MAX_CALL,
        max_uneven: Share::ALL,
    }
}

fn with(servers: &[u8], canary: Canary) -> Service {
    with_second(service(80, servers), SecondRole::Canary(canary))
}

fn of(slots: &[u8], server: u8) -> usize {
    slots.iter().filter(|it| **it == server).count()
}

#[test]
fn a_canary_gets_its_share_within_one_slot() {
    for share in [1, 5, 20, 33, 50] {
        let mut world = World::new(State::default());
        let canary = Beside::new(Does::Slots(&[3]));
        world.configure_beside(with(&[1, 2, 3], any(share)), &canary, None);
        let (slots, report) = (world.slots(), world.second());
        assert_eq!(report.slots.1, slots.len());
        let wanted = slots.len() * usize::from(share);
        assert!((report.slots.0 * 100).abs_diff(wanted) <= 100, "{share}");
        let firsts = slots.len() - report.slots.0;
        assert_eq!(of(&slots, 1), firsts / 3);
        assert_eq!(of(&slots, 3), firsts / 3 + report.slots.0);
        assert_eq!((report.taken_back, report.problem), (None, None));
    }
}

#[test]
fn a_canary_with_the_firsts_plan_gives_each_server_as_much_as_before() {
    let mut world = World::new(State::default());
    world.configure_beside(with(&[1, 2, 3], any(5)), &Beside::new(Does::Turns), None);
    let slots = world.slots();
    assert_eq!([1, 2, 3].map(|it| of(&slots, it)), [20, 20, 20]);
}

#[test]
fn a_failed_server_leaves_the_canarys_slots_at_once_and_another_share_is_followed() {
    let mut world = World::new(State::default());
    let canary = Beside::new(Does::Slots(&[3]));
    world.configure_beside(with(&[1, 2, 3], any(50)), &canary, None);
    assert_eq!(of(&world.slots(), 3), 4);
    canary.now(Does::Slots(&[2]));
    world.held = Some(Vec::new());
    world.health(3, false);
    assert_eq!(of(&world.slots(), 3), 0, "nobody has answered yet");
    world.run_held();
    assert_eq!(world.slots(), [1, 2, 2, 2]);
    world.configure_beside(with(&[1, 2, 3], any(25)), &canary, None);
    let slots = world.slots();
    assert_eq!((of(&slots, 1), of(&slots, 2)), (3, 5));
}

/// Every way in which a canary is taken back at its first plan, and what is said then.
#[test]
fn a_canary_that_does_worse_is_taken_back_and_the_first_decides_for_all() {
    let default = Canary {
        max_uneven: Canary::MAX_UNEVEN,
        ..any(5)
    };
    let trapped = "plugin mine 0.1.0: trapped: on purpose";
    let cases = [
        (Does::Trap, any(5), trapped),
        (Does::TrapAtStart, any(5), trapped),
        (
            Does::Foreign,
            any(5),
            "plugin mine 0.1.0: the plan names backend 999",
        ),
        (
            Does::NoPlan,
            any(5),
            "plugin mine 0.1.0: the scheduler has no plan",
        ),
        (
            Does::Refuse,
            any(5),
            "plugin mine 0.1.0: it refuses connections",
        ),
        (
            Does::Slots(&[1]),
            default,
            "plugin mine 0.1.0: its plan is uneven by 66.67% against the weights, the first scheduler's by 0%; more than \
             max_uneven = 10% beside it",
        ),
    ];
    for (does, canary, why) in cases {
        let mut world = World::new(State::default());
        let plugin = Beside::new(does.clone());
        world.configure_beside(with(&[1, 2, 3], canary), &plugin, None);
        let report = world.second();
        let said = report.taken_back.unwrap();
        assert!(said.starts_with(why), "{said}");
        assert_eq!(report.slots, (0, 0));
        assert_eq!((world.slots(), world.problem()), (vec![1, 2, 3], None));
    }
}

#[test]
fn a_canary_by_another_selector_is_taken_back_with_both_named() {
    let mut world = World::new(State::default());
    let canary = Beside::new(Does::Turns);
    *canary.selector.lock() = Selector::HashSource;
    world.configure_beside(with(&[1, 2], any(5)), &canary, None);
    assert_eq!(
        world.second().taken_back.unwrap(),
        "plugin mine 0.1.0: its plan is spread by hash-source, and the first scheduler's by sequence: both must be \
         spread by the same"
    );
    assert_eq!(world.slots(), [1, 2]);
}

#[test]
fn a_canary_that_is_taken_back_is_tried_again_after_a_reload_or_with_another_file_and_not_before() {
    let mut world = World::new(State::default());
    let canary = Beside::new(Does::Slots(&[3]));
    let spec = with(&[1, 2, 3], any(50));
    world.configure_beside(spec.clone(), &canary, None);
    assert_eq!(of(&world.slots(), 3), 4);
    canary.now(Does::Trap);
    world.health(1, false);
    assert!(world.second().taken_back.is_some());
    assert_eq!(world.slots(), [2, 3]);
    canary.now(Does::Slots(&[3]));
    let asked = *canary.asked.lock();
    world.pass(Duration::from_secs(600));
    world.health(1, true);
    let beside = |plugin: &Arc<Beside>| NewSecond {
        plugin: Arc::clone(plugin) as _,
        settings: Vec::new(),
    };
    world
        .director
        .replace_second(&spec, beside(&canary), world.now);
    world.settle();
    assert_eq!(*canary.asked.lock(), asked, "the file is the same");
    assert_eq!(world.slots(), [1, 2, 3]);
    let fresh = Beside::new(Does::Slots(&[3]));
    world
        .director
        .replace_second(&spec, beside(&fresh), world.now);
    world.settle();
    assert_eq!(world.second().taken_back, None);
    assert_eq!(of(&world.slots(), 3), 4);
    fresh.now(Does::Trap);
    world.health(1, false);
    world.health(1, true);
    assert!(world.second().taken_back.is_some());
    fresh.now(Does::Slots(&[2]));
    world.configure_beside(spec, &fresh, None);
    assert_eq!(world.second().taken_back, None);
    assert_eq!(of(&world.slots(), 2), 4);
}

#[test]
fn a_slow_canary_is_taken_back_and_one_slow_call_says_nothing() {
    let mut world = World::new(State::default());
    let canary = Beside::new(Does::Slots(&[3]));
    world.took = Canary::MAX_CALL * 2;
    world.configure_beside(with(&[1, 2, 3], any(50)), &canary, None);
    assert_eq!(world.second().taken_back, None);
    world.took = Canary::MAX_CALL;
    world.health(1, false);
    assert_eq!(world.second().taken_back, None);
    world.took = Canary::MAX_CALL * 3;
    world.health(1, true);
    assert_eq!(
        world.second().taken_back.unwrap(),
        "plugin mine 0.1.0: 2 of its last 3 calls took longer than max_call = 10ms, the last one 30ms"
    );
    assert_eq!(world.slots(), [1, 2, 3]);
}

#[test]
fn a_canary_that_becomes_uneven_is_taken_back_with_its_last_comparison() {
    let mut world = World::new(State::default());
    let canary = Beside::new(Does::Turns);
    let limits = Canary {
        max_uneven: Share::percent(20),
        ..any(5)
    };
    world.configure_beside(with(&[1, 2, 3], limits), &canary, None);
    assert_eq!(world.second().taken_back, None);
    // By 16.67 % with three servers.
    canary.now(Does::Slots(&[1, 1, 2, 3]));
    world.pass(Duration::from_secs(1));
    world.count_of(1, 1);
    assert_eq!(world.second().taken_back, None);
    canary.now(Does::Slots(&[1, 1, 1, 2, 3]));
    world.pass(Duration::from_secs(1));
    world.count_of(1, 2);
    let report = world.second();
    assert!(report.taken_back.unwrap().contains("uneven by 26.67%"));
    assert_eq!(report.uneven.unwrap().second, Share::new(2_667).unwrap());
    assert_eq!(report.difference.unwrap().share, Share::new(2_667).unwrap());
}

#[test]
fn a_canary_that_hashes_is_held_to_the_services_max_moves() {
    let mut world = World::new(State::default());
    let canary = Beside::new(Does::Slots(&[1, 2]));
    let first = Beside::new(Does::Slots(&[1, 2]));
    *canary.selector.lock() = Selector::HashSource;
    *first.selector.lock() = Selector::HashSource;
    let plugin: Arc<dyn SchedulerPlugin> = Arc::clone(&first) as _;
    let spec = Service {
        max_moves: Some(Share::percent(10)),
        ..with(&[1, 2], any(50))
    };
    world.configure_with(
        Service {
            second: None,
            ..spec.clone()
        },
        &plugin,
    );
    world.configure_beside(spec, &canary, None);
    assert_eq!(world.second().taken_back, None);
    assert_eq!(world.slots(), [1, 1, 2, 2]);
    canary.now(Does::Slots(&[2, 1]));
    world.pass(Duration::from_secs(1));
    world.count_of(1, 1);
    let why = world.second().taken_back.unwrap();
    assert!(why.contains("max_moves = 10%"), "{why}");
    assert_eq!(world.slots(), [1, 2]);
}

#[test]
fn while_the_first_scheduler_fails_both_last_plans_stay() {
    let mut world = World::new(State::default());
    let canary = Beside::new(Does::Slots(&[3]));
    world.configure_beside(with(&[1, 2, 3], any(50)), &canary, None);
    let before = world.slots();
    world.broken.store(true, Ordering::Relaxed);
    world.count_of(1, 3);
    world.pass(Duration::from_millis(100));
    assert!(world.problem().is_some());
    assert_eq!(world.slots(), before);
}

#[test]
fn a_restart_of_the_daemon_changes_nothing_in_the_kernel_before_the_canary_has_its_plan() {
    let spec = || with(&[1, 2, 3], any(50));
    let mut first = World::new(State::default());
    first.configure_beside(spec(), &Beside::new(Does::Slots(&[3])), None);
    let left = first.kernel.clone();
    assert_eq!(of(&first.slots(), 3), 4);

    let mut world = World::new(left.clone());
    world.held = Some(Vec::new());
    world.configure_beside(spec(), &Beside::new(Does::Slots(&[3])), Some(&left));
    let (seconds, firsts): (Vec<_>, Vec<_>) =
        (world.held.take().unwrap().into_iter()).partition(|(_, job)| job.is_second());
    for jobs in [firsts, seconds] {
        assert_eq!((jobs.len(), &world.kernel), (1, &left));
        world.held = Some(jobs);
        world.run_held();
    }
    assert_eq!(world.kernel, left);
    assert!(world.director.settled());

    // One that fails is waited for no longer.
    let mut world = World::new(left.clone());
    world.configure_beside(spec(), &Beside::new(Does::Trap), Some(&left));
    assert_eq!(world.slots(), [1, 2, 3]);
}

#[test]
fn at_the_end_of_the_daemon_a_canarys_plan_by_connections_gives_way() {
    let mut world = World::new(State::default());
    let canary = Beside::new(Does::Slots(&[3]));
    world.configure_beside(with(&[1, 2, 3], any(50)), &canary, None);
    assert_eq!(of(&world.slots(), 3), 4);
    world.director.leave();
    world.settle();
    assert_eq!(world.slots(), [1, 2, 3]);
}

#[test]
fn a_shadow_becomes_a_canary_without_being_started_again() {
    let mut world = World::new(State::default());
    let plugin = Beside::new(Does::Slots(&[3]));
    let shadow = with_second(service(80, &[1, 2, 3]), SecondRole::Shadow);
    world.configure_beside(shadow, &plugin, None);
    assert_eq!(world.slots(), [1, 2, 3]);
    world.configure_beside(with(&[1, 2, 3], any(50)), &plugin, None);
    assert_eq!(of(&world.slots(), 3), 4);
    assert_eq!(plugin.told.lock().roles.len(), 1, "instances");
}
