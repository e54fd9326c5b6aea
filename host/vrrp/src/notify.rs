//! Notify scripts: programs that are run when the state of an instance or a sync group changes.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::model::Notify;
use evenkeel_core::vrrp::Notified;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::program::{self, Abandoned};

/// How long one may run.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long [`Notifier::finish`] waits.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs notify scripts. Those of one instance or group run one after the other, in the order of the changes; those of
/// different ones side by side. Nobody waits for them.
#[derive(Debug)]
pub struct Notifier {
    /// Of each instance or group (`true`), what is to be run.
    queues: BTreeMap<(bool, String), mpsc::UnboundedSender<Vec<String>>>,
    tasks: JoinSet<()>,
}

impl Notifier {
    /// Nothing is to be run yet.
    #[must_use]
    pub fn start() -> Self {
        Self {
            queues: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Has the scripts of a state run: the one for the state, and then the one for any. Returns at once. Call it inside
    /// a tokio runtime.
    pub fn tell(
        &mut self,
        notify: &Notify,
        group: bool,
        name: &str,
        state: Notified,
        priority: u8,
    ) {
        for command in commands(notify, group, name, state, priority) {
            let tasks = &mut self.tasks;
            let queue = self
                .queues
                .entry((group, name.to_owned()))
                .or_insert_with(|| {
                    let (sender, receiver) = mpsc::unbounded_channel();
                    tasks.spawn(work(name.to_owned(), receiver));
                    sender
                });
            // It ends only with its runtime.
            let _ = queue.send(command);
        }
    }

    /// Waits until all have run, but not longer than five seconds: then those that run go on without the daemon, and
    /// those that have not begun do not run.
    pub async fn finish(mut self) {
        self.queues.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH_TIMEOUT, all).await.is_err() {
            tracing::warn!("notify scripts still run; the daemon does not wait for them");
        }
    }
}

/// What is to be run, in that order.
fn commands(
    notify: &Notify,
    group: bool,
    name: &str,
    state: Notified,
    priority: u8,
) -> Vec<Vec<String>> {
    let (own, word) = match state {
        Notified::Master => (&notify.master, "MASTER"),
        Notified::Backup => (&notify.backup, "BACKUP"),
        Notified::Fault => (&notify.fault, "FAULT"),
        Notified::Stop => (&notify.stop, "STOP"),
    };
    let mut any = notify.any.clone();
    if !any.is_empty() {
        let kind = if group { "GROUP" } else { "INSTANCE" };
        any.extend([kind, name, word].map(str::to_owned));
        any.push(priority.to_string());
    }
    let mut commands = vec![own.clone(), any];
    commands.retain(|command| !command.is_empty());
    commands
}

async fn work(name: String, mut queue: mpsc::UnboundedReceiver<Vec<String>>) {
    while let Some(command) = queue.recv().await {
        let ended = program::run(&command, SCRIPT_TIMEOUT, Abandoned::GoesOn).await;
        let script = command.first().map_or("", String::as_str);
        if ended.well() {
            tracing::debug!(instance = name, script, "notify script has run");
        } else {
            tracing::warn!(instance = name, script, "notify script: {ended}");
        }
    }
}

#[cfg(test)]
mod tests;
