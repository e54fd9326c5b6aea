//! Skew and master-down times (RFC 3768 and RFC 9568, section 6.1), to the nanosecond.

use super::super::timing::{master_down, skew};
use super::*;

#[test]
fn skew_and_master_down_times_are_exact_in_both_versions() {
    let rows = [
        // version, priority, interval in ms, skew and master-down time in ns
        (VrrpVersion::V2, 100, 1_000, 609_375_000, 3_609_375_000),
        (VrrpVersion::V2, 80, 1_000, 687_500_000, 3_687_500_000),
        (VrrpVersion::V2, 254, 2_000, 7_812_500, 6_007_812_500),
        (VrrpVersion::V2, 1, 255_000, 996_093_750, 765_996_093_750),
        (VrrpVersion::V3, 100, 1_000, 609_375_000, 3_609_375_000),
        (VrrpVersion::V3, 100, 100, 60_937_500, 360_937_500),
        (VrrpVersion::V3, 100, 10, 6_093_750, 36_093_750),
        (VrrpVersion::V3, 255, 10, 39_062, 30_039_062),
        (VrrpVersion::V3, 1, 40_950, 40_790_039_062, 163_640_039_062),
    ];
    for (version, priority, interval, skewed, down) in rows {
        let interval = interval * MS;
        let (skewed, down) = (Duration::from_nanos(skewed), Duration::from_nanos(down));
        assert_eq!(
            skew(version, priority, interval),
            skewed,
            "{version} {priority} {interval:?}"
        );
        assert_eq!(master_down(version, priority, interval), down);
    }
}

#[test]
fn a_backup_takes_over_when_the_master_down_time_is_over_and_not_before() {
    let mut bench = Bench::new(instance(100));
    bench.hear("10.10.54.156", &advert(120));
    let down = Duration::from_nanos(360_937_500);
    bench.pass(down - Duration::from_nanos(1));
    assert_eq!(bench.state(), State::Backup);
    bench.pass(Duration::from_nanos(1));
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn in_version_3_the_masters_interval_counts_and_in_version_2_ones_own() {
    let slow = Advert {
        interval: 1000 * MS,
        ..advert(120)
    };
    let mut bench = Bench::new(instance(100));
    bench.hear("10.10.54.156", &slow);
    bench.pass(3600 * MS);
    assert_eq!(bench.state(), State::Backup);
    bench.pass(10 * MS);
    assert_eq!(bench.state(), State::Master);

    let two = VrrpInstance {
        version: VrrpVersion::V2,
        advert_interval: 1000 * MS,
        ..instance(100)
    };
    let mut bench = Bench::new(two);
    let other = Advert {
        version: VrrpVersion::V2,
        interval: 2000 * MS,
        ..advert(120)
    };
    bench.pass(3000 * MS);
    bench.hear("10.10.54.156", &other);
    bench.pass(610 * MS);
    assert_eq!(bench.state(), State::Master, "dropped, as version 2 has it");
}

#[test]
fn adverts_come_at_their_times_however_late_each_was() {
    let mut bench = Bench::master(instance(100));
    let mut times = Vec::new();
    let begin = bench.now;
    for late in [0, 30, 99, 5, 0] {
        let at = bench.router.poll_at().unwrap();
        bench.now = at + late * MS;
        bench.router.poll(bench.now);
        if bench.outputs().iter().any(|it| it == "send 100") {
            times.push((at - begin).as_millis());
        }
    }
    // The other timers are those of the announcements.
    let due: Vec<u128> = times.iter().map(|at| at % 100).collect();
    assert!(due.iter().all(|it| *it == due[0]), "{times:?}");
    // Later than a whole interval: not two at once.
    let at = bench.router.poll_at().unwrap();
    bench.now = at + 250 * MS;
    bench.router.poll(bench.now);
    let sent = bench.outputs();
    assert_eq!(
        sent.iter().filter(|it| *it == "send 100").count(),
        1,
        "{sent:?}"
    );
}
