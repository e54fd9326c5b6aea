//! Copying of connections to the other director: IPVS's own sync daemons, which follow the role of a VRRP instance.
//!
//! The master's sends, any other's takes in. They are the kernel's and outlive this process. Starting one can wait
//! for the kernel, so a thread does that.

mod record;
mod steps;
mod thread;

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::model::ConnectionSync;
use evenkeel_core::vrrp::Notified;
use evenkeel_ipvs::{Role, SyncDaemon};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::warn;

use thread::SyncThread;
pub use thread::end_ours;

/// How long the end of the daemon waits for the kernel at most.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// What `status` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReport {
    /// `master`: sends; `backup`: takes in; none before the VRRP instance has a role.
    pub role: Option<String>,
    /// The interface.
    pub interface: String,
    /// Which pair.
    pub id: u8,
    /// Why it does not run.
    pub problem: Option<String>,
}

/// Has the kernel copy connections as the configuration and the role say. What it has started goes on when this is
/// dropped.
#[derive(Default)]
pub(crate) struct Synchroniser {
    config: Option<ConnectionSync>,
    role: Option<Role>,
    /// The thread's, once there is one.
    wanted: Option<mpsc::Sender<Option<SyncDaemon>>>,
    thread: Option<JoinHandle<()>>,
    problem: Arc<Mutex<Option<String>>>,
}

impl Synchroniser {
    /// What is configured now. `role`: that of a VRRP instance, as far as it has one.
    pub(crate) fn configure(
        &mut self,
        config: Option<&ConnectionSync>,
        role: impl Fn(&str) -> Option<Notified>,
    ) {
        let role = config.and_then(|it| role(&it.vrrp)).map(of_state);
        // An instance that is another router now has no role until it tells one.
        if self.config.as_ref() == config && self.role == role {
            return;
        }
        self.config = config.cloned();
        self.role = role;
        self.send_wanted();
    }

    /// The state of a VRRP instance has changed.
    pub(crate) fn role_changed(&mut self, instance: &str, state: Notified) {
        let ours = self.config.as_ref().is_some_and(|it| it.vrrp == instance);
        let role = Some(of_state(state));
        if ours && self.role != role {
            self.role = role;
            self.send_wanted();
        }
    }

    /// What `status` shows; `None`: nothing is configured.
    pub(crate) fn report(&self) -> Option<SyncReport> {
        let config = self.config.as_ref()?;
        Some(SyncReport {
            role: self.role.map(|role| role.to_string()),
            interface: config.interface.clone(),
            id: config.id,
            problem: self.problem.lock().clone(),
        })
    }

    /// The daemon ends, and the other director is master: from now on its connections are taken in, so that they are
    /// known here when this one comes back. Waits for the kernel, but not for long.
    pub(crate) async fn finish(mut self) {
        if let Some(config) = self.config.clone() {
            self.role_changed(&config.vrrp, Notified::Stop);
        }
        // Without a sender the thread ends, after what it was told last.
        self.wanted = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let ended = tokio::task::spawn_blocking(move || thread.join());
        if tokio::time::timeout(LEAVE_TIMEOUT, ended).await.is_err() {
            warn!("the kernel takes long to end the copying of connections");
        }
    }

    fn send_wanted(&mut self) {
        let wanted = match (&self.config, self.role) {
            (None, _) => None,
            // Until the instance has a role, what an earlier process has started goes on.
            (Some(_), None) => return,
            (Some(config), Some(role)) => Some(daemon(config, role)),
        };
        if wanted.is_none() && self.wanted.is_none() {
            // Never configured: whatever runs is somebody else's.
            return;
        }
        if self.wanted.is_none() {
            let (sender, receiver) = mpsc::channel();
            let worker = SyncThread {
                problem: Arc::clone(&self.problem),
            };
            let started = std::thread::Builder::new()
                .name("connection-sync".into())
                .spawn(move || worker.run(&receiver));
            match started {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => {
                    warn!(%error, "connections are not copied to the other director");
                    return;
                }
            }
            self.wanted = Some(sender);
        }
        if let Some(sender) = &self.wanted {
            // The thread ends only with the process.
            let _ = sender.send(wanted);
        }
    }
}

/// A director that is not master takes in what the master sends, also while it is in fault or ending.
fn of_state(state: Notified) -> Role {
    match state {
        Notified::Master => Role::Master,
        Notified::Backup | Notified::Fault | Notified::Stop => Role::Backup,
    }
}

fn daemon(config: &ConnectionSync, role: Role) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: config.interface.clone(),
        id: config.id,
        max_len: config.max_len,
        group: config.group,
        port: config.port,
        ttl: config.ttl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_master_sends() {
        assert_eq!(of_state(Notified::Master), Role::Master);
        for state in [Notified::Backup, Notified::Fault, Notified::Stop] {
            assert_eq!(of_state(state), Role::Backup);
        }
    }
}
