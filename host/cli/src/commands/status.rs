//! `evenkeel status`.

use std::path::Path;

use crate::exit::{self, Failed};
use evenkeel_daemon::control::{Answer, Request, ask};
use evenkeel_daemon::status::render;

/// Asks the daemon and prints its answer.
///
/// # Errors
/// [`exit::NO_DAEMON`] when none answers.
pub(crate) async fn run(socket: &Path, json: bool) -> anyhow::Result<()> {
    match ask(socket, &Request::Status).await? {
        Answer::Status(status) if json => {
            super::print(&(serde_json::to_string_pretty(&status)? + "\n"))?;
        }
        Answer::Status(status) => super::print(&render(&status))?,
        Answer::Done => {}
        Answer::Error { message } => return Err(Failed::new(exit::FAILURE, message).into()),
    }
    Ok(())
}
