//! Checks at times that tests choose.

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A check each millisecond for so many seconds, each so late.
fn checks(all: &mut Punctuality, from: Instant, seconds: u32, late: Duration, waited: Duration) {
    for n in 0..seconds * 1000 {
        let due = from + n * MS;
        let begun = Begun {
            due,
            waited,
            interval: SECOND,
        };
        all.add(begun, due + late);
    }
}

#[test]
fn lateness_is_that_of_the_last_minute_and_what_was_before_is_forgotten() {
    let start = Instant::now();
    let mut all = Punctuality::new(start);
    assert_eq!(all.report(start).per_second, 0.0);
    assert_eq!(all.report(start).shortest_interval_ms, None);
    checks(&mut all, start, 10, 100 * MS, Duration::ZERO);
    let report = all.report(start + 10 * SECOND);
    assert_eq!(report.window_seconds, 10.0);
    assert_eq!(report.shortest_interval_ms, Some(1000.0));
    assert!((980.0..=1000.0).contains(&report.per_second), "{report:?}");
    assert!((100.0..=113.0).contains(&report.late_ms.p99), "{report:?}");
    assert_eq!((report.missed, report.problem), (0, None));

    checks(&mut all, start + 10 * SECOND, 70, 2 * MS, Duration::ZERO);
    let report = all.report(start + 80 * SECOND);
    assert!((2.0..=2.3).contains(&report.late_ms.p99), "{report:?}");
    assert!((990.0..=1010.0).contains(&report.per_second), "{report:?}");
    assert!((60.0..65.0).contains(&report.window_seconds), "{report:?}");
}

#[test]
fn missed_turns_are_told_once_with_numbers_and_withdrawn_after_a_minute_without_one() {
    let start = Instant::now();
    let mut all = Punctuality::new(start);
    checks(&mut all, start, 10, 5 * MS, Duration::ZERO);
    let now = start + 10 * SECOND;
    assert_eq!(all.news(now), None);

    let due = now;
    let begun = Begun {
        due,
        waited: Duration::ZERO,
        interval: SECOND,
    };
    let now = due + 2500 * MS;
    all.add(begun, now);
    let Some(News::Late(what)) = all.news(now) else {
        panic!("it is told");
    };
    for words in [
        "10001 checks with 2 turns missed",
        "interval is 1s",
        "more processor time",
    ] {
        assert!(what.contains(words), "{what}");
    }
    assert_eq!(all.report(now).problem, Some(what));
    assert_eq!(all.news(now + SECOND), None, "once");

    checks(&mut all, now, 70, 5 * MS, Duration::ZERO);
    let now = now + 70 * SECOND;
    let Some(News::Punctual(what)) = all.news(now) else {
        panic!("it is withdrawn");
    };
    assert!(what.contains("within 5ms of their time"), "{what}");
    assert_eq!(all.report(now).problem, None);
    assert_eq!(all.news(now + SECOND), None, "once");
}

#[test]
fn checks_that_wait_for_their_plugin_are_told_to_do_so() {
    let start = Instant::now();
    let mut all = Punctuality::new(start);
    checks(&mut all, start, 1, 1500 * MS, 1400 * MS);
    let Some(News::Late(what)) = all.news(start + 3 * SECOND) else {
        panic!("it is told");
    };
    assert!(what.contains("wait for a checker plugin"), "{what}");
}

#[test]
fn where_nothing_is_checked_any_more_nothing_is_late() {
    let start = Instant::now();
    let mut all = Punctuality::new(start);
    checks(&mut all, start, 1, 1500 * MS, Duration::ZERO);
    assert!(matches!(all.news(start + 3 * SECOND), Some(News::Late(_))));
    let much_later = start + 3600 * SECOND;
    assert!(matches!(all.news(much_later), Some(News::Punctual(_))));
    assert_eq!(all.report(much_later).per_second, 0.0);
}
