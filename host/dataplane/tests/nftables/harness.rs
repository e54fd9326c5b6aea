//! Tests in network namespaces: a test starts itself again inside one.

use std::process::{Command, Stdio};

/// Set in the process inside the namespace.
const INSIDE: &str = "EVENKEEL_NETNS";

/// A test whose body runs in a new network (and mount) namespace.
macro_rules! in_a_namespace {
    ($(#[doc = $doc:expr])* fn $name:ident() $body:block) => {
        #[test]
        fn $name() {
            crate::harness::run(concat!(module_path!(), "::", stringify!($name)), || $body);
        }
    };
}
pub(crate) use in_a_namespace;

pub(crate) fn run(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        sh("ip link set lo up");
        return body();
    }
    let root = nix::unistd::geteuid().is_root();
    let user: &[&str] = if root { &[] } else { &["-Ur"] };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(user).args(["-n", "-m"]);
        command
    };
    let possible = unshare().arg("true").stderr(Stdio::null()).status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: {name}: no network namespace can be made (run as root)");
        return;
    }
    let (_, test) = name.split_once("::").unwrap();
    let output = unshare()
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let ran = output.status.success() && text.contains("1 passed");
    assert!(
        ran,
        "in its namespace, {test} failed: {}\n{text}\n{errors}",
        output.status
    );
}

/// Runs a shell command that has to succeed; returns its output.
pub(crate) fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
