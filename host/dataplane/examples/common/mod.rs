//! What the benchmarks share.

use std::process::{Command, ExitCode};

/// Marks the process that is in the namespaces.
const INSIDE: &str = "EVENKEEL_BENCH_INSIDE";

/// Runs this program again in network and mount namespaces of its own; its outcome. `None`: this is the process inside.
pub(crate) fn in_namespaces() -> Option<ExitCode> {
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let status = Command::new("unshare")
        .args(["-n", "-m"])
        .arg(std::env::current_exe().unwrap())
        .args(std::env::args().skip(1))
        .env(INSIDE, "1")
        .status();
    Some(if status.is_ok_and(|status| status.success()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
