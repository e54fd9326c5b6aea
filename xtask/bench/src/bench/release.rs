//! The release build, which the benches start.

use evenkeel_tests::Paths;
use xtask::cmd::target;

/// What the release build has made.
pub(crate) fn paths() -> Paths {
    Paths {
        binary: target().join("release/evenkeel"),
        ..Paths::default()
    }
}
