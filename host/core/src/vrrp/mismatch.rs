//! What does not fit between this router and others: reported once, until it was not heard for a while, and shown as
//! long as it is heard.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Sources are what whoever sends says they are, and are not remembered without bound.
const LIMIT: usize = 32;

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MismatchKind {
    Malformed,
    Checksum,
    Ttl,
    Version,
    Authentication,
    Interval,
    Addresses,
    Owners,
    Equal,
    TwoMasters,
    Unknown,
}

#[derive(Debug)]
struct Mismatch {
    text: String,
    first: Instant,
    last: Instant,
    /// How long it stays although it is not heard.
    memory: Duration,
    reported: bool,
    /// It fits again. Still known, so that one that comes and goes is not reported each time.
    gone: bool,
}

/// The mismatches of an instance.
#[derive(Debug, Default)]
pub(super) struct Mismatches {
    heard: BTreeMap<(IpAddr, MismatchKind), Mismatch>,
}

impl Mismatches {
    /// Notes one. Says whether it is to be reported: only the first time, and once it has been there for `after`.
    pub(super) fn note(
        &mut self,
        from: IpAddr,
        kind: MismatchKind,
        now: Instant,
        (memory, after): (Duration, Duration),
        text: impl FnOnce() -> String,
    ) -> Option<String> {
        if !self.heard.contains_key(&(from, kind)) && !self.make_room() {
            return None;
        }
        let heard = self.heard.entry((from, kind)).or_insert_with(|| Mismatch {
            text: String::new(),
            first: now,
            last: now,
            memory,
            reported: false,
            gone: false,
        });
        if std::mem::take(&mut heard.gone) {
            heard.first = now;
        }
        heard.last = now;
        let text = text();
        if heard.text != text {
            heard.text = text;
        }
        if heard.reported || now < heard.first + after {
            return None;
        }
        heard.reported = true;
        Some(heard.text.clone())
    }

    /// It fits again.
    pub(super) fn clear(&mut self, from: IpAddr, kinds: &[MismatchKind]) {
        for kind in kinds {
            if let Some(heard) = self.heard.get_mut(&(from, *kind)) {
                heard.gone = true;
            }
        }
    }

    /// Whether there is room for one more, if need be in place of one that is gone.
    fn make_room(&mut self) -> bool {
        if self.heard.len() < LIMIT {
            return true;
        }
        let mut all = self.heard.iter();
        let gone = all.find_map(|(key, heard)| heard.gone.then_some(*key));
        gone.is_some_and(|key| self.heard.remove(&key).is_some())
    }

    /// Forgets those that are not heard any more.
    pub(super) fn expire(&mut self, now: Instant) {
        self.heard
            .retain(|_, heard| now < heard.last + heard.memory);
    }

    /// When the next one is to be forgotten.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.heard.values().map(|it| it.last + it.memory).min()
    }

    pub(super) fn texts(&self) -> Vec<String> {
        let reported = self.heard.values().filter(|it| it.reported && !it.gone);
        reported.map(|heard| heard.text.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "only differences to it matter")]
    fn start() -> Instant {
        Instant::now()
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn from(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn a_mismatch_is_told_once_until_it_was_gone() {
        let mut all = Mismatches::default();
        let start = start();
        let times = (3 * SECOND, Duration::ZERO);
        let mut note =
            |at, kind| all.note(from(1), kind, start + at * SECOND, times, || "no".into());
        assert_eq!(note(0, MismatchKind::Version), Some("no".to_owned()));
        assert_eq!(note(1, MismatchKind::Version), None);
        assert_eq!(note(1, MismatchKind::Interval), Some("no".to_owned()));
        all.clear(from(1), &[MismatchKind::Interval]);
        all.expire(start + 3 * SECOND);
        assert_eq!(all.texts(), ["no"]);
        all.expire(start + 4 * SECOND);
        assert!(all.texts().is_empty());
        let again = all.note(
            from(1),
            MismatchKind::Version,
            start + 9 * SECOND,
            times,
            || "no".into(),
        );
        assert!(again.is_some());
    }

    #[test]
    fn what_may_be_over_at_once_is_told_when_it_lasts() {
        let mut all = Mismatches::default();
        let start = start();
        let times = (2 * SECOND, 3 * SECOND);
        let told: Vec<bool> = (0..6)
            .map(|at| {
                all.note(
                    from(1),
                    MismatchKind::TwoMasters,
                    start + at * SECOND,
                    times,
                    || "two".into(),
                )
                .is_some()
            })
            .collect();
        assert_eq!(told, [false, false, false, true, false, false]);
    }

    #[test]
    fn forged_sources_do_not_fill_the_memory() {
        let mut all = Mismatches::default();
        for last in 0..=255 {
            all.note(
                from(last),
                MismatchKind::Checksum,
                start(),
                (SECOND, Duration::ZERO),
                String::new,
            );
        }
        assert_eq!(all.heard.len(), LIMIT);
    }
}
