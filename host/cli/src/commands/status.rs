//! `evenkeel status`.

use std::path::Path;

use evenkeel_daemon::{control, status};

/// Asks the daemon and prints its answer.
///
/// # Errors
/// When no daemon answers.
pub(crate) async fn run(socket: &Path, json: bool) -> anyhow::Result<()> {
    let status = control::status(socket).await?;
    let text = if json {
        serde_json::to_string_pretty(&status)? + "\n"
    } else {
        status::render(&status)
    };
    super::print(&text)?;
    Ok(())
}
