//! The handle of the driver: what the rest of the daemon sees of it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_addresses::AddressManager;
use evenkeel_addresses::channel::{Sender, channel};
use evenkeel_core::model::{self, Tracked};
use evenkeel_core::vrrp::{Command, Reading};
use tokio::sync::{mpsc, oneshot};

use crate::driver::{Helpers, Message};
use crate::error::VrrpError;
use crate::event::{VrrpEvent, start_forwarder};
use crate::status::{StatusSnapshot, VrrpStatus};

/// How long handing over may take. The routers' own bound is 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);

/// VRRP as it is running: a thread that sends and receives adverts, with helpers. All methods return at once, except
/// for [`Vrrp::start`] (milliseconds) and [`Vrrp::stop`].
///
/// Dropping it ends the threads without handing over: the addresses stay on this machine, as after a crash.
pub struct Vrrp {
    messages: Sender<Message>,
    status: Arc<StatusSnapshot>,
    thread: Option<JoinHandle<()>>,
    /// Dropped after the thread has ended.
    _addresses: AddressManager,
}

impl Vrrp {
    /// Starts VRRP in the network namespace of the calling thread, which is to be that of `addresses`. No instance
    /// becomes master before [`Vrrp::ready`].
    ///
    /// # Errors
    /// When the system gives no threads or sockets for the helpers. That adverts cannot be sent or received is no error
    /// here, but a problem of the instance, and may be over later.
    pub fn start(
        config: model::Vrrp,
        addresses: &AddressManager,
        events: mpsc::UnboundedSender<VrrpEvent>,
    ) -> Result<Self, VrrpError> {
        let (messages, receiver) = channel().map_err(VrrpError::Thread)?;
        let status = Arc::new(StatusSnapshot::default());
        let forwarder = start_forwarder(events).map_err(VrrpError::Thread)?;
        let (started, outcome) = std::sync::mpsc::channel();
        let (to_self, snapshot) = (messages.clone(), Arc::clone(&status));
        let manager = addresses.clone();
        let thread = std::thread::Builder::new()
            .name("vrrp".into())
            .spawn(move || {
                let config = Arc::new(config);
                let helpers =
                    Helpers::start(&config, &manager, &to_self, receiver, forwarder, snapshot);
                match helpers {
                    Ok(helpers) => {
                        // The caller waits for this.
                        let _ = started.send(Ok(()));
                        drop((to_self, manager));
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
            messages,
            status,
            thread: Some(thread),
            _addresses: addresses.clone(),
        })
    }

    /// Takes a new configuration. Instances that are the same keep their state; those that are gone hand over.
    pub fn configure(&self, config: model::Vrrp) {
        self.messages.send(Message::Configure(Arc::new(config)));
    }

    /// The data plane holds what is configured: from now on instances may become master. Again: nothing.
    pub fn ready(&self) {
        self.messages.send(Message::Ready);
    }

    /// The daemon's main loop moves: say so at least once a second while it does. From the first time on, instances
    /// hand over when it has not been said for ten seconds.
    pub fn alive(&self) {
        self.messages.send(Message::Alive);
    }

    /// How something tracked is; now, and whenever it changes. Not for interfaces, which the driver watches itself.
    pub fn tracked(&self, what: Tracked, reading: Reading) {
        self.messages.send(Message::Tracked(what, reading));
    }

    /// An operator's order to one instance, or to all.
    pub fn command(&self, instance: Option<String>, command: Command) {
        self.messages.send(Message::Command(instance, command));
    }

    /// How everything is. Counters may be 0.1 s old, states are not.
    #[must_use]
    pub fn status(&self) -> VrrpStatus {
        self.status.read()
    }

    /// Hands over to other routers, takes all virtual addresses away and ends. Returns when that is done, and all
    /// events are sent; after 12 s in any case. Call it inside a tokio runtime.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.messages.send(Message::Stop(done));
        // It fails only when the driver has ended already.
        let _ = tokio::time::timeout(STOP_TIMEOUT, stopped).await;
    }
}

impl Drop for Vrrp {
    fn drop(&mut self) {
        self.messages.send(Message::Quit);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}
