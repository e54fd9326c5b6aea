use std::collections::BTreeMap;

use evenkeel_sdk::Selector;
use evenkeel_sdk::testing::SchedulerTest;

use super::*;

fn sticky(servers: &[(&str, u32)]) -> SchedulerTest<Sticky> {
    let mut test = SchedulerTest::new(&[]).unwrap();
    test.backends(servers);
    test
}

/// How many slots changed, as from whom to whom.
fn moves(before: &[String], after: &[String]) -> BTreeMap<(String, String), usize> {
    let mut moves = BTreeMap::new();
    for pair in before
        .iter()
        .zip(after)
        .filter(|(before, after)| before != after)
    {
        *moves.entry((pair.0.clone(), pair.1.clone())).or_default() += 1;
    }
    moves
}

#[test]
fn the_slot_is_chosen_by_the_clients_address() {
    let plan = sticky(&[("a", 1), ("b", 1)]).plan();
    assert_eq!(plan.as_table().unwrap().selector, Selector::HashSource);
}

#[test]
fn servers_have_slots_by_weight() {
    let counts = sticky(&[("a", 1), ("b", 2), ("c", 5), ("draining", 0)]).counts();
    assert_eq!(counts.values().sum::<u32>(), 1024);
    for (name, due) in [("a", 128), ("b", 256), ("c", 640)] {
        assert!(counts[name].abs_diff(due) < 48, "{counts:?}");
    }
    assert!(!counts.contains_key("draining"));
}

#[test]
fn when_a_server_goes_only_its_own_slots_move_and_to_all_others() {
    let mut test = sticky(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    let before = test.slots();
    test.backends(&[("a", 1), ("c", 1), ("d", 1)]);
    let moves = moves(&before, &test.slots());
    assert!(moves.keys().all(|(from, _)| from == "b"), "{moves:?}");
    assert_eq!(moves.len(), 3, "{moves:?}");
    test.backends(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    assert_eq!(test.slots(), before);
}

#[test]
fn a_server_that_gets_heavier_takes_slots_and_loses_none() {
    let mut test = sticky(&[("a", 1), ("b", 1), ("c", 1)]);
    let before = test.slots();
    test.backends(&[("a", 1), ("b", 2), ("c", 1)]);
    let moves = moves(&before, &test.slots());
    assert!(
        !moves.is_empty() && moves.keys().all(|(_, to)| to == "b"),
        "{moves:?}"
    );
}

#[test]
fn the_order_of_the_servers_does_not_matter() {
    let mut test = sticky(&[("a", 1), ("b", 3), ("c", 1)]);
    let before = test.slots();
    test.backends(&[("c", 1), ("a", 1), ("b", 3)]);
    assert_eq!(test.slots(), before);
}

#[test]
fn without_servers_connections_are_refused() {
    assert_eq!(sticky(&[]).plan(), Plan::None);
    assert_eq!(sticky(&[("draining", 0)]).plan(), Plan::None);
}

#[test]
fn the_number_of_slots_can_be_configured() {
    let mut test = SchedulerTest::<Sticky>::new(&[("slots", 16.into())]).unwrap();
    test.backends(&[("a", 1), ("b", 1)]);
    assert_eq!(test.slots().len(), 16);
    assert!(SchedulerTest::<Sticky>::new(&[("slots", 0.into())]).is_err());
}
