//! The address manager: puts addresses, routes, rules and macvlan interfaces on this machine, and takes them away.
//!
//! ```text
//!  daemon --services' addresses--+                                    +--> forwarder (thread) --> daemon, log
//!  VRRP ----hold, release--------+--> task --desired--> plan --steps--+--> VRRP: reports
//!                                      ^                              v
//!                                      +--- machine <-- events --- kernel (rtnetlink)
//! ```
//!
//! It has a thread of its own, because the kernel may keep a change of addresses waiting (for its `rtnl` lock) and no
//! advert may wait with it. What is there is compared with what is wanted whenever one of them changes, so that what
//! someone else takes away is put back, and what another daemon before this one left behind goes.
//!
//! There are two kinds of owners ([`Owner`](crate::Owner)). Nothing of an owner is touched before it has said what it
//! wants. What Evenkeel has put there is known by marks in the kernel ([`crate::SERVICE_MARK`], [`crate::VRRP_MARK`],
//! [`crate::PROTOCOL`]).

mod announcer;
mod commands;
mod log;
mod services;
mod task;
mod vrrp;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::Duration;

use evenkeel_core::model::Vrrp;
use tokio::sync::mpsc;

use crate::channel::{Sender, channel, forwarder};
use crate::desired::ServiceAddress;
use crate::error::AddressError;
use crate::reports::{ManagerCommand, ManagerReport, VrrpAttachment, VrrpCommand, VrrpReport};
use log::{Outbox, Outgoing};
use task::ManagerTask;

/// How long [`VrrpAddresses::stop`] waits.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Wait before another attempt at handing over the last command.
const BUSY_DELAY: Duration = Duration::from_millis(1);

/// The daemon's handle. The thread ends when all clones of it are dropped, and leaves everything in the kernel as it
/// is. No method but [`AddressManager::start`] waits.
#[derive(Debug, Clone)]
pub struct AddressManager {
    commands: mpsc::UnboundedSender<ManagerCommand>,
}

impl AddressManager {
    /// Starts the thread, in the network namespace of the calling one. `reports` is called on another thread, and may
    /// block.
    ///
    /// # Errors
    /// [`AddressError::Thread`] and [`AddressError::Socket`].
    pub fn start(
        mut reports: impl FnMut(ManagerReport) + Send + 'static,
    ) -> Result<Self, AddressError> {
        let forwarder = forwarder("address-events", move |outgoing| match outgoing {
            Outgoing::Report(report) => reports(report),
            Outgoing::Log(line) => line.write(),
        })
        .map_err(AddressError::Thread)?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let (started, start) = blocking::sync_channel(1);
        std::thread::Builder::new()
            .name("addresses".to_owned())
            .spawn(move || run(receiver, Outbox::new(forwarder), &started))
            .map_err(AddressError::Thread)?;
        // A thread that is gone without an answer could not even make its runtime.
        start
            .recv()
            .unwrap_or_else(|gone| Err(AddressError::Thread(std::io::Error::other(gone))))?;
        Ok(Self { commands })
    }

    /// The services that have an address on an interface, or whose address is a virtual one of VRRP. Before the first
    /// time, no service's address is touched. What is told before [`VrrpAddresses::configure`] holds for that
    /// configuration.
    pub fn services(&self, addresses: Vec<ServiceAddress>) {
        self.command(ManagerCommand::Services(addresses));
    }

    /// Begins to manage what VRRP has. Nothing of it is touched before [`VrrpAddresses::configure`]. `reports` is
    /// called on the address manager's thread and must not block; `prepare_thread` is called once on it, and may give
    /// it another priority.
    ///
    /// # Errors
    /// [`AddressError::Thread`]: no file descriptors.
    pub fn attach_vrrp(
        &self,
        reports: impl Fn(VrrpReport) + Send + 'static,
        prepare_thread: impl FnOnce() + Send + 'static,
    ) -> Result<VrrpAddresses, AddressError> {
        let (sender, commands) = channel().map_err(AddressError::Thread)?;
        self.command(ManagerCommand::AttachVrrp(VrrpAttachment {
            commands,
            reports: Box::new(reports),
            prepare_thread: Box::new(prepare_thread),
        }));
        Ok(VrrpAddresses {
            commands: sender,
            waiting: VecDeque::new(),
        })
    }

    /// No VRRP is configured: what one before left in the kernel goes.
    pub fn flush_vrrp(&self) {
        self.command(ManagerCommand::FlushVrrp);
    }

    fn command(&self, command: ManagerCommand) {
        // Without its thread nothing can be done; it ends only with its runtime.
        let _ = self.commands.send(command);
    }
}

/// VRRP's handle. No method but [`VrrpAddresses::stop`] waits for anything: where a command cannot be handed over at
/// once, it is kept for [`VrrpAddresses::hand_over`].
///
/// Dropping it leaves everything in the kernel as it is.
#[derive(Debug)]
pub struct VrrpAddresses {
    commands: Sender<VrrpCommand>,
    waiting: VecDeque<VrrpCommand>,
}

impl VrrpAddresses {
    /// What is configured. The first time, the machine is looked at: see [`VrrpReport::Found`]. Instances that are held
    /// stay held, with what they have now; those that are gone are released.
    pub fn configure(&mut self, config: Arc<Vrrp>) {
        self.command(VrrpCommand::Configure(config));
    }

    /// Puts an instance's addresses, routes and rules in place; then [`VrrpReport::Held`].
    pub fn hold(&mut self, instance: &str) {
        self.command(VrrpCommand::Hold(instance.to_owned()));
    }

    /// Takes them away; then [`VrrpReport::Released`].
    pub fn release(&mut self, instance: &str) {
        self.command(VrrpCommand::Release(instance.to_owned()));
    }

    /// Hands over what is kept; `false`: not now, try again soon.
    pub fn hand_over(&mut self) -> bool {
        self.commands.try_send(&mut self.waiting)
    }

    /// Ends the management of what VRRP has, once all that was asked is done, and takes away the macvlan interfaces of
    /// instances that are not held. Blocks, at most five seconds.
    pub fn stop(mut self) {
        let (done, wait) = blocking::sync_channel(1);
        self.command(VrrpCommand::Stop(done));
        while !self.hand_over() {
            std::thread::sleep(BUSY_DELAY);
        }
        // Too late, or ended by itself: there is nothing more to wait for.
        let _ = wait.recv_timeout(STOP_TIMEOUT);
    }

    fn command(&mut self, command: VrrpCommand) {
        self.waiting.push_back(command);
        self.hand_over();
    }
}

fn run(
    commands: mpsc::UnboundedReceiver<ManagerCommand>,
    outbox: Outbox,
    started: &blocking::SyncSender<Result<(), AddressError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(AddressError::Thread(error)));
            return;
        }
    };
    runtime.block_on(async {
        match ManagerTask::open(commands, outbox) {
            Ok(task) => {
                let _ = started.send(Ok(()));
                task.run().await;
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
}
