use super::*;
use crate::plan::greedy::tests::{active, backends};

/// Numbers that divide 64 bits into so many equal parts, one for each part.
fn every(parts: u64) -> impl Iterator<Item = u64> {
    (0..parts).map(move |i| i * (u64::MAX / parts) + u64::MAX / (2 * parts))
}

fn widths(plan: &Plan) -> Vec<u32> {
    let runs = plan.as_table().map_or(&[][..], |table| &table.runs);
    runs.iter().map(|run| run.width).collect()
}

#[test]
fn the_least_is_the_first_of_equals_and_never_draining() {
    let all = backends(&[(0, 0), (1, 5), (1, 3), (9, 3)]);
    assert_eq!(least(&all, active), Some(BackendId::new(3)));
    assert_eq!(least(&backends(&[(0, 0)]), active), None);
    assert_eq!(least(&Backends::default(), active), None);
}

#[test]
fn every_server_is_drawn_as_often_as_its_weight_says() {
    let all = backends(&[(3, 0), (0, 0), (5, 0), (1, 0)]);
    let mut drawn = [0; 4];
    for random in every(900) {
        let id = draw(&all, random).unwrap().id;
        drawn[usize::try_from(id.get()).unwrap() - 1] += 1;
    }
    assert_eq!(drawn, [300, 0, 500, 100]);
    assert_eq!(draw(&all, 0).unwrap().id, BackendId::new(1));
    assert_eq!(draw(&all, u64::MAX).unwrap().id, BackendId::new(4));
    assert!(draw(&backends(&[(0, 0)]), 7).is_none());
}

#[test]
fn another_one_is_drawn_from_the_rest() {
    let all = backends(&[(3, 0), (5, 0), (1, 0), (0, 0)]);
    let mut drawn = [0; 4];
    for random in every(400) {
        let id = draw_another(&all, BackendId::new(2), random).unwrap().id;
        drawn[usize::try_from(id.get()).unwrap() - 1] += 1;
    }
    assert_eq!(drawn, [300, 0, 100, 0]);
    assert!(draw_another(&backends(&[(3, 0), (0, 0)]), BackendId::new(1), 0).is_none());
}

#[test]
fn of_two_servers_the_lesser_loaded_is_taken_three_times_in_four() {
    let plan = two_choices(&backends(&[(1, 9), (1, 2)]), active);
    assert_eq!(widths(&plan), [32, 96]);
    // How much less does not matter; equal loads share equally.
    let plan = two_choices(&backends(&[(1, 3), (1, 2)]), active);
    assert_eq!(widths(&plan), [32, 96]);
    let plan = two_choices(&backends(&[(1, 2), (1, 2)]), active);
    assert_eq!(widths(&plan), [64, 64]);
}

#[test]
fn the_odds_are_those_of_drawing_all_pairs() {
    let servers = [(3, 4), (1, 1), (2, 4), (2, 9)];
    let all = backends(&servers);
    let mut taken = [0.0; 4];
    for first in every(8) {
        for second in every(8) {
            let (a, b) = (draw(&all, first).unwrap(), draw(&all, second).unwrap());
            let (a_share, b_share) = match a.counts.active.cmp(&b.counts.active) {
                std::cmp::Ordering::Less => (1.0, 0.0),
                std::cmp::Ordering::Greater => (0.0, 1.0),
                std::cmp::Ordering::Equal => (0.5, 0.5),
            };
            taken[usize::try_from(a.id.get()).unwrap() - 1] += a_share;
            taken[usize::try_from(b.id.get()).unwrap() - 1] += b_share;
        }
    }
    for (width, ways) in widths(&two_choices(&all, active)).iter().zip(taken) {
        let expected: f64 = ways / 64.0 * 128.0;
        assert!(
            (f64::from(*width) - expected).abs() <= 0.5,
            "{width} {expected}"
        );
    }
}

#[test]
fn odds_that_are_too_small_for_a_slot_get_one_and_draining_servers_none() {
    let plan = two_choices(&backends(&[(65_535, 0), (1, 1), (0, 0)]), active);
    assert_eq!(widths(&plan), [128, 1]);
    assert_eq!(two_choices(&backends(&[(0, 0)]), active), Plan::None);
    let many: Vec<(u32, u32)> = (0..5000).map(|i| (65_535, i)).collect();
    let widths = widths(&two_choices(&backends(&many), active));
    assert_eq!(widths.len(), 5000);
    assert!(widths.iter().sum::<u32>() < 65_536);
}
