//! Connections that come at random and last for random times, on servers of which one is slow: plans
//! made twenty times a second against a decision about each connection. Numbers come from a generator
//! with a fixed seed, so every run is the same.

use super::*;

/// What is simulated. Times in seconds.
struct World {
    /// New connections per second.
    rate: f64,
    /// How long each server's connections last on average.
    lifetimes: &'static [f64],
    /// Between plans; `None`: every connection is decided on.
    interval: Option<f64>,
}

/// How unequal the servers' loads were: the greatest less the least.
#[derive(Debug)]
struct Imbalance {
    mean: f64,
    max: u32,
}

/// Numbers of (0, 1]: splitmix64 (Steele, Lea, Flood, 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.roll().ln()
    }
}

/// Runs for a minute and measures from the tenth second on.
fn run(world: &World) -> Imbalance {
    let count = world.lifetimes.len();
    let mut all = backends(&vec![(1, 0); count]);
    let mut counts = vec![(0_u32, 0_u64); count];
    let mut greedy = Greedy::default();
    let mut dice = Dice(7);
    let mut table: Vec<u32> = Vec::new();
    // The kernel's counter goes on from table to table.
    let mut turn = 0;
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let (mut next_plan, mut now) = (0.0, 0.0);
    let (mut sum, mut samples, mut max) = (0.0, 0.0, 0);
    while now < 60.0 {
        now += dice.exponential(1.0 / world.rate);
        while let Some(interval) = world.interval.filter(|_| next_plan <= now) {
            finish(&mut ends, nanos(next_plan), &mut counts);
            change(&mut all, &counts);
            table = slots(&greedy.plan(&all, active));
            next_plan += interval;
        }
        finish(&mut ends, nanos(now), &mut counts);
        let server = if world.interval.is_some() {
            turn += 1;
            table[turn % table.len()]
        } else {
            change(&mut all, &counts);
            least(&all, active).unwrap().get()
        };
        let server = usize::try_from(server).unwrap() - 1;
        counts[server].0 += 1;
        counts[server].1 += 1;
        let lasts = dice.exponential(world.lifetimes[server]);
        ends.push(Reverse((nanos(now + lasts), server)));
        if now > 10.0 {
            let loads = counts.iter().map(|(active, _)| *active);
            let apart = loads.clone().max().unwrap() - loads.min().unwrap();
            sum += f64::from(apart);
            samples += 1.0;
            max = max.max(apart);
        }
    }
    Imbalance {
        mean: sum / samples,
        max,
    }
}

/// Ends the connections whose time has come.
fn finish(ends: &mut BinaryHeap<Reverse<(u64, usize)>>, now: u64, counts: &mut [(u32, u64)]) {
    while let Some(Reverse((at, server))) = ends.peek().copied()
        && at <= now
    {
        ends.pop();
        counts[server].0 -= 1;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time in nanoseconds"
)]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

/// Exact decisions, and plans at 20 Hz.
fn compare(rate: f64, lifetimes: &'static [f64]) -> (Imbalance, Imbalance) {
    let world = |interval| World {
        rate,
        lifetimes,
        interval,
    };
    (run(&world(None)), run(&world(Some(0.05))))
}

/// Far from an exact decision's by no more than what ends by chance between two plans makes.
fn assert_near((exact, plan): (Imbalance, Imbalance), mean: f64, max: u32) {
    assert!(plan.mean <= exact.mean + mean, "{exact:?} {plan:?}");
    assert!(plan.max <= exact.max + max, "{exact:?} {plan:?}");
}

// Without the forecast of ends, the means are 18.8, 13.1 and 80.0.

#[test]
fn with_a_slow_server_plans_keep_loads_nearly_as_equal_as_exact_decisions() {
    assert_near(compare(1000.0, &[0.5, 0.5, 0.5, 5.0]), 6.0, 20);
}

#[test]
fn so_they_do_when_connections_are_shorter_than_the_time_between_plans() {
    assert_near(compare(1000.0, &[0.02, 0.02, 0.02, 0.2]), 4.0, 10);
}

#[test]
fn so_they_do_when_connections_come_fast() {
    assert_near(compare(5000.0, &[2.0, 2.0, 2.0, 20.0]), 18.0, 40);
}

#[test]
fn so_they_do_when_connections_come_seldom() {
    assert_near(compare(20.0, &[0.5, 0.5, 0.5, 5.0]), 1.5, 4);
}

#[test]
fn so_they_do_when_all_servers_are_alike() {
    assert_near(compare(1000.0, &[0.5, 0.5, 0.5, 0.5]), 6.5, 20);
}
