//! What takes the host's place natively.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::level::Level;

thread_local! {
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// The messages that plugins have logged on this thread since the last call, oldest first.
#[must_use]
pub fn logged() -> Vec<(Level, String)> {
    LOG.take()
}

pub(crate) fn log(level: Level, message: String) {
    LOG.with_borrow_mut(|log| log.push((level, message)));
}

pub(crate) fn now() -> Duration {
    static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);
    ZERO.elapsed()
}

pub(crate) fn random() -> u64 {
    // Every `RandomState` has keys of its own.
    RandomState::new().build_hasher().finish()
}
