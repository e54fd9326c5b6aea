//! `evenkeel vrrp resign | resume`.

use evenkeel_core::vrrp::Command;
use evenkeel_daemon::control;

use crate::args::VrrpCommand;

/// Tells the daemon. What comes of it is seen in `evenkeel status`.
///
/// # Errors
/// When no daemon answers, or it has no such instance.
pub(crate) async fn run(command: VrrpCommand) -> anyhow::Result<()> {
    let (command, args) = match command {
        VrrpCommand::Resign(args) => (Command::Resign, args),
        VrrpCommand::Resume(args) => (Command::Resume, args),
    };
    control::order(&args.socket, command, args.instance).await?;
    Ok(())
}
