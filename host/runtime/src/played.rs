//! Time and chance that are played to plugins: what a simulation needs, so that an hour takes seconds and the same seed
//! has the same outcome.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::Duration;

/// What `utc` begins with, in milliseconds since 1970: Monday, 2026-01-05, 00:00.
const MONDAY: u64 = 1_767_571_200_000;

thread_local! {
    static PLAYED: RefCell<Option<State>> = const { RefCell::new(None) };
}

struct State {
    now: Duration,
    random: fastrand::Rng,
}

/// While it lives, the schedulers that are called on its thread get its time for `now` and `utc`, and chance from its
/// seed for `random`. Of two on one thread the later one counts.
pub struct Played {
    // What it stands for is this thread's.
    _thread: PhantomData<*const ()>,
}

impl Played {
    /// Begins: no time has passed; `utc` is a Monday, 00:00.
    #[must_use]
    pub fn begin(seed: u64) -> Self {
        let state = State {
            now: Duration::ZERO,
            random: fastrand::Rng::with_seed(seed),
        };
        PLAYED.set(Some(state));
        Self {
            _thread: PhantomData,
        }
    }

    /// So much time has passed since the beginning.
    pub fn set(&self, now: Duration) {
        PLAYED.with_borrow_mut(|played| {
            if let Some(state) = played {
                state.now = now;
            }
        });
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        PLAYED.set(None);
    }
}

/// Nanoseconds since the beginning; `None`: nothing is played on this thread.
pub(crate) fn monotonic() -> Option<u64> {
    now().map(|now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// Milliseconds since 1970, likewise.
pub(crate) fn utc() -> Option<u64> {
    now().map(|now| MONDAY.saturating_add(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)))
}

/// The next random number, likewise.
pub(crate) fn random() -> Option<u64> {
    PLAYED.with_borrow_mut(|played| Some(played.as_mut()?.random.u64(..)))
}

fn now() -> Option<Duration> {
    PLAYED.with_borrow(|played| Some(played.as_ref()?.now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_played_is_this_thread_s_and_ends_with_it() {
        assert_eq!((monotonic(), utc(), random()), (None, None, None));
        let draw = || {
            let played = Played::begin(7);
            played.set(Duration::from_secs(2));
            assert_eq!(monotonic(), Some(2_000_000_000));
            assert_eq!(utc(), Some(MONDAY + 2000));
            [random(), random()]
        };
        let first = draw();
        assert_ne!(first[0], first[1]);
        assert_eq!(first, draw(), "the same seed");
        assert_eq!(random(), None);
        let _here = Played::begin(1);
        let elsewhere = std::thread::spawn(monotonic).join();
        assert_eq!(elsewhere.unwrap(), None);
    }
}
