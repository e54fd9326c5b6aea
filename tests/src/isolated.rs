//! What a test calls first: it goes on in a world of its own, on the kernel that its program is for.

use anyhow::Result;

use crate::kernels::{is_for_uml, on_uml_with};
use crate::world::privately;

/// Runs a test's body in a private world. The name of the test is taken from the closure's type, so the closure has
/// to be written in the test's function itself.
///
/// Where namespaces are impossible it says `SKIPPED: <why>` on standard error and is content.
///
/// In a program of tests called `ipvs` it is the same as [`on_uml`](crate::on_uml): tests of another program that it
/// has as modules run on that kernel, too.
///
/// # Errors
/// What `body` returns; also when the copy of the process failed, did not end in time, or had no such test.
pub fn isolated<F: FnOnce() -> Result<()>>(body: F) -> Result<()> {
    isolated_with(&[], body)
}

/// Like [`isolated`], for a test that needs programs which not every machine has. Where one is missing it says
/// `SKIPPED: <why>` on standard error and is content.
///
/// # Errors
/// As [`isolated`].
pub fn isolated_with<F: FnOnce() -> Result<()>>(programs: &[&str], body: F) -> Result<()> {
    if is_for_uml(std::any::type_name::<F>()) {
        return on_uml_with(programs, body);
    }
    privately(programs, body)
}
