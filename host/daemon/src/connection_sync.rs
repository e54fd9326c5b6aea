//! Copying of connections to the other director: IPVS's own sync daemons, which follow the role of a VRRP instance.
//!
//! The master's sends, any other's takes in. They are the kernel's and outlive this process. Starting one can wait for the kernel, so a thread
//! does that.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::model::ConnectionSync;
use evenkeel_core::vrrp::Notified;
use evenkeel_ipvs::{Client, Role, SyncDaemon};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

/// How often the kernel is looked at unasked.
const LOOK: Duration = Duration::from_secs(30);
/// How soon after a failure: an interface that is to come up, for example.
const AGAIN: Duration = Duration::from_secs(2);

/// How long the end of the process waits for the kernel at most.
const ENDING: Duration = Duration::from_secs(2);

/// What `status` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReport {
    /// `master`: sends; `backup`: takes in; none before the VRRP instance has a role.
    pub(crate) role: Option<String>,
    /// The interface.
    pub(crate) interface: String,
    /// Which pair.
    pub(crate) id: u8,
    /// Why it does not run.
    pub(crate) problem: Option<String>,
}

/// See the module's documentation. What it has started goes on when it is dropped.
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
        if self.config.as_ref() == config {
            return;
        }
        self.config = config.cloned();
        self.role = config.and_then(|it| role(&it.vrrp)).map(of_state);
        self.tell();
    }

    /// The state of a VRRP instance has changed.
    pub(crate) fn follow(&mut self, instance: &str, state: Notified) {
        let ours = self.config.as_ref().is_some_and(|it| it.vrrp == instance);
        let role = Some(of_state(state));
        if ours && self.role != role {
            self.role = role;
            self.tell();
        }
    }

    /// What `status` shows; `None`: nothing is configured.
    pub(crate) fn report(&self) -> Option<SyncReport> {
        let config = self.config.as_ref()?;
        let problem = self.problem.lock();
        Some(SyncReport {
            role: self.role.map(|role| role.to_string()),
            interface: config.interface.clone(),
            id: config.id,
            problem: problem.unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }

    /// The daemon ends, and the other director is master: from now on its connections are taken in, so that they are known here when this
    /// one comes back. Waits for the kernel, but not for long.
    pub(crate) async fn finish(mut self) {
        if let Some(config) = self.config.clone() {
            self.follow(&config.vrrp, Notified::Stop);
        }
        // Without a sender the thread ends, after what it was told last.
        self.wanted = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let ended = tokio::task::spawn_blocking(move || thread.join());
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            warn!("the kernel takes long to end the copying of connections");
        }
    }

    fn tell(&mut self) {
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
            let worker = Worker {
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

/// One step from the daemons that run to those that should.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Stop(Role),
    Start(SyncDaemon),
}

/// What is to be done where these run. Nothing that runs as wanted is touched.
fn steps(running: &[SyncDaemon], wanted: Option<&SyncDaemon>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut there = false;
    for daemon in running {
        if wanted.is_some_and(|wanted| serves(daemon, wanted)) {
            there = true;
        } else {
            steps.push(Step::Stop(daemon.role));
        }
    }
    if let Some(wanted) = wanted.filter(|_| !there) {
        steps.push(Step::Start(wanted.clone()));
    }
    steps
}

/// Whether a daemon is as wanted; what is not said is the kernel's choice.
fn serves(running: &SyncDaemon, wanted: &SyncDaemon) -> bool {
    fn same<T: PartialEq>(is: Option<&T>, should: Option<&T>) -> bool {
        should.is_none() || is.is_none() || is == should
    }
    running.role == wanted.role
        && running.interface == wanted.interface
        && running.id == wanted.id
        && same(running.max_len.as_ref(), wanted.max_len.as_ref())
        && same(running.group.as_ref(), wanted.group.as_ref())
        && same(running.port.as_ref(), wanted.port.as_ref())
        && same(running.ttl.as_ref(), wanted.ttl.as_ref())
}

struct Worker {
    problem: Arc<Mutex<Option<String>>>,
}

impl Worker {
    fn run(self, requests: &mpsc::Receiver<Option<SyncDaemon>>) {
        let mut wanted = None;
        let mut pause = LOOK;
        loop {
            match requests.recv_timeout(pause) {
                // Only the last word counts.
                Ok(request) => wanted = requests.try_iter().last().unwrap_or(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let outcome = reconcile(wanted.as_ref());
            pause = if outcome.is_ok() { LOOK } else { AGAIN };
            self.note(outcome.err().map(|error| error.to_string()));
        }
    }

    /// Keeps a problem for `status`, and logs a new one.
    fn note(&self, problem: Option<String>) {
        let mut before = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = problem.as_ref().filter(|_| *before != problem) {
            warn!(
                problem,
                "connections are not copied to the other director; trying again"
            );
        }
        *before = problem;
    }
}

fn reconcile(wanted: Option<&SyncDaemon>) -> Result<(), evenkeel_ipvs::Error> {
    let mut client = Client::open()?;
    for step in steps(&client.sync_daemons()?, wanted) {
        match step {
            Step::Stop(role) => client.stop_sync(role)?,
            Step::Start(daemon) => {
                client.start_sync(&daemon)?;
                info!(
                    role = %daemon.role,
                    interface = daemon.interface,
                    id = daemon.id,
                    "copying of connections"
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(role: Role) -> SyncDaemon {
        SyncDaemon {
            role,
            interface: "eth0".into(),
            id: 51,
            max_len: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    /// As the kernel tells it: with its own choices.
    fn told(role: Role) -> SyncDaemon {
        SyncDaemon {
            max_len: Some(1472),
            group: Some([224, 0, 0, 81].into()),
            port: Some(8848),
            ttl: Some(1),
            ..sync(role)
        }
    }

    #[test]
    fn what_runs_as_wanted_is_left_alone() {
        assert_eq!(steps(&[told(Role::Master)], Some(&sync(Role::Master))), []);
    }

    #[test]
    fn a_new_role_ends_the_old_daemon_first() {
        assert_eq!(
            steps(&[told(Role::Backup)], Some(&sync(Role::Master))),
            [Step::Stop(Role::Backup), Step::Start(sync(Role::Master))]
        );
    }

    #[test]
    fn another_pairs_number_or_another_port_is_another_daemon() {
        let mut other = told(Role::Master);
        other.id = 52;
        let wanted = sync(Role::Master);
        let anew = [Step::Stop(Role::Master), Step::Start(wanted.clone())];
        assert_eq!(steps(&[other], Some(&wanted)), anew);
        let port = SyncDaemon {
            port: Some(9000),
            ..wanted
        };
        let anew = [Step::Stop(Role::Master), Step::Start(port.clone())];
        assert_eq!(steps(&[told(Role::Master)], Some(&port)), anew);
    }

    #[test]
    fn what_is_no_longer_wanted_ends() {
        let both = [told(Role::Master), told(Role::Backup)];
        let ends = [Step::Stop(Role::Master), Step::Stop(Role::Backup)];
        assert_eq!(steps(&both, None), ends);
    }

    #[test]
    fn only_a_master_sends() {
        assert_eq!(of_state(Notified::Master), Role::Master);
        for state in [Notified::Backup, Notified::Fault, Notified::Stop] {
            assert_eq!(of_state(state), Role::Backup);
        }
    }
}
