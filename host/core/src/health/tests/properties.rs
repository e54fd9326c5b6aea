//! What holds for any timing and any order of verdicts.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn millis(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

/// Timings whose timeout is not longer than their retry delay: those for which the bound is promised.
fn timings() -> impl Strategy<Value = CheckTiming> {
    (
        millis(1..=60_000),
        millis(1..=10_000),
        0..6_u32,
        millis(0..=10_000),
        1..5_u32,
        any::<bool>(),
    )
        .prop_map(
            |(interval, timeout, retries, more, rise, alpha)| CheckTiming {
                interval,
                timeout,
                retries,
                retry_delay: timeout + more,
                rise,
                alpha,
                fast_interval: None,
                down_interval: None,
                warmup: None,
            },
        )
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Healthy),
        3 => Just(unfit()),
        1 => (0..=100_u8).prop_map(|share| Outcome::Degraded(share, None)),
        1 => Just(plugin_fault()),
        1 => Just(Outcome::Shortage("no ports".to_owned())),
    ]
}

fn passes(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Healthy | Outcome::Degraded(..))
}

/// A part of `whole` from a random number.
fn part(whole: Duration, random: u16) -> Duration {
    whole * u32::from(random) / u32::from(u16::MAX)
}

proptest! {
    #[test]
    fn a_server_that_dies_is_out_in_time(
        timing in timings(),
        dies_after in millis(0..=300_000),
        steps in vec((any::<u64>(), any::<u16>()), 400),
    ) {
        let epoch = epoch();
        let dies = epoch + dies_after;
        let promised = dies + timing.interval + timing.retries * timing.retry_delay + timing.timeout;
        let mut machine = CheckMachine::new("tcp", timing, Some(&InitialHealth::up(epoch)), epoch, steps[0].0);
        let mut now = epoch;
        for (random, took) in steps.iter().cycle() {
            now = now.max(machine.poll_at());
            // The worst case: a check finds the server alive at its very start, or takes its whole time to find it
            // dead.
            let (took, outcome) = if now < dies {
                (part(timing.timeout.min(timing.interval), *took), Outcome::Healthy)
            } else {
                (part(timing.timeout, *took), unfit())
            };
            machine.start(now);
            now += took;
            if machine.finish(now, outcome, *random) == Some(Transition::Down) {
                break;
            }
            prop_assert!(now <= promised, "still up {:?} late", now - promised);
        }
        prop_assert!(now >= dies);
        prop_assert!(now <= promised, "out {:?} late", now - promised);
    }

    #[test]
    fn a_server_goes_out_after_its_retries_and_not_before(
        timing in timings(),
        checks in vec(outcomes(), 0..80),
    ) {
        let mut run = Run::from(timing, Some(InitialHealth::up(epoch())));
        let mut failed_in_a_row = 0;
        for outcome in checks {
            let was_up = run.is_up();
            let judged = !matches!(outcome, Outcome::Unknown(_) | Outcome::Shortage(_));
            let passed = passes(&outcome);
            let transition = run.check(outcome);
            match (judged, passed) {
                (false, _) => prop_assert_eq!(transition, None),
                (true, true) => failed_in_a_row = 0,
                (true, false) => failed_in_a_row += 1,
            }
            if was_up {
                prop_assert_eq!(transition == Some(Transition::Down), failed_in_a_row > timing.retries);
            }
        }
    }

    #[test]
    fn a_server_comes_back_after_its_rise_and_not_before(
        timing in timings(),
        checks in vec(outcomes(), 0..80),
    ) {
        let mut run = Run::from(timing, Some(InitialHealth::down(epoch(), "before")));
        let mut passed_in_a_row = 0;
        for outcome in checks {
            let was_up = run.is_up();
            let judged = !matches!(outcome, Outcome::Unknown(_) | Outcome::Shortage(_));
            passed_in_a_row = match (judged, passes(&outcome)) {
                (false, _) => passed_in_a_row,
                (true, true) => passed_in_a_row + 1,
                (true, false) => 0,
            };
            let transition = run.check(outcome);
            if was_up {
                passed_in_a_row = 0;
            } else {
                prop_assert_eq!(transition == Some(Transition::Up), passed_in_a_row == timing.rise);
            }
        }
    }

    #[test]
    fn ups_and_downs_take_turns_and_tell_the_truth(
        timing in timings(),
        plugins in 1..4_usize,
        checks in vec((any::<prop::sample::Index>(), outcomes(), any::<u64>()), 0..120),
    ) {
        let mut now = epoch();
        let specs = (0..plugins).map(|n| (format!("p{n}"), timing));
        let mut server = ServerMachine::new(ChecksRequired::All, specs, None, now, || 0);
        let (mut up, mut share) = (server.is_up(), server.health().share);
        prop_assert_eq!(up, !timing.alpha);
        for (index, outcome, random) in checks {
            now += SECOND;
            let index = index.index(plugins);
            server.start(index, now);
            match server.finish(index, now, outcome, random) {
                Some(Transition::Up) => {
                    prop_assert!(!up);
                    up = true;
                }
                Some(Transition::Down) => {
                    prop_assert!(up);
                    up = false;
                }
                Some(Transition::Share) => {
                    prop_assert!(up);
                    prop_assert_ne!(share, server.health().share);
                }
                None => prop_assert!(!up || share == server.health().share),
            }
            let health = server.health();
            share = health.share;
            prop_assert_eq!(health.up, up);
            prop_assert_eq!(up, health.checks.iter().all(|check| check.up));
            prop_assert_eq!(up && share == 100, health.reason.is_none());
        }
    }

    #[test]
    fn the_next_check_is_never_later_than_promised_and_never_before_the_end_of_the_last(
        timing in timings(),
        checks in vec((outcomes(), any::<u64>(), any::<u16>()), 1..60),
    ) {
        let epoch = epoch();
        let mut machine = CheckMachine::new("tcp", timing, None, epoch, checks[0].1);
        prop_assert!(machine.poll_at() <= epoch + timing.interval.min(2 * SECOND));
        for (outcome, random, took) in checks {
            let started = machine.poll_at();
            let ended = started + part(2 * timing.timeout, took);
            let judged = !matches!(outcome, Outcome::Unknown(_) | Outcome::Shortage(_));
            machine.start(started);
            machine.finish(ended, outcome, random);
            let longest = if judged {
                timing.interval.max(timing.retry_delay)
            } else {
                timing.interval.max(60 * SECOND)
            };
            prop_assert!(machine.poll_at() >= ended);
            prop_assert!(machine.poll_at() <= ended.max(started + longest));
        }
    }
}
