//! A share of the time for somebody who may take much of it at once, and then has to wait. Pure.

use std::time::{Duration, Instant};

/// What was taken and is not paid yet. A share of all time pays it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Debt {
    owed: Duration,
    /// As of then.
    at: Option<Instant>,
}

/// What somebody may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// So much of each second.
    pub each_second: Duration,
    /// With less debt than this nobody waits.
    pub credit: Duration,
}

impl Debt {
    /// So much was taken.
    pub fn charge(&mut self, took: Duration, terms: Terms, now: Instant) {
        self.owed = self.owed(terms, now).saturating_add(took);
        self.at = Some(now);
    }

    /// So much of what was charged was not taken after all.
    pub fn give_back(&mut self, spare: Duration, terms: Terms, now: Instant) {
        self.owed = self.owed(terms, now).saturating_sub(spare);
        self.at = Some(now);
    }

    /// What is not paid yet.
    #[must_use]
    pub fn owed(&self, terms: Terms, now: Instant) -> Duration {
        let passed = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let paid = passed.as_nanos() * terms.each_second.as_nanos() / 1_000_000_000;
        let paid = u64::try_from(paid).map_or(Duration::MAX, Duration::from_nanos);
        self.owed.saturating_sub(paid)
    }

    /// When more may be taken; `None`: now.
    #[must_use]
    pub fn next(&self, terms: Terms, now: Instant) -> Option<Instant> {
        let beyond = self.owed(terms, now).checked_sub(terms.credit)?;
        let each = terms.each_second.as_nanos().max(1);
        let wait = (beyond.as_nanos() * 1_000_000_000).div_ceil(each);
        let wait = u64::try_from(wait).map_or(Duration::MAX, Duration::from_nanos);
        (!wait.is_zero()).then(|| now.checked_add(wait)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        each_second: Duration::from_millis(100),
        credit: Duration::from_millis(500),
    };

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }

    #[test]
    fn what_is_beyond_the_credit_has_to_be_paid_first() {
        let ms = Duration::from_millis;
        let now = epoch();
        let mut debt = Debt::default();
        assert_eq!(debt.next(TERMS, now), None);
        debt.charge(ms(400), TERMS, now);
        assert_eq!(debt.next(TERMS, now), None);
        debt.charge(ms(300), TERMS, now);
        assert_eq!(debt.next(TERMS, now), Some(now + ms(2_000)));
        assert_eq!(debt.owed(TERMS, now + ms(1_000)), ms(600));
        debt.give_back(ms(150), TERMS, now + ms(1_000));
        assert_eq!(debt.next(TERMS, now + ms(1_000)), None);
        assert_eq!(debt.owed(TERMS, now + ms(60_000)), Duration::ZERO);
    }
}
