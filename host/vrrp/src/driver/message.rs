//! The messages to the driver.

use std::sync::Arc;

use evenkeel_addresses::VrrpReport;
use evenkeel_core::model::{self, Tracked};
use evenkeel_core::vrrp::{Command, Reading};
use tokio::sync::oneshot;

use crate::links::LinkReport;
use crate::socket_opener::OpenedSocket;

/// A message to the driver.
pub(crate) enum Message {
    Configure(Arc<model::Vrrp>),
    Ready,
    /// The main loop moves.
    Alive,
    Tracked(Tracked, Reading),
    Command(Option<String>, Command),
    /// Hand over, then end.
    Stop(oneshot::Sender<()>),
    /// End.
    Quit,
    Link(LinkReport),
    Socket(OpenedSocket),
    Addresses(VrrpReport),
}
