//! `evenkeel compile-plugin`: the child process in which the daemon, and the commands, compile a plugin.

use std::io::Write as _;
use std::process::ExitCode;

use evenkeel_runtime::wasm::{self, Order};

use crate::exit;

/// Compiles. What is wrong goes to standard error, for who has started this.
pub(crate) fn run(order: Order) -> ExitCode {
    match wasm::serve(order) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(reason) => {
            // Who has started this may be gone.
            let _ = writeln!(std::io::stderr(), "{reason}");
            ExitCode::from(exit::FAILURE)
        }
    }
}
