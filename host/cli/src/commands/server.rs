//! `evenkeel server`.

use evenkeel_daemon::check_now::render;
use evenkeel_daemon::control;

use crate::args::server::{CheckArgs, ServerCommand};
use crate::exit::{self, Failed};

/// Does one of them.
///
/// # Errors
/// See [`check`].
pub(crate) async fn run(command: ServerCommand) -> anyhow::Result<()> {
    match command {
        ServerCommand::Check(args) => check(args).await,
    }
}

/// Has the daemon run the checks of a server, and prints what they have found.
///
/// # Errors
/// When no daemon answers, or it has no such server; [`exit::FAILURE`] when the server is not healthy.
async fn check(args: CheckArgs) -> anyhow::Result<()> {
    let (service, server) = (args.server.service, args.server.server);
    let answer = control::check(&args.socket, service, server).await?;
    let text = if args.json {
        serde_json::to_string_pretty(&answer)? + "\n"
    } else {
        render(&answer)
    };
    super::print(&text)?;
    if answer.healthy {
        return Ok(());
    }
    let message = format!("{}/{} is not healthy", answer.service, answer.server);
    Err(Failed::new(exit::FAILURE, message).into())
}
