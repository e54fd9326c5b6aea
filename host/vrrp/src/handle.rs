//! The handle of the driver: what the rest of the daemon sees of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::model::{self, Tracked};
use evenkeel_core::vrrp::{Command, Event, GroupReport, InstanceReport, Notified, Reading};
use tokio::sync::{mpsc, oneshot};

use crate::courier;
use crate::driver::{self, Board, Message};
use crate::keeper::KeeperError;
use crate::mailbox::{Sender, mailbox};

/// How long handing over may take. The routers' own bound is 10 s.
const STOP_LIMIT: Duration = Duration::from_secs(12);

/// VRRP as it is running: a thread that sends and hears adverts, with helpers. All methods return at once, except for
/// [`Vrrp::start`] (milliseconds) and [`Vrrp::stop`].
///
/// Dropping it ends the threads without handing over: the addresses stay on this machine, as after a crash.
pub struct Vrrp {
    mail: Sender<Message>,
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
}

/// What the driver tells, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VrrpEvent {
    /// The state of an instance or a sync group has changed: for its notify scripts.
    Notify {
        /// Whether it is a sync group.
        group: bool,
        /// Its name.
        name: String,
        /// The state now.
        state: Notified,
        /// The priority now.
        priority: u8,
    },
    /// All virtual addresses that are on this machine now, whenever that has changed.
    Here(BTreeSet<IpAddr>),
    /// For the log. The driver does not write it itself: whoever writes may have to wait, and adverts do not.
    Log(Event),
}

/// How VRRP is, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VrrpStatus {
    /// The instances, in the order of the configuration.
    pub instances: Vec<InstanceReport>,
    /// The sync groups, in the order of the configuration.
    pub groups: Vec<GroupReport>,
    /// What does not work on this machine: sockets, addresses, frames.
    pub problems: Vec<String>,
    /// Whether adverts have real-time priority.
    pub realtime: bool,
    /// Whether the process's memory is locked.
    pub locked: bool,
}

/// Why VRRP cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum VrrpError {
    /// No thread, or no file descriptors for it.
    #[error("cannot start the threads of VRRP: {0}")]
    Thread(#[source] std::io::Error),
    /// What looks after the addresses cannot be started.
    #[error("cannot look after the virtual addresses: {0}")]
    Keeper(#[from] KeeperError),
}

impl Vrrp {
    /// Starts VRRP in the network namespace of the calling thread. No instance becomes master before [`Vrrp::ready`].
    ///
    /// # Errors
    /// When the system gives no threads or sockets for the helpers. That adverts cannot be sent or heard is no error here,
    /// but a problem of the instance, and may be over later.
    pub fn start(
        config: model::Vrrp,
        events: mpsc::UnboundedSender<VrrpEvent>,
    ) -> Result<Self, VrrpError> {
        let (mail, letters) = mailbox().map_err(VrrpError::Thread)?;
        let board = Arc::new(Board::default());
        let post = courier::start(events).map_err(VrrpError::Thread)?;
        let (started, outcome) = std::sync::mpsc::channel();
        let (to_self, shared) = (mail.clone(), Arc::clone(&board));
        let thread = std::thread::Builder::new()
            .name("vrrp".into())
            .spawn(move || {
                let config = Arc::new(config);
                match driver::Helpers::start(&config, &to_self, letters, post, shared) {
                    Ok(helpers) => {
                        // The caller waits for this.
                        let _ = started.send(Ok(()));
                        drop(to_self);
                        helpers.drive(config);
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            })
            .map_err(VrrpError::Thread)?;
        outcome.recv().unwrap_or_else(|_| {
            let died = std::io::Error::other("the thread ended at once");
            Err(VrrpError::Thread(died))
        })?;
        Ok(Self {
            mail,
            board,
            thread: Some(thread),
        })
    }

    /// Takes a new configuration. Instances that are the same keep their state; those that are gone hand over.
    pub fn configure(&self, config: model::Vrrp) {
        self.mail.send(Message::Configure(Arc::new(config)));
    }

    /// The data plane holds what is configured: from now on instances may become master. Again: nothing.
    pub fn ready(&self) {
        self.mail.send(Message::Ready);
    }

    /// How something tracked is; now, and whenever it changes. Not for interfaces, which the driver watches itself.
    pub fn tracked(&self, what: Tracked, reading: Reading) {
        self.mail.send(Message::Tracked(what, reading));
    }

    /// An operator's word to one instance, or to all.
    pub fn command(&self, instance: Option<String>, command: Command) {
        self.mail.send(Message::Command(instance, command));
    }

    /// How everything is. Counters may be 0.1 s old, states are not.
    #[must_use]
    pub fn status(&self) -> VrrpStatus {
        self.board.read()
    }

    /// Hands over to other routers, takes all virtual addresses away and ends. Returns when that is done, and all events are
    /// sent; after 12 s in any case. Call it inside a tokio runtime.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.mail.send(Message::Stop(done));
        // It fails only when the driver has ended already.
        let _ = tokio::time::timeout(STOP_LIMIT, stopped).await;
    }
}

impl Drop for Vrrp {
    fn drop(&mut self) {
        self.mail.send(Message::Quit);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told so.
            let _ = thread.join();
        }
    }
}
