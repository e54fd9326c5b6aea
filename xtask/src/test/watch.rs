//! What runners of tests say, and the sum of it.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use xtask::cmd::{line, step};

use super::failures::failures;
use super::tally::{Tally, summary};

/// More closing lines than this of one runner are summed up.
const MANY: usize = 5;

/// What was seen of the runners.
#[derive(Debug, Default)]
pub(super) struct Seen {
    tally: Tally,
    /// The runners' closing lines.
    summaries: Vec<String>,
    /// The tests that failed, and with what words.
    failures: Vec<String>,
    /// Runners that failed without saying that a test did.
    broken: Vec<String>,
}

impl Seen {
    /// Adds what was seen of other runners.
    pub(super) fn add(&mut self, other: Self) {
        self.tally += other.tally;
        self.summaries.extend(other.summaries);
        self.failures.extend(other.failures);
        self.broken.extend(other.broken);
    }

    /// Counts tests that nobody was told to run.
    pub(super) fn left_out(&mut self, tests: usize) {
        self.tally.skipped += tests;
    }

    /// Counts a runner that could not be started as one that failed.
    pub(super) fn broken(why: String) -> Self {
        Self {
            broken: vec![why],
            ..Self::default()
        }
    }

    /// Runs a runner, shows what it says, each line after `label`, and keeps its sums. What it leaves out, another
    /// runner has, or [`Self::left_out`] counts it.
    pub(super) fn watch(&mut self, label: &str, command: &mut Command) -> Result<()> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", line(command)))?;
        let lines = Mutex::new(Vec::new());
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|it| Box::new(it) as _),
            child.stderr.take().map(|it| Box::new(it) as _),
        ];
        thread::scope(|scope| {
            for stream in streams.into_iter().flatten() {
                scope.spawn(|| pass_on(label, stream, &lines));
            }
        });
        let status = child.wait()?;
        let mut tally = Tally::default();
        let lines = lines.into_inner().unwrap_or_default();
        let failures = failures(lines.iter().map(String::as_str));
        let failures = failures.into_iter().map(|it| format!("{label}{it}"));
        self.failures.extend(failures);
        let mut summaries = Vec::new();
        for line in lines {
            // A kernel's console ends lines as terminals do.
            if let Some(mut part) = summary(line.trim_end()) {
                part.skipped = 0;
                tally += part;
                // libtest says so of every crate without a test, too.
                if part != Tally::default() {
                    summaries.push(format!("{label}{}", line.trim()));
                }
            }
        }
        if summaries.len() > MANY {
            let Tally { passed, failed, .. } = tally;
            let runs = summaries.len();
            summaries = vec![format!(
                "{label}{passed} passed, {failed} failed in {runs} runs"
            )];
        }
        self.summaries.extend(summaries);
        if !status.success() && tally.failed == 0 {
            self.broken.push(format!("{}: {status}", line(command)));
        }
        self.tally += tally;
        Ok(())
    }

    /// Says it all again, in short; the sum is the last line. `skipped` has a line for each test that found it could
    /// not run.
    pub(super) fn report(mut self, skipped: &str) -> Result<()> {
        step("Summary");
        for line in &self.summaries {
            println!("{line}");
        }
        for failure in &self.failures {
            println!("{failure}");
        }
        for broken in &self.broken {
            println!("BROKEN: {broken}");
        }
        print!("{skipped}");
        // To its runner, such a test has passed.
        let skipped = skipped.lines().count();
        let Tally { passed, failed, .. } = self.tally;
        let failed = failed + self.broken.len();
        self.tally.skipped += skipped;
        println!(
            "{} passed, {failed} failed, {} skipped",
            passed.saturating_sub(skipped),
            self.tally.skipped
        );
        ensure!(failed == 0, "tests failed");
        Ok(())
    }
}

fn pass_on(label: &str, stream: impl Read, lines: &Mutex<Vec<String>>) {
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        println!("{label}{line}");
        if let Ok(mut lines) = lines.lock() {
            lines.push(line);
        }
    }
}
