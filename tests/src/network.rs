//! A network of one's own for tests of one crate, without machines and cables.

use std::process::Command;
use std::thread;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

use crate::world::{Impossible, skip};

/// What a test returns.
pub type TestResult = Result<()>;

/// A test whose body runs in a private world (see [`isolated`](crate::isolated)), in which loopback is up.
#[macro_export]
macro_rules! in_a_namespace {
    ($(#[doc = $doc:expr])* fn $name:ident() $body:block) => {
        $(#[doc = $doc])*
        #[test]
        fn $name() -> $crate::TestResult {
            $crate::isolated(|| {
                $crate::sh("ip link set lo up");
                let () = $body;
                Ok(())
            })
        }
    };
}

/// A test whose body runs where there is IPVS (see [`on_uml`](crate::on_uml)), in a network of its own in which
/// loopback is up.
#[macro_export]
macro_rules! with_ipvs {
    ($(#[doc = $doc:expr])* fn $name:ident() $body:block) => {
        $(#[doc = $doc])*
        #[test]
        fn $name() -> $crate::TestResult {
            $crate::on_uml(|| {
                $crate::sh("ip link set lo up");
                let () = $body;
                Ok(())
            })
        }
    };
}

/// Runs a test on a thread in a network that is empty but for `lo`, which is up; it goes with the test. A panic of
/// the test is one of the caller. Where no network can be made (see [`isolated`](crate::isolated)) it says `SKIPPED:
/// <why>` on standard error.
///
/// Cheaper than a copy of the process, and for tests that are inside their crate. Only what the thread itself does,
/// and threads and programs that it starts, is in that network.
pub fn in_own_network(test: impl FnOnce() + Send + 'static) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let thread = thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            let why = format!("no network namespace ({error}): run as root or under `unshare -Ur`");
            // Nothing is lost with a line that cannot be written.
            let _ = skip(&name, &Impossible(why));
            return;
        }
        sh("ip link set lo up");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// [`in_own_network`] for a test that waits, with somebody else who sets up that network.
///
/// # Panics
/// As the test does, and where no runtime can be made.
#[cfg(feature = "tokio")]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub fn with_net<F: Future<Output = ()>>(test: impl FnOnce(crate::Net) -> F + Send + 'static) {
    in_own_network(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        runtime.block_on(test(crate::Net));
    });
}

/// Runs a shell command in the calling thread's network and returns its output.
///
/// # Panics
/// When it fails: it is a test's.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn sh(command: &str) -> String {
    match Command::new("sh").args(["-ec", command]).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => panic!("{command}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("{command}: {error}"),
    }
}
