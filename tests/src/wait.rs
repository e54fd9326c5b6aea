//! Waiting with an end.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks `probe` again and again until it has an answer.
///
/// # Errors
/// After `limit`, naming `what` was waited for; or what `probe` returns.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {limit:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until `condition` holds and says how long that took.
///
/// # Errors
/// After `limit`, naming `what` was waited for; or what `condition` returns.
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let start = Instant::now();
    eventually(what, limit, || Ok(condition()?.then_some(())))?;
    Ok(start.elapsed())
}
