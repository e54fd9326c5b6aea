//! Tests that need IPVS: where this machine's kernel has it, in a network namespace; elsewhere in User-Mode Linux.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set where the test's body is to run.
const INSIDE: &str = "EVENKEEL_IPVS_TEST";

/// A test whose body runs where there is IPVS, and no network but its own.
macro_rules! with_ipvs {
    ($(#[doc = $doc:expr])* fn $name:ident() $body:block) => {
        #[test]
        fn $name() {
            crate::uml::run(concat!(module_path!(), "::", stringify!($name)), || $body);
        }
    };
}
pub(crate) use with_ipvs;

pub(crate) fn run(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        sh("ip link set lo up");
        return body();
    }
    let Some(mut place) = place() else {
        eprintln!(
            "SKIPPED: {name}: it takes IPVS, or User-Mode Linux (Debian's package user-mode-linux)"
        );
        return;
    };
    // In a test target of one file the module's path is that of the target alone.
    let test = name.split_once("::").map_or(name, |(_, test)| test);
    let output = place
        .arg("env")
        .arg(format!("{INSIDE}=1"))
        .arg("RUST_BACKTRACE=1")
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let ran = output.status.success() && text.contains("1 passed");
    assert!(
        ran,
        "where there is IPVS, {test} failed: {}\n{text}\n{errors}",
        output.status
    );
    if std::env::var_os("EVENKEEL_TEST_OUTPUT").is_some() {
        eprintln!("{text}\n{errors}");
    }
}

/// Where the body can run; what is given as arguments runs there.
fn place() -> Option<Command> {
    if Path::new("/proc/net/ip_vs").exists() && nix::unistd::geteuid().is_root() {
        let mut command = Command::new("unshare");
        command.args(["-n", "-m"]);
        return Some(command);
    }
    let found = Command::new("linux.uml")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.ok()?;
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect();
    Some(Command::new(root.join("tests/kernels/uml-run")))
}

/// Runs a shell command that has to succeed; returns its output.
pub(crate) fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
