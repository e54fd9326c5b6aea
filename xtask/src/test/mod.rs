//! Every test there is, and an honest sum.
//!
//! First those on this kernel, then those on others, each in few starts of such a kernel:
//!
//! | kernel | one after the other |
//! |---|---|
//! | this one | nextest (or libtest), the documentation's examples, the crates that stand alone |
//! | User-Mode Linux | two starts at once, each with a half of the tests of programs called `ipvs` |
//! | Debian's in qemu (`--all`) | one start |
//!
//! With `--all` the release build is made, too, for the tests that need it.

mod binaries;
mod examples;
mod failures;
mod kernels;
mod shipped;
mod tally;
mod watch;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::Result;
use xtask::cmd::{self, answer, cargo, command, root, step, target};
use xtask::times;

use self::binaries::{Binary, Kernel};
use self::kernels::Start;
use self::watch::Seen;
use crate::args::Args;
use crate::build;
use crate::clippy::Lints;
use crate::setup;
use crate::wasm;

/// Tests at once that have a network, a daemon and servers each, where libtest runs them.
const AT_ONCE: &str = "4";

#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Only tests whose name contains this.
    filter: Option<String>,
    /// Also those that need Debian's own kernel, or the binary as it is shipped.
    all: bool,
    /// The profile of `.config/nextest.toml`.
    profile: Option<String>,
    /// Of what is compiled for them.
    lints: Lints,
}

impl Options {
    pub(crate) fn read(mut args: Args) -> Result<Self> {
        let options = Self {
            all: args.flag("--all"),
            profile: args.value("--profile")?,
            filter: args.word(),
            lints: Lints::Compiler,
        };
        args.finish()?;
        Ok(options)
    }
}

/// `cargo xtask test`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let outcome = tests(options);
    times::report();
    outcome
}

/// All tests but those on Debian's kernel, which takes as long as everything else together, by this profile of
/// `.config/nextest.toml`. Clippy looks at what is compiled.
pub(crate) fn everything_here(profile: &str) -> Result<()> {
    tests(&Options {
        profile: Some(profile.to_owned()),
        lints: Lints::Deny,
        ..Options::default()
    })
}

fn tests(options: &Options) -> Result<()> {
    setup::packages(&[setup::BUILD, setup::LAB, setup::UML].concat())?;
    setup::useful(&[setup::C, setup::SIGN, setup::SERVERS].concat());
    if options.all {
        setup::packages(setup::KERNELS)?;
        setup::useful(setup::REGISTRY);
    }
    build::tests(options.lints)?;
    if options.all {
        step("Testing with a registry, for which nothing else is built");
        cmd::run(&mut cargo(&[
            "test",
            "--package",
            "evenkeel-oci",
            "--features",
            "client",
        ]))?;
    }
    step("Compiling the plugins, once for all tests");
    cmd::run(
        command(target().join("debug/examples/keep_compiled"))
            .arg(target().join("lab-cache"))
            .args(["plugins", "examples", "test-plugins"].map(|dir| target().join(dir))),
    )?;
    step("Finding the tests");
    let binaries = binaries::all(options.lints)?;
    let skips = fs::canonicalize(target())?.join("skips.txt");
    fs::remove_file(&skips).ok();
    let filter = options.filter.as_deref();
    let uml = kernels::uml(&binaries, filter, &skips)?;
    let mut missed = "";
    let mut debian = None;
    if options.all {
        step("Debian's kernel: fetching it, if it is not here yet");
        if command(root().join("tests/kernels/qemu-run"))
            .status()?
            .success()
        {
            debian = kernels::debian(&binaries, filter, &skips)?;
        } else {
            missed = "SKIPPED: all tests on Debian's kernel: it cannot be fetched\n";
        }
    }
    let mut runners = here(&binaries, options)?;
    if options.all {
        runners.extend(shipped::runner(&binaries, filter)?);
    }
    let mut seen = Seen::default();
    for (what, command) in &mut runners {
        step(what);
        command
            .env("EVENKEEL_SKIPS", &skips)
            .env("RUST_LIB_BACKTRACE", "0");
        seen.watch("", command)?;
    }
    // Not beside the others: an emulated kernel that gets no processor for seconds is late with all that a test waits
    // for.
    step("Testing in User-Mode Linux");
    thread::scope(|scope| {
        let kernels = uml.into_iter().zip(["uml 1  | ", "uml 2  | "]);
        let kernels =
            kernels.map(|(start, label)| scope.spawn(move || on_other_kernel(label, vec![start])));
        for kernel in Vec::from_iter(kernels) {
            let gone = |_| Seen::broken("the thread of a kernel's tests has ended".to_owned());
            seen.add(kernel.join().unwrap_or_else(gone));
        }
    });
    if let Some(debian) = debian {
        step("Testing in Debian's kernel in qemu");
        seen.add(on_other_kernel("debian | ", vec![debian]));
    }
    let skipped = fs::read_to_string(&skips).unwrap_or_default() + missed;
    if !options.all {
        let debian = binaries.iter().filter(|it| it.kernel == Kernel::Debian);
        let left_out = debian
            .map(|it| it.count(&Vec::from_iter(filter), true))
            .sum();
        seen.left_out(left_out);
        println!("\n{left_out} tests need Debian's kernel: cargo xtask test --all runs them, too.");
    }
    seen.report(&skipped)
}

/// Starts of another kernel, one after the other.
fn on_other_kernel(label: &str, starts: Vec<Start>) -> Seen {
    let mut seen = Seen::default();
    for mut start in starts {
        let begin = Instant::now();
        if let Err(error) = seen.watch(label, &mut start.command) {
            seen.add(Seen::broken(format!("{}: {error:#}", start.name)));
        }
        times::part(&start.name, begin.elapsed());
    }
    seen
}

/// The runners on this kernel, each with what it tests.
fn here(binaries: &[Binary], options: &Options) -> Result<Vec<(String, Command)>> {
    let mut runners = Vec::new();
    if answer(&mut cargo(&["nextest", "--version"])).is_some() {
        let mut here = "not (kind(test) & (binary(=ipvs) | binary(=debian)))".to_owned();
        if options.all {
            here += &format!(" & not {}", shipped::nextest_leaves_out());
        }
        let mut nextest = options.lints.cargo(&[
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--no-tests=pass",
            "--filterset",
            &here,
        ]);
        if let Some(profile) = &options.profile {
            nextest.args(["--profile", profile]);
        }
        nextest.args(&options.filter);
        runners.push(("Testing the workspace (nextest)".to_owned(), nextest));
    } else {
        for binary in binaries.iter().filter(|it| it.kernel == Kernel::Own) {
            let mut own = command(&binary.program);
            own.current_dir(&binary.directory).args(&options.filter);
            own.env("RUST_TEST_THREADS", AT_ONCE);
            if options.all {
                own.args(shipped::libtest_leaves_out(binary));
            }
            runners.push((format!("Testing {} ({})", binary.package, binary.name), own));
        }
    }
    examples::none_is_hidden()?;
    // Neither runner above does these.
    let mut doc = options
        .lints
        .cargo(&["test", "--workspace", "--no-fail-fast", "--doc"]);
    doc.args(&options.filter);
    runners.push(("Testing the documentation's examples".to_owned(), doc));
    for dir in ["examples", "tests/plugins"] {
        for (manifest, _) in wasm::crates(&root().join(dir))? {
            let mut own = cargo(&["test", "--no-fail-fast", "--workspace", "--manifest-path"]);
            own.arg(&manifest)
                .arg("--target-dir")
                .arg(target())
                .args(&options.filter);
            let dir = manifest.parent().unwrap_or(&manifest);
            runners.push((format!("Testing {}", dir.display()), own));
        }
    }
    Ok(runners)
}
