//! How late tasks come to their turn, because this machine has no processor time for them.

use std::time::{Duration, Instant};

/// How often a task looks.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// So much later is too late for a check, at least.
const MIN: Duration = Duration::from_millis(200);
/// So long it is known.
const MEMORY: Duration = Duration::from_secs(60);

/// The times that tasks came late.
#[derive(Debug, Default)]
pub(super) struct Late(Vec<(Instant, Duration)>);

impl Late {
    /// A task was to come at a time, and came now.
    pub(super) fn note(&mut self, due: Instant, now: Instant) {
        self.0
            .retain(|(at, _)| now.saturating_duration_since(*at) < MEMORY);
        let late = now.saturating_duration_since(due);
        if late >= MIN {
            self.0.push((now, late));
        }
    }

    /// The most that one came late since then, if that may have kept a check of so long a timeout from hearing of an
    /// answer.
    pub(super) fn since(&self, began: Instant, timeout: Duration) -> Option<Duration> {
        let since = self.0.iter().filter(|(at, _)| *at >= began);
        let most = since.map(|(_, late)| *late).max()?;
        (most >= timeout / 4).then_some(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_late_for_the_check_and_came_during_it_counts() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let mut late = Late::default();
        late.note(start, start + ms(150));
        assert_eq!(late.since(start, ms(100)), None, "as late as that is usual");
        late.note(start + ms(1_000), start + ms(1_400));
        assert_eq!(late.since(start, ms(1_000)), Some(ms(400)));
        assert_eq!(late.since(start + ms(1_401), ms(1_000)), None);
        assert_eq!(late.since(start, ms(5_000)), None, "it had time enough");
        late.note(start + ms(70_000), start + ms(70_000));
        assert_eq!(late.since(start, ms(1_000)), None, "forgotten");
    }
}
