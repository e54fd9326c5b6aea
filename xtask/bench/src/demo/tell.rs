//! How the demo tells what happens.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Tells what happens, with the seconds since the beginning, and keeps count of broken promises.
#[derive(Debug)]
pub(crate) struct Teller {
    start: Instant,
    chapter: usize,
    broken: usize,
    kept: usize,
}

impl Teller {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            chapter: 0,
            broken: 0,
            kept: 0,
        }
    }

    /// Begins a chapter.
    pub(crate) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        println!("\n━━ {}. {title}", self.chapter);
    }

    /// Something that happens now.
    pub(crate) fn say(&self, what: &str) {
        println!("{:6.2} s  {what}", self.start.elapsed().as_secs_f64());
    }

    /// Something promised: `kept` or not.
    pub(crate) fn promise(&mut self, kept: bool, what: &str) {
        if kept {
            self.kept += 1;
        } else {
            self.broken += 1;
        }
        self.say(&format!("{} {what}", if kept { "✔" } else { "✘ BROKEN:" }));
    }

    /// What a program printed.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("          │ {line}");
        }
    }

    /// Who answered how often.
    pub(crate) fn spread<K: AsRef<str>>(&self, spread: &BTreeMap<K, usize>) {
        let most = spread.values().copied().max().unwrap_or(1).max(1);
        for (name, count) in spread {
            println!(
                "          │ {:<10} {count:>5}  {}",
                name.as_ref(),
                "█".repeat(count * 40 / most)
            );
        }
    }

    /// The end of the story.
    pub(crate) fn end(&self) -> Result<()> {
        println!();
        self.say(&format!(
            "{} promises kept, {} broken",
            self.kept, self.broken
        ));
        ensure!(self.broken == 0, "{} promises were broken", self.broken);
        Ok(())
    }
}

/// `1.23 s`, `69 ms`.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.0} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}
