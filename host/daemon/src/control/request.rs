//! What the control socket wants of the daemon's main loop.

use evenkeel_core::vrrp::Command;
use tokio::sync::oneshot;

use crate::status::Status;

/// A request that waits for the main loop. Dropping it unanswered tells the client that the daemon is ending.
#[derive(Debug)]
pub enum Request {
    /// How everything is.
    Status {
        /// Where the answer goes.
        reply: oneshot::Sender<Box<Status>>,
    },
    /// Hand over to the other director, or take part in the election again.
    Vrrp {
        /// What to do.
        command: Command,
        /// Which instance or sync group; `None`: all.
        instance: Option<String>,
        /// Whether it is under way; if not, why.
        reply: oneshot::Sender<Result<(), String>>,
    },
}
