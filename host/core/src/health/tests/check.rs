//! One check: its phases, and when it runs.

use super::*;

#[test]
fn a_new_server_is_in_the_pool_and_its_first_check_takes_it_out_without_retries() {
    let mut run = Run::new(article());
    assert!(run.is_up());
    assert_eq!(run.check(unfit()), Some(Transition::Down));
    assert_eq!(
        run.machine.health().reason.as_deref(),
        Some("connection refused")
    );
}

#[test]
fn with_alpha_a_new_server_is_out_until_a_check_passes() {
    let mut run = Run::new(CheckTiming {
        alpha: true,
        rise: 3,
        ..article()
    });
    assert!(!run.is_up());
    assert_eq!(run.machine.health().reason.as_deref(), Some(NOT_CHECKED));
    assert_eq!(run.check(Outcome::Healthy), Some(Transition::Up));
    assert_eq!(run.machine.health().reason, None);
}

#[test]
fn with_alpha_a_server_whose_first_check_fails_needs_its_rise() {
    let mut run = Run::new(CheckTiming {
        alpha: true,
        rise: 2,
        ..article()
    });
    assert_eq!(run.check(unfit()), None);
    assert_eq!(
        run.machine.health().reason.as_deref(),
        Some("connection refused")
    );
    assert_eq!(run.check(Outcome::Healthy), None);
    assert_eq!(run.check(Outcome::Healthy), Some(Transition::Up));
}

#[test]
fn a_failed_server_is_taken_out_after_its_retries() {
    let mut run = Run::new(article());
    run.check(Outcome::Healthy);
    for repetition in 0..3 {
        assert_eq!(run.check(unfit()), None);
        assert_eq!(run.machine.health().failing, repetition + 1);
    }
    assert_eq!(run.check(unfit()), Some(Transition::Down));
    assert_eq!(run.machine.health().failing, 0);
}

#[test]
fn a_server_without_retries_is_taken_out_by_one_failure() {
    let mut run = Run::new(CheckTiming {
        retries: 0,
        ..article()
    });
    run.check(Outcome::Healthy);
    assert_eq!(run.check(unfit()), Some(Transition::Down));
}

#[test]
fn a_pass_gives_all_retries_back() {
    let mut run = Run::new(article());
    run.check(Outcome::Healthy);
    for _ in 0..10 {
        for _ in 0..3 {
            assert_eq!(run.check(unfit()), None);
        }
        assert_eq!(run.check(Outcome::Healthy), None);
    }
    assert!(run.is_up());
}

#[test]
fn a_failed_server_must_pass_its_rise_in_a_row() {
    let mut run = Run::new(CheckTiming {
        rise: 3,
        ..article()
    });
    run.check(unfit());
    for outcome in [
        Outcome::Healthy,
        Outcome::Healthy,
        unfit(),
        Outcome::Healthy,
        Outcome::Healthy,
    ] {
        assert_eq!(run.check(outcome), None);
        assert_eq!(
            run.machine.health().reason.as_deref(),
            Some("connection refused")
        );
    }
    assert_eq!(run.check(Outcome::Healthy), Some(Transition::Up));
    assert_eq!(run.machine.health().reason, None);
}

#[test]
fn an_adopted_server_that_was_up_has_all_its_retries() {
    let mut run = Run::adopted(
        CheckTiming {
            alpha: true,
            ..article()
        },
        InitialHealth::up,
    );
    assert!(run.is_up());
    for _ in 0..3 {
        assert_eq!(run.check(unfit()), None);
    }
    assert_eq!(run.check(unfit()), Some(Transition::Down));
}

#[test]
fn an_adopted_server_that_was_down_stays_out_until_it_has_passed() {
    let timing = CheckTiming {
        rise: 2,
        ..article()
    };
    let mut run = Run::adopted(timing, |now| {
        InitialHealth::down(now, "down before the restart")
    });
    assert!(!run.is_up());
    assert_eq!(run.check(Outcome::Healthy), None);
    assert_eq!(
        run.machine.health().reason.as_deref(),
        Some("down before the restart")
    );
    assert_eq!(run.check(Outcome::Healthy), Some(Transition::Up));
}

#[test]
fn a_degraded_server_stays_up_with_less_weight() {
    let mut run = Run::new(article());
    assert_eq!(
        run.check(Outcome::Degraded(30, None)),
        Some(Transition::Share)
    );
    assert_eq!(
        run.machine.health().reason.as_deref(),
        Some("degraded to 30 %")
    );
    assert_eq!(run.check(Outcome::Degraded(30, None)), None);
    assert_eq!(
        run.check(Outcome::Degraded(0, None)),
        Some(Transition::Share)
    );
    assert!(run.is_up());
    assert_eq!(run.check(Outcome::Healthy), Some(Transition::Share));
    assert_eq!(run.machine.health().reason, None);
    assert_eq!(
        run.check(Outcome::Degraded(250, None)),
        None,
        "more than all is all"
    );
}

#[test]
fn a_degraded_verdict_counts_as_a_pass() {
    let mut run = Run::new(article());
    run.check(Outcome::Healthy);
    for _ in 0..3 {
        run.check(unfit());
    }
    run.check(Outcome::Degraded(100, None));
    assert_eq!(run.check(unfit()), None);

    let mut run = Run::new(article());
    run.check(unfit());
    assert_eq!(run.check(Outcome::Degraded(50, None)), Some(Transition::Up));
    assert_eq!(run.machine.health().share, 50);
}

#[test]
fn a_plugin_that_fails_changes_nothing_and_counts_as_nothing() {
    for before in [
        vec![],
        vec![Outcome::Healthy],
        vec![unfit()],
        vec![Outcome::Degraded(40, None)],
    ] {
        let mut run = Run::new(article());
        before.into_iter().for_each(|outcome| {
            run.check(outcome);
        });
        let (up, share) = (run.is_up(), run.machine.health().share);
        for _ in 0..20 {
            assert_eq!(run.check(plugin_fault()), None);
        }
        assert_eq!((run.is_up(), run.machine.health().share), (up, share));
        assert_eq!(run.machine.health().unknown, 20);
        assert_eq!(run.machine.health().failures, u64::from(!up));
    }
}

#[test]
fn a_plugin_fault_neither_uses_up_retries_nor_breaks_a_row_of_passes() {
    let mut run = Run::new(CheckTiming {
        rise: 2,
        ..article()
    });
    run.check(Outcome::Healthy);
    for _ in 0..3 {
        assert_eq!(run.check(unfit()), None);
        assert_eq!(run.check(plugin_fault()), None);
    }
    assert_eq!(run.check(unfit()), Some(Transition::Down));
    assert_eq!(run.check(Outcome::Healthy), None);
    assert_eq!(run.check(plugin_fault()), None);
    assert_eq!(run.check(Outcome::Healthy), Some(Transition::Up));
}

#[test]
fn a_plugin_fault_is_told_until_the_plugin_works_again() {
    let mut run = Run::new(article());
    run.check(plugin_fault());
    assert_eq!(
        run.machine.health().plugin_error.as_deref(),
        Some("trapped")
    );
    run.check(Outcome::Healthy);
    assert_eq!(run.machine.health().plugin_error, None);
}

#[test]
fn what_this_machine_lacks_changes_nothing_but_is_told_and_waits_no_longer_than_usual() {
    let mut run = Run::adopted(article(), InitialHealth::up);
    for checks in 1..20 {
        assert_eq!(run.check(Outcome::Shortage("no ports".to_owned())), None);
        assert_eq!(run.next(), checks * 6 * SECOND);
    }
    assert!(run.is_up());
    assert_eq!(run.machine.health().unknown, 19);
    let told = run.machine.health().plugin_error.as_deref();
    assert_eq!(told, Some("no ports"));
    run.check(Outcome::Healthy);
    assert_eq!(run.machine.health().plugin_error, None);
}

#[test]
fn checks_start_an_interval_after_the_start_of_the_last() {
    let mut run = Run::new(article());
    assert_eq!(run.next(), Duration::ZERO);
    run.check_taking(2 * SECOND, Outcome::Healthy);
    assert_eq!(run.next(), 6 * SECOND);
}

#[test]
fn repetitions_start_a_retry_delay_after_the_start_of_the_failed_one_or_at_once_after_a_long_one() {
    let mut run = Run::adopted(article(), InitialHealth::up);
    run.check_taking(SECOND, unfit());
    assert_eq!(run.next(), 3 * SECOND);
    run.check_taking(5 * SECOND, unfit());
    assert_eq!(run.next(), 8 * SECOND);
}

#[test]
fn a_server_that_is_down_is_checked_at_every_interval() {
    let mut run = Run::new(article());
    run.check(unfit());
    for checks in 1..5 {
        assert_eq!(run.next(), checks * 6 * SECOND);
        run.check(if checks == 3 {
            Outcome::Healthy
        } else {
            unfit()
        });
    }
}

#[test]
fn a_failing_plugin_is_tried_less_and_less_often_until_it_works() {
    let mut run = Run::new(article());
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let before = run.next();
        run.check(plugin_fault());
        pauses.push((run.next() - before).as_secs());
    }
    assert_eq!(pauses, [3, 6, 12, 24, 48, 60, 60]);
    run.check(Outcome::Healthy);
    let before = run.next();
    run.check(plugin_fault());
    assert_eq!(run.next() - before, 3 * SECOND);
}

#[test]
fn an_end_without_a_start_is_nothing() {
    let mut run = Run::new(article());
    let before = run.machine.health().clone();
    assert_eq!(run.machine.finish(run.now, unfit(), 0), None);
    assert_eq!(*run.machine.health(), before);
}

#[test]
fn the_log_of_a_check_tells_when_how_long_and_how_often() {
    let mut run = Run::new(article());
    run.check_taking(SECOND / 4, Outcome::Healthy);
    run.check_taking(SECOND, unfit());
    run.check(plugin_fault());
    let health = run.machine.health();
    assert_eq!((health.checks, health.failures, health.unknown), (3, 1, 1));
    let last = health.last.as_ref().unwrap();
    assert_eq!(last.verdict, "connection refused");
    assert_eq!((last.latency, last.at), (SECOND, run.epoch + 7 * SECOND));
    assert_eq!(health.since, run.epoch, "it has been up all the time");
}

#[test]
fn since_is_when_the_server_went_out_or_came_in() {
    let mut run = Run::new(article());
    run.check_taking(SECOND, unfit());
    assert_eq!(run.machine.health().since, run.epoch + SECOND);
    run.check(unfit());
    assert_eq!(run.machine.health().since, run.epoch + SECOND);
    run.check_taking(SECOND, Outcome::Healthy);
    assert_eq!(run.machine.health().since, run.epoch + 13 * SECOND);
}

#[test]
fn checks_come_faster_between_up_and_down_and_at_their_own_pace_while_it_is_down() {
    let mut run = Run::new(CheckTiming {
        retries: 1,
        rise: 2,
        fast_interval: Some(SECOND),
        down_interval: Some(60 * SECOND),
        ..article()
    });
    let mut pauses = Vec::new();
    let mut check = |outcome| {
        let before = run.next();
        run.check(outcome);
        pauses.push((run.next() - before).as_secs());
    };
    for outcome in [
        Outcome::Healthy, // up: the interval
        unfit(),          // one repetition is left
        unfit(),          // down
        unfit(),
        Outcome::Shortage("no descriptor".to_owned()),
        Outcome::Healthy, // once more
        Outcome::Healthy, // up again
    ] {
        check(outcome);
    }
    assert_eq!(pauses, [6, 1, 60, 60, 60, 1, 6]);
}

#[test]
fn the_first_check_comes_within_the_warm_up() {
    let first = |warmup, random| {
        let timing = CheckTiming {
            warmup: Some(warmup),
            ..article()
        };
        let now = epoch();
        CheckMachine::new("tcp", timing, None, now, random).poll_at() - now
    };
    assert_eq!(first(Duration::ZERO, u64::MAX), Duration::ZERO);
    assert_eq!(first(60 * SECOND, 1 << 63), 30 * SECOND);
}
