//! What takes the host's place natively.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::command::CommandEnd;
use crate::level::Level;
use crate::target_error::{Doing, TargetError};

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

thread_local! {
    static SIGNALS: RefCell<Vec<(String, f64)>> = const { RefCell::new(Vec::new()) };
    static METRICS: RefCell<BTreeMap<String, f64>> = const { RefCell::new(BTreeMap::new()) };
}

/// The signals that checkers have reported on this thread since the last call, oldest first.
#[must_use]
pub fn signals() -> Vec<(String, f64)> {
    SIGNALS.take()
}

pub(crate) fn report(name: &str, value: f64) {
    SIGNALS.with_borrow_mut(|signals| signals.push((name.to_owned(), value)));
}

thread_local! {
    static SESSIONS: RefCell<BTreeMap<SocketAddr, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

pub(crate) fn echo(_bytes: u32, _timeout: Option<Duration>) -> Result<Duration, TargetError> {
    Err(TargetError::Other(
        "ICMP is not available in native tests".to_owned(),
    ))
}

thread_local! {
    static COMMAND: RefCell<Option<CommandEnd>> = const { RefCell::new(None) };
    static NUMBER: Cell<Option<i64>> = const { Cell::new(None) };
}

/// From now on the command that checkers on this thread run ends like this; `None`: it takes too long.
pub fn set_command_end(end: Option<CommandEnd>) {
    COMMAND.set(end);
}

/// From now on the file that checkers on this thread look at has this number in it; `None`: it has none.
pub fn set_watched_number(number: Option<i64>) {
    NUMBER.set(number);
}

pub(crate) fn run_command() -> Result<CommandEnd, TargetError> {
    let end = COMMAND.with_borrow(Clone::clone);
    end.ok_or(TargetError::TimedOut(Doing::Running))
}

pub(crate) fn watched_number() -> Result<i64, TargetError> {
    let none = || TargetError::Other("the file has no whole number in it".to_owned());
    NUMBER.get().ok_or_else(none)
}

pub(crate) fn session(server: SocketAddr) -> Option<Vec<u8>> {
    SESSIONS.with_borrow(|sessions| sessions.get(&server).cloned())
}

pub(crate) fn set_session(server: SocketAddr, bytes: &[u8]) {
    SESSIONS.with_borrow_mut(|sessions| sessions.insert(server, bytes.to_vec()));
}

/// The counters and gauges of this thread's plugins, by name.
#[must_use]
pub fn metrics() -> BTreeMap<String, f64> {
    METRICS.with_borrow(Clone::clone)
}

#[expect(clippy::cast_precision_loss, reason = "a test's numbers are small")]
pub(crate) fn count(name: &str, by: u64) {
    METRICS.with_borrow_mut(|metrics| *metrics.entry(name.to_owned()).or_default() += by as f64);
}

pub(crate) fn gauge(name: &str, value: f64) {
    METRICS.with_borrow_mut(|metrics| metrics.insert(name.to_owned(), value));
}

thread_local! {
    /// The clocks of this thread's plugins, if a test has set them.
    static NOW: Cell<Option<Duration>> = const { Cell::new(None) };
    static UTC: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// From now on plugins on this thread find that [`now`](crate::now) is this, and stands still until it is set again.
pub fn set_now(now: Duration) {
    NOW.set(Some(now));
}

/// The same for [`utc`](crate::utc).
pub fn set_utc(utc: Duration) {
    UTC.set(Some(utc));
}

pub(crate) fn now() -> Duration {
    static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);
    NOW.get().unwrap_or_else(|| ZERO.elapsed())
}

pub(crate) fn utc() -> Duration {
    let real = || SystemTime::now().duration_since(UNIX_EPOCH);
    UTC.get().unwrap_or_else(|| real().unwrap_or_default())
}

pub(crate) fn utc_offset(zone: &str) -> Option<i32> {
    (zone == "UTC").then_some(0)
}

pub(crate) fn random() -> u64 {
    // Every `RandomState` has keys of its own.
    RandomState::new().build_hasher().finish()
}
