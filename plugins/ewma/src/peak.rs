//! The decaying peak of a latency.

use std::time::Duration;

/// Follows a latency upwards at once, and downwards slowly.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peak {
    value: Duration,
    latest: Duration,
    at: Duration,
}

impl Peak {
    /// The peak at the time `now`, when the latency is `latency`: that, if it is more; otherwise the
    /// difference to it shrinks by e in each `decay`. Small rests (under 2%) are dropped.
    pub(crate) fn observe(
        &mut self,
        latency: Duration,
        now: Duration,
        decay: Duration,
    ) -> Duration {
        let passed = now.saturating_sub(self.at).as_secs_f64() / decay.as_secs_f64();
        let above = self.value.saturating_sub(latency).mul_f64((-passed).exp());
        self.value = if above < latency / 50 {
            latency
        } else {
            latency.saturating_add(above)
        };
        self.latest = latency;
        self.at = now;
        self.value
    }

    /// The peak as it was last.
    pub(crate) fn value(&self) -> Duration {
        self.value
    }

    /// Whether it will be less after some time.
    pub(crate) fn is_decaying(&self) -> bool {
        self.value > self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECAY: Duration = Duration::from_secs(10);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_peak_is_taken_at_once_and_forgotten_slowly() {
        let mut peak = Peak::default();
        assert_eq!(peak.observe(ms(20), ms(0), DECAY), ms(20));
        assert!(!peak.is_decaying());
        assert_eq!(peak.observe(ms(520), ms(1000), DECAY), ms(520));
        // 20 ms and e^-1 of 500 ms.
        let later = peak.observe(ms(20), ms(11_000), DECAY);
        assert!(later > ms(203) && later < ms(205), "{later:?}");
        assert!(peak.is_decaying());
        assert_eq!(peak.value(), later);
    }

    #[test]
    fn looking_often_decays_as_looking_once() {
        let (mut often, mut once) = (Peak::default(), Peak::default());
        often.observe(ms(900), ms(0), DECAY);
        once.observe(ms(900), ms(0), DECAY);
        for at in 1..=100 {
            often.observe(ms(10), ms(at * 100), DECAY);
        }
        let (often, once) = (often.value(), once.observe(ms(10), ms(10_000), DECAY));
        assert!(often.abs_diff(once) < ms(1), "{often:?} {once:?}");
    }

    #[test]
    fn in_the_end_it_is_the_latency_itself() {
        let mut peak = Peak::default();
        peak.observe(ms(900), ms(0), DECAY);
        assert_eq!(peak.observe(ms(10), ms(200_000), DECAY), ms(10));
        assert!(!peak.is_decaying());
        peak.observe(Duration::ZERO, ms(200_001), DECAY);
        assert_eq!(
            peak.observe(Duration::ZERO, ms(400_000), DECAY),
            Duration::ZERO
        );
    }

    #[test]
    fn a_clock_that_stands_still_decays_nothing() {
        let mut peak = Peak::default();
        peak.observe(ms(900), ms(5000), DECAY);
        assert_eq!(peak.observe(ms(100), ms(4000), DECAY), ms(900));
    }
}
