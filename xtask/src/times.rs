//! How long each step takes, for the end of a run.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The steps that have ended, and the one that runs.
static STEPS: Mutex<Steps> = Mutex::new(Steps {
    ended: Vec::new(),
    running: None,
});

#[derive(Debug)]
struct Steps {
    ended: Vec<(String, Duration)>,
    running: Option<(String, Instant)>,
}

/// Begins a step, which ends when the next one begins.
pub fn begin(what: &str) {
    end();
    if let Ok(mut steps) = STEPS.lock() {
        steps.running = Some((what.to_owned(), Instant::now()));
    }
}

/// Ends the step that runs.
pub fn end() {
    if let Ok(mut steps) = STEPS.lock()
        && let Some((what, start)) = steps.running.take()
    {
        steps.ended.push((what, start.elapsed()));
    }
}

/// Adds a part of the step that runs.
pub fn part(what: &str, time: Duration) {
    if let Ok(mut steps) = STEPS.lock() {
        steps.ended.push((format!("  of it: {what}"), time));
    }
}

/// Prints each step that took a second or more, and forgets them.
pub fn report() {
    end();
    let ended = STEPS
        .lock()
        .map(|mut steps| std::mem::take(&mut steps.ended))
        .unwrap_or_default();
    println!("\n== Times");
    for (what, time) in ended.iter().filter(|(_, time)| time.as_secs() > 0) {
        println!("{}  {what}", clock(*time));
    }
}

/// `12:34`, minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:>3}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_secs(0)), "  0:00");
        assert_eq!(clock(Duration::from_millis(61_900)), "  1:01");
        assert_eq!(clock(Duration::from_secs(6_000)), "100:00");
    }
}
