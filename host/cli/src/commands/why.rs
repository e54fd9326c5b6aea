//! `evenkeel why`.

use std::path::Path;

use evenkeel_daemon::control;
use evenkeel_daemon::why::{Question, render};

/// Asks the daemon and prints its answer.
///
/// # Errors
/// When the client is none, no daemon answers, or it has no such service.
pub(crate) async fn run(
    socket: &Path,
    client: &str,
    service: Option<String>,
    json: bool,
) -> anyhow::Result<()> {
    let question = Question::new(client, service).map_err(anyhow::Error::msg)?;
    let answer = control::why(socket, &question).await?;
    let text = if json {
        serde_json::to_string_pretty(&answer)? + "\n"
    } else {
        render(&answer)
    };
    super::print(&text)?;
    Ok(())
}
