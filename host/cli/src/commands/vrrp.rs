//! `evenkeel vrrp resign | resume`.

use crate::args::VrrpCommand;
use crate::exit::{self, Failed};
use evenkeel_daemon::control::{Answer, Order, Request, ask};

/// Tells the daemon. What comes of it is seen in `evenkeel status`.
///
/// # Errors
/// [`exit::NO_DAEMON`] when none answers; when it has no such instance.
pub(crate) async fn run(command: VrrpCommand) -> anyhow::Result<()> {
    let (order, args) = match command {
        VrrpCommand::Resign(args) => (Order::Resign, args),
        VrrpCommand::Resume(args) => (Order::Resume, args),
    };
    let request = Request::Vrrp {
        order,
        instance: args.instance,
    };
    match ask(&args.socket, &request).await? {
        Answer::Error { message } => Err(Failed::new(exit::FAILURE, message).into()),
        Answer::Done | Answer::Status(_) => Ok(()),
    }
}
