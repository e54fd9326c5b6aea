//! The keeper: puts what the instances hold on this machine, and takes it away.
//!
//! ```text
//!  driver --hold, release, configure--> Task --desired--> plan --steps--> netlink --> kernel
//!    ^                                   |  ^                                           |
//!    +------------- reports -------------+  +----- machine (what is there) <-- events --+
//! ```
//!
//! It has a thread of its own, because the kernel may keep a change of addresses waiting (for its `rtnl` lock) and no advert may
//! wait with it. What is there is compared with what is wanted whenever one of them changes, so that what someone else takes
//! away is put back, and what another daemon before this one left behind goes.
//!
//! Ours are known by marks in the kernel: [`MARK`] on addresses, [`PROTOCOL`] on routes and rules, [`ALIAS`] on macvlan interfaces.
//! Addresses that are configured as virtual ones belong to VRRP whether they carry the mark or not (another implementation that
//! was killed leaves them), except where the priority is 255: then they are the machine's own.

mod desired;
mod events;
mod machine;
mod macvlan;
mod messages;
mod netlink;
mod plan;
mod sweep;
mod task;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::Duration;

use evenkeel_core::model;
use tokio::sync::mpsc;

pub use sweep::{Swept, remove_all};
use task::{Command, Task};

/// The value of `IFA_PROTO` (`include/uapi/linux/if_addr.h`, Linux 5.18) of virtual addresses; `ip address` shows it as
/// `proto 0x66`.
pub const MARK: u8 = 0x66;

/// The protocol number of our routes and rules (`rtm_protocol`, `FRA_PROTOCOL`); `ip route` shows it as `proto 101`.
/// `include/uapi/linux/rtnetlink.h` gives it to nobody else (keepalived has 18).
pub const PROTOCOL: u8 = 101;

/// What the alias (`IFLA_IFALIAS`, `ip link` shows it) of our macvlan interfaces begins with.
pub(crate) const ALIAS: &str = "evenkeel vrrp";

/// The value of `IFA_PROTO` of the addresses that the daemon assigns for its services. They are never touched here.
const SERVICE_MARK: u8 = 0x65;

/// How long [`Keeper::stop`] waits.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What the keeper tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeeperReport {
    /// The addresses of an instance are on this machine already, and an Evenkeel put them there. They stay until
    /// [`Keeper::hold`] or [`Keeper::release`].
    Found {
        /// The instance.
        instance: String,
    },
    /// The machine was looked at: no more [`Self::Found`] will come.
    Looked,
    /// The addresses of an instance are in place and can be announced: after [`Keeper::hold`], and again whenever one had to be
    /// put back. Those that cannot be put there are in a [`Self::Problem`].
    Held {
        /// The instance.
        instance: String,
    },
    /// What [`Keeper::release`] asked for is done.
    Released {
        /// The instance.
        instance: String,
    },
    /// What cannot be done for an instance, in words; `None`: all is well again. It is tried again.
    Problem {
        /// The instance.
        instance: String,
        /// What.
        text: Option<String>,
    },
    /// All virtual addresses that are on this machine now, whenever that changed.
    Here(BTreeSet<IpAddr>),
}

/// Why the keeper cannot work.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// No thread.
    #[error("cannot start a thread for virtual addresses: {0}")]
    Thread(#[source] std::io::Error),
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[source] std::io::Error),
    /// The kernel did not tell what is there.
    #[error("cannot read the {what} of this machine: {why}")]
    Read {
        /// Addresses, interfaces, routes or rules.
        what: &'static str,
        /// What the kernel said.
        why: String,
    },
}

/// Keeps addresses, routes, rules and macvlan interfaces as the instances need them.
///
/// It works on the network namespace of the thread that started it. Dropping it leaves everything in the kernel as it is.
#[derive(Debug)]
pub struct Keeper {
    commands: mpsc::UnboundedSender<Command>,
}

impl Keeper {
    /// Starts the thread. `reports` is called on it and must not block.
    ///
    /// # Errors
    /// [`KeeperError::Thread`] and [`KeeperError::Socket`].
    pub fn start(reports: impl Fn(KeeperReport) + Send + 'static) -> Result<Self, KeeperError> {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (started, start) = blocking::sync_channel(1);
        std::thread::Builder::new()
            .name("vrrp-keeper".to_owned())
            .spawn(move || run(receiver, reports, &started))
            .map_err(KeeperError::Thread)?;
        // A thread that is gone without a word could not even make its runtime.
        start
            .recv()
            .unwrap_or_else(|gone| Err(KeeperError::Thread(std::io::Error::other(gone))))?;
        Ok(Self { commands })
    }

    /// What is configured. The first time, the machine is looked at: see [`KeeperReport::Found`]. Instances that are held stay
    /// held, with what they have now; those that are gone are released.
    pub fn configure(&self, config: Arc<model::Vrrp>) {
        self.command(Command::Configure(config));
    }

    /// Puts an instance's addresses, routes and rules in place; then [`KeeperReport::Held`].
    pub fn hold(&self, instance: &str) {
        self.command(Command::Hold(instance.to_owned()));
    }

    /// Takes them away; then [`KeeperReport::Released`].
    pub fn release(&self, instance: &str) {
        self.command(Command::Release(instance.to_owned()));
    }

    /// Ends the thread once all that was asked is done, and takes away the macvlan interfaces of instances that are not held.
    /// Blocks, at most five seconds.
    pub fn stop(self) {
        let (done, wait) = blocking::sync_channel(1);
        self.command(Command::Stop(done));
        // Too late, or ended by itself: there is nothing more to wait for.
        let _ = wait.recv_timeout(STOP_LIMIT);
    }

    fn command(&self, command: Command) {
        // Without its thread nothing can be done; it ends only with its runtime.
        let _ = self.commands.send(command);
    }
}

fn run(
    commands: mpsc::UnboundedReceiver<Command>,
    reports: impl Fn(KeeperReport) + Send + 'static,
    started: &blocking::SyncSender<Result<(), KeeperError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(KeeperError::Thread(error)));
            return;
        }
    };
    runtime.block_on(async {
        match Task::open(commands, Box::new(reports)) {
            Ok(task) => {
                let _ = started.send(Ok(()));
                task.run().await;
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
    // A line for the log that cannot be written holds nobody up.
    runtime.shutdown_background();
}
