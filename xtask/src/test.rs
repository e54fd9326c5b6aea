//! Every test there is, and an honest sum.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, ensure};

use crate::build;
use crate::cmd::{answer, cargo, command, line, root, step, target};
use crate::debian;
use crate::setup;
use crate::tally::{Tally, flaky, summary};
use crate::wasm;

/// How long the tests on Debian's kernel may take together, in seconds.
const DEBIAN_LIMIT: &str = "2700";

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Only tests whose name contains this
    pub(crate) filter: Option<String>,
    /// Also those that need Debian's own kernel, which starts in qemu for them (several minutes)
    #[arg(long)]
    pub(crate) all: bool,
    /// The profile of .config/nextest.toml
    #[arg(long)]
    pub(crate) profile: Option<String>,
}

/// What was seen of the runners.
#[derive(Debug, Default)]
struct Seen {
    tally: Tally,
    /// The runners' closing lines.
    summaries: Vec<String>,
    /// Tests that passed only when they were tried again.
    flaky: BTreeSet<String>,
    /// Runners that failed without saying that a test did.
    broken: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    setup::packages(&[setup::BUILD, setup::LAB, setup::UML].concat())?;
    if options.all {
        setup::packages(setup::KERNELS)?;
    }
    build::plugins()?;
    build::daemon_and_tests()?;
    let skips = fs::canonicalize(target())?.join("skips.txt");
    fs::remove_file(&skips).ok();
    let mut seen = Seen::default();
    let filter = options.filter.as_deref();
    for (what, command) in &mut runners(filter, options.profile.as_deref())? {
        step(what);
        command
            .env("EVENKEEL_SKIPS", &skips)
            .env("RUST_LIB_BACKTRACE", "0");
        // What is ignored on this kernel is run on the other one.
        seen.watch(command, filter.is_some() || options.all)?;
    }
    let mut missed = "";
    if options.all {
        let qemu = || command(root().join("tests/kernels/qemu-run"));
        step("Debian's kernel: fetching it, if it is not here yet");
        if qemu().status()?.success() {
            let script = target().join("debian-tests");
            debian::script(&script, filter, &skips)?;
            step("Testing in Debian's kernel in qemu (its start takes a while)");
            let mut command = qemu();
            command.env("QEMU_TIMEOUT", DEBIAN_LIMIT).arg(&script);
            seen.watch(&mut command, true)?;
        } else {
            missed = "SKIPPED: all tests on Debian's kernel: it cannot be fetched\n";
        }
    }
    let skipped = fs::read_to_string(&skips).unwrap_or_default() + missed;
    if !options.all && filter.is_none() {
        println!(
            "\nThe ignored tests need Debian's kernel: cargo xtask test --all runs them, too."
        );
    }
    seen.report(&skipped)
}

/// The runners, each with what it tests.
fn runners(filter: Option<&str>, profile: Option<&str>) -> Result<Vec<(String, Command)>> {
    let mut runners = Vec::new();
    if answer(&mut cargo(&["nextest", "--version"])).is_some() {
        let mut nextest = cargo(&[
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--no-tests=pass",
        ]);
        if let Some(profile) = profile {
            nextest.args(["--profile", profile]);
        }
        runners.push(("Testing the workspace (nextest)".to_owned(), nextest));
    } else {
        let others = cargo(&[
            "test",
            "--workspace",
            "--exclude=evenkeel-tests",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ]);
        runners.push(("Testing the workspace".to_owned(), others));
        let mut lab = cargo(&[
            "test",
            "--package=evenkeel-tests",
            "--no-fail-fast",
            "--lib",
            "--tests",
        ]);
        // Each of these tests has a network, a daemon and servers.
        lab.env("RUST_TEST_THREADS", "2");
        runners.push(("Testing end to end".to_owned(), lab));
    }
    // Neither runner above does these.
    let doc = cargo(&["test", "--workspace", "--no-fail-fast", "--doc"]);
    runners.push(("Testing the documentation's examples".to_owned(), doc));
    for dir in ["examples", "tests/plugins"] {
        for (manifest, _) in wasm::crates(&root().join(dir))? {
            let mut own = cargo(&["test", "--no-fail-fast", "--workspace", "--manifest-path"]);
            own.arg(&manifest)
                .arg("--target-dir")
                .arg(target().join("own-workspaces"));
            let dir = manifest.parent().unwrap_or(&manifest);
            runners.push((format!("Testing {}", dir.display()), own));
        }
    }
    for (_, runner) in &mut runners {
        runner.args(filter);
    }
    Ok(runners)
}

impl Seen {
    /// Runs a runner, shows what it says, and keeps its sums.
    fn watch(&mut self, command: &mut Command, rest_counts_elsewhere: bool) -> Result<()> {
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
                scope.spawn(|| pass_on(stream, &lines));
            }
        });
        let status = child.wait()?;
        let mut tally = Tally::default();
        for line in lines.into_inner().unwrap_or_default() {
            self.flaky.extend(flaky(&line).map(str::to_owned));
            if let Some(mut part) = summary(&line) {
                if rest_counts_elsewhere {
                    // nextest counts what a filter leaves out, too.
                    part.skipped = 0;
                }
                tally += part;
                // libtest says so of every crate without a test, too.
                if part != Tally::default() {
                    self.summaries.push(line);
                }
            }
        }
        if !status.success() && tally.failed == 0 {
            self.broken.push(format!("{}: {status}", line(command)));
        }
        self.tally += tally;
        Ok(())
    }

    /// Says it all again, in short; the sum is the last line.
    fn report(mut self, skipped: &str) -> Result<()> {
        step("Summary");
        for line in &self.summaries {
            println!("{}", line.trim());
        }
        for test in &self.flaky {
            println!("FLAKY: {test}: passed only when tried again");
        }
        for broken in &self.broken {
            println!("BROKEN: {broken}");
        }
        print!("{skipped}");
        // To its runner, a test that found it could not run has passed.
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

fn pass_on(stream: impl Read, lines: &Mutex<Vec<String>>) {
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        println!("{line}");
        if let Ok(mut lines) = lines.lock() {
            lines.push(line);
        }
    }
}
