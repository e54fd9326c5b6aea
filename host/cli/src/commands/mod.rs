//! The commands that end by themselves.

pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod explain;
pub(crate) mod flush;
pub(crate) mod genhash;
pub(crate) mod import;
pub(crate) mod plugin;
pub(crate) mod server;
pub(crate) mod status;
pub(crate) mod vrrp;
pub(crate) mod why;

use std::io::Write as _;

/// Prints to standard output. A reader that has gone (`| head`) is no error.
///
/// # Errors
/// When it cannot be written for another reason, such as a full disk.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints an error to where every command's errors go: standard error.
pub(crate) fn complain(error: &anyhow::Error, to: &mut dyn std::io::Write) {
    // In one piece. Where standard error is gone there is nobody left to tell.
    let _ = to.write_all(format!("evenkeel: {error:#}\n").as_bytes());
}
