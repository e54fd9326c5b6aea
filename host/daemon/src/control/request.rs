//! What the control socket wants of the daemon's main loop.

use evenkeel_core::vrrp::Command;
use tokio::sync::oneshot;

use crate::check_now::CheckedNow;
use crate::status::Status;
use crate::why::{Question, Why};

/// A request that waits for the main loop. Dropping it unanswered tells the client that the daemon is ending.
#[derive(Debug)]
pub enum Request {
    /// How everything is.
    Status {
        /// Where the answer goes.
        reply: oneshot::Sender<Box<Status>>,
    },
    /// Where connections of a client go, and why.
    Why {
        /// Who is meant.
        question: Question,
        /// Where the answer goes; if there is no such service, why not.
        reply: oneshot::Sender<Result<Box<Why>, String>>,
    },
    /// Run the checks of a server, once, now.
    Check {
        /// The service's name.
        service: String,
        /// The server's name, or its address and port.
        server: String,
        /// Where the answer goes; if there is no such server, why not.
        reply: oneshot::Sender<Result<Box<CheckedNow>, String>>,
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
