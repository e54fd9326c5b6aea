//! Notify commands: programs that are run when the state of an instance or a sync group changes.

mod line;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::model::Notify;
use evenkeel_core::vrrp::Notified;
use tokio::task::JoinSet;

use line::Line;

/// How long [`Notifier::finish`] waits.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Whose commands they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Instance,
    Group,
    Service,
}

/// Runs notify commands. Those of one instance, group, service or server run one after the other, in the order of the
/// changes; those of different ones side by side. Nobody waits for them. One that has not ended after 60 s is ended, and the next begins.
/// Of those that wait for it, all but the last 16 are left out.
pub struct Notifier {
    /// What is to be run, of each that has anything.
    lines: BTreeMap<(Kind, String), Arc<Line>>,
    tasks: JoinSet<()>,
}

impl Notifier {
    /// Nothing is to be run yet.
    #[must_use]
    pub fn start() -> Self {
        Self {
            lines: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Has the commands of a state run: the one for the state, and then the one for any. Returns at once. Call it
    /// inside a tokio runtime.
    pub fn tell(
        &mut self,
        notify: &Notify,
        group: bool,
        name: &str,
        state: Notified,
        priority: u8,
    ) {
        for command in commands(notify, group, name, state, priority) {
            let kind = if group { Kind::Group } else { Kind::Instance };
            self.push((kind, name.to_owned()), command, state == Notified::Stop);
        }
    }

    /// Has a command of a service, or of a server (`SERVICE/SERVER`), run. `last`: since the daemon ends. As
    /// [`Self::tell`].
    pub fn run(&mut self, of: &str, command: Vec<String>, last: bool) {
        self.push((Kind::Service, of.to_owned()), command, last);
    }

    fn push(&mut self, of: (Kind, String), command: Vec<String>, last: bool) {
        let tasks = &mut self.tasks;
        let name = of.1.clone();
        let line = self.lines.entry(of).or_insert_with(|| {
            let line = Arc::new(Line::new(&name));
            let worker = Arc::clone(&line);
            tasks.spawn(async move { worker.work().await });
            line
        });
        line.push(command, last);
    }

    /// Waits until all have run, but not longer than five seconds: then those that run go on without the daemon. Those
    /// of [`Notified::Stop`] have begun by then, whatever hangs before them; others that wait after two seconds are
    /// left out.
    pub async fn finish(mut self) {
        for line in self.lines.values() {
            line.close();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH_TIMEOUT, all).await.is_err() {
            tracing::warn!("notify commands still run; the daemon does not wait for them");
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

#[cfg(test)]
mod tests;
