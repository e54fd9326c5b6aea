//! What is drawn: when connections come, from whom, and how long they take. Each has a stream of its own, so that all
//! schedulers are played the same.

use std::time::Duration;

use super::workload::{Arrivals, Choice, Clients, Lifetime};

/// The chance of one simulation.
pub(super) struct Chance {
    arrivals: fastrand::Rng,
    clients: fastrand::Rng,
    lifetimes: fastrand::Rng,
    /// The kernel's, for plans whose slots are drawn.
    slots: fastrand::Rng,
    /// Of rank 1 and up, the share of connections of all clients up to it; empty: all are equal.
    ranks: Vec<f64>,
    count: u32,
}

impl Chance {
    pub(super) fn new(seed: u64, clients: &Clients) -> Self {
        let mut seeds = fastrand::Rng::with_seed(seed);
        let mut stream = || fastrand::Rng::with_seed(seeds.u64(..));
        Self {
            arrivals: stream(),
            clients: stream(),
            lifetimes: stream(),
            slots: stream(),
            ranks: match clients.choice {
                Choice::Uniform => Vec::new(),
                Choice::Zipf(exponent) => ranks(clients.count, exponent),
            },
            count: clients.count,
        }
    }

    /// From one connection to the next. `None`: there is none.
    pub(super) fn distance(&mut self, arrivals: Arrivals, rate: f64) -> Option<Duration> {
        if rate <= 0.0 {
            return None;
        }
        let factor = match arrivals {
            Arrivals::Even => 1.0,
            Arrivals::Random => exponential(&mut self.arrivals),
        };
        Duration::try_from_secs_f64(factor / rate).ok()
    }

    /// Who connects: 0 up to the number of clients.
    pub(super) fn client(&mut self) -> u32 {
        if self.ranks.is_empty() {
            return self.clients.u32(0..self.count);
        }
        let drawn = self.clients.f64();
        let rank = self.ranks.partition_point(|share| *share <= drawn);
        u32::try_from(rank).map_or(0, |rank| rank.min(self.count - 1))
    }

    /// How long a server of speed 1 takes for the next connection.
    pub(super) fn lifetime(&mut self, lifetime: Lifetime) -> Duration {
        let random = &mut self.lifetimes;
        let (mean, factor) = match lifetime {
            Lifetime::Constant(time) => (time, 1.0),
            Lifetime::Exponential(mean) => (mean, exponential(random)),
            // The least value is the mean times (shape - 1) / shape.
            Lifetime::Pareto { mean, shape } => {
                let least = (shape - 1.0) / shape;
                (mean, least * (1.0 - random.f64()).powf(-1.0 / shape))
            }
        };
        Duration::try_from_secs_f64(mean.as_secs_f64() * factor).unwrap_or(Duration::MAX)
    }

    /// One of so many slots.
    pub(super) fn slot(&mut self, slots: usize) -> usize {
        self.slots.usize(0..slots.max(1))
    }
}

/// Exponentially distributed, with the mean 1.
fn exponential(random: &mut fastrand::Rng) -> f64 {
    -(1.0 - random.f64()).ln()
}

fn ranks(count: u32, exponent: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let mut ranks: Vec<f64> = (1..=count)
        .map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        })
        .collect();
    ranks.iter_mut().for_each(|share| *share /= sum);
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chance(choice: Choice) -> Chance {
        let clients = Clients {
            count: 100,
            rate: 10.0,
            arrivals: Arrivals::Random,
            choice,
        };
        Chance::new(7, &clients)
    }

    fn mean(of: impl Iterator<Item = Duration>) -> f64 {
        let all: Vec<Duration> = of.collect();
        let sum: Duration = all.iter().sum();
        sum.as_secs_f64() / f64::from(u32::try_from(all.len()).unwrap())
    }

    #[test]
    fn lifetimes_have_their_mean_whatever_their_distribution() {
        let mean_of = Duration::from_secs(2);
        for lifetime in [
            Lifetime::Constant(mean_of),
            Lifetime::Exponential(mean_of),
            Lifetime::Pareto {
                mean: mean_of,
                shape: 3.0,
            },
        ] {
            let mut chance = chance(Choice::Uniform);
            let got = mean((0..20_000).map(|_| chance.lifetime(lifetime)));
            assert!((1.9..2.1).contains(&got), "{lifetime:?}: {got}");
        }
    }

    #[test]
    fn connections_come_at_their_rate_and_none_at_a_rate_of_0() {
        for arrivals in [Arrivals::Random, Arrivals::Even] {
            let mut chance = chance(Choice::Uniform);
            let got = mean((0..20_000).map(|_| chance.distance(arrivals, 10.0).unwrap()));
            assert!((0.095..0.105).contains(&got), "{arrivals:?}: {got}");
            assert_eq!(chance.distance(arrivals, 0.0), None);
        }
    }

    #[test]
    fn by_zipf_the_first_client_comes_most_and_the_last_one_comes_too() {
        let count = |choice| {
            let mut chance = chance(choice);
            let mut counts = [0_u32; 100];
            for _ in 0..50_000 {
                counts[usize::try_from(chance.client()).unwrap()] += 1;
            }
            counts
        };
        let zipf = count(Choice::Zipf(1.0));
        // Of 1 + 1/2 + ... + 1/100 = 5.187 the first is 1.
        assert!((9200..10_100).contains(&zipf[0]), "{}", zipf[0]);
        assert!((4500..5200).contains(&zipf[1]), "{}", zipf[1]);
        assert!(zipf[99] > 0);
        let uniform = count(Choice::Uniform);
        assert!(
            uniform.iter().all(|count| (380..630).contains(count)),
            "{uniform:?}"
        );
    }
}
