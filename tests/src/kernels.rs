//! Tests on another kernel than the machine's own: going on in a copy of the process that runs there.
//!
//! | | has | lacks | starts in |
//! |---|---|---|---|
//! | User-Mode Linux, [`on_uml`] | IPVS with its schedulers, conntrack, NFQUEUE, iptables | every family of nftables | 1 to 2 s |
//! | Debian's kernel in qemu, [`on_debian_kernel`] | all of it, flowtables too | speed: ten times slower | 15 s |

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::world::{
    Impossible, PASSED, TEST_LIMIT, in_namespaces, inside, is_installed, possible, privately,
    run_copy, skip, test_name,
};

/// Set in the copy of a process that runs on another kernel: that kernel's name here.
const KERNEL: &str = "EVENKEEL_KERNEL";
/// User-Mode Linux's name.
const UML: &str = "uml";
/// The name of Debian's kernel.
const DEBIAN: &str = "debian";
/// How long one of them may take to start and stop.
const BOOT: Duration = Duration::from_secs(60);

/// Runs a test's body in a private world (see [`isolated`](crate::isolated)) on a kernel that has IPVS and no
/// nftables: User-Mode Linux, as `tests/kernels/uml-run` starts it. The closure has to be written in the test's
/// function itself.
///
/// Where User-Mode Linux is not installed it says `SKIPPED: <why>` on standard error and is content.
///
/// # Errors
/// What `body` returns; also when the copy of the process failed, did not end in time, or had no such test.
pub fn on_uml<F: FnOnce() -> Result<()>>(body: F) -> Result<()> {
    on_uml_with(&[], body)
}

/// Like [`on_uml`], for a test that needs programs which not every machine has.
///
/// # Errors
/// As [`on_uml`].
pub fn on_uml_with<F: FnOnce() -> Result<()>>(programs: &[&str], body: F) -> Result<()> {
    if is_on(UML) {
        return go_on(programs, body);
    }
    let name = test_name(std::any::type_name::<F>());
    if !is_installed("linux.uml") {
        let why = "linux.uml (of user-mode-linux) is not installed";
        return skip(name, &Impossible(why.to_owned()));
    }
    let limit = TEST_LIMIT + BOOT;
    let mut command = started_by("uml-run", UML);
    command.env("UML_TIMEOUT", limit.as_secs().to_string());
    run_copy(name, with_test(command, name)?, limit)
}

/// Runs a test's body in a private world on Debian's kernel, as `tests/kernels/qemu-run` starts it: nftables with
/// flowtables and `queue`, and IPVS. Such a test is marked `#[ignore]`: `cargo xtask test --all` runs them all in one
/// start of that kernel. Alone, on any other kernel, it starts one for itself.
///
/// # Errors
/// As [`on_uml`].
pub fn on_debian_kernel<F: FnOnce() -> Result<()>>(body: F) -> Result<()> {
    if is_on(DEBIAN) {
        return go_on(&[], body);
    }
    let name = test_name(std::any::type_name::<F>());
    if !is_installed("qemu-system-x86_64") {
        let why = "qemu-system-x86_64 (of qemu-system-x86) is not installed";
        return skip(name, &Impossible(why.to_owned()));
    }
    // In namespaces of its own it would have no network to fetch the kernel over.
    if !Command::new(runners().join("qemu-run")).status()?.success() {
        let why = "Debian's kernel cannot be fetched";
        return skip(name, &Impossible(why.to_owned()));
    }
    let limit = TEST_LIMIT + BOOT;
    let mut command = started_by("qemu-run", DEBIAN);
    command.env("QEMU_TIMEOUT", limit.as_secs().to_string());
    run_copy(name, with_test(command, name)?, limit)
}

/// Whether this process runs on one of them: what takes seconds elsewhere may take several times as long.
#[must_use]
pub fn on_slow_kernel() -> bool {
    is_on(UML) || is_on(DEBIAN)
}

/// Whether a test, told by the type of its closure, is in a program (`tests/ipvs`) for User-Mode Linux.
pub(crate) fn is_for_uml(closure: &str) -> bool {
    closure.starts_with("ipvs::")
}

fn is_on(kernel: &str) -> bool {
    env::var_os(KERNEL).is_some_and(|it| it == kernel)
}

/// On the kernel that was asked for. The process that started it looks for [`PASSED`], but one that runs many tests
/// does not.
fn go_on<F: FnOnce() -> Result<()>>(programs: &[&str], body: F) -> Result<()> {
    privately(programs, body)?;
    if !inside() && env::args_os().any(|arg| arg == "--exact") {
        std::process::exit(PASSED);
    }
    Ok(())
}

/// `tests/kernels/RUNNER env NAME=VALUE..`, to be followed by a program. Where there are namespaces it has its own,
/// so that it ends with this process, however that ends.
fn started_by(runner: &str, kernel: &str) -> Command {
    let runner = runners().join(runner);
    let mut command = if possible().is_ok() {
        in_namespaces(&runner)
    } else {
        Command::new(runner)
    };
    // What it says is shown as it says it: by nextest, or by the process that started it.
    command.args(["env", "RUST_LIB_BACKTRACE=0", "NEXTEST=1"]);
    command.arg(format!("{KERNEL}={kernel}")).args(passed_on());
    command
}

fn with_test(mut command: Command, name: &str) -> Result<Command> {
    command
        .arg(env::current_exe()?)
        .args([name, "--exact", "--nocapture", "--include-ignored"]);
    Ok(command)
}

fn runners() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
}

/// The variables that say where things are, and how to tell of a failure.
fn passed_on() -> impl Iterator<Item = OsString> {
    let ours = |name: &str| {
        name == "CARGO_TARGET_DIR"
            || name == "RUST_BACKTRACE"
            || name == "RUST_LIB_BACKTRACE"
            || (name.starts_with("EVENKEEL_") && name != KERNEL && name != "EVENKEEL_LAB")
    };
    env::vars_os().filter_map(move |(name, value)| {
        ours(name.to_str()?).then(|| {
            let mut pair = name;
            pair.push("=");
            pair.push(value);
            pair
        })
    })
}
