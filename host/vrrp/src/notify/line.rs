//! The notify commands of one instance or group, one after the other.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify as Wakeup, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::program::{self, Abandoned, Place};

/// How long one may run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// How many may wait for the one that runs. Then the oldest is left out: the newest say how it is now.
const MAX_WAITING: usize = 16;
/// How many that were killed may still be there, on a file system that does not answer, before no more are begun.
const MAX_STUCK: usize = 4;
/// How long those of the end wait for those before them.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// How long one of the end waits for the one before it, before it begins beside it.
const STOP_INTERVAL: Duration = Duration::from_secs(1);

/// A command that waits.
struct Job {
    command: Vec<String>,
    /// Of the daemon's end.
    last: bool,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// What waits to be run, in order.
pub(super) struct Line {
    /// The instance or group, for the log.
    name: String,
    waiting: Mutex<Waiting>,
    wakeup: Wakeup,
    /// When those of the end may begin, whatever is before them.
    stop_at: watch::Sender<Option<Instant>>,
}

impl Line {
    /// Nothing waits yet.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            waiting: Mutex::default(),
            wakeup: Wakeup::new(),
            stop_at: watch::Sender::new(None),
        }
    }

    /// Has a command run after those that wait already. `last`: it is for the daemon's end, and does not wait long.
    pub(super) fn push(&self, command: Vec<String>, last: bool) {
        let mut waiting = self.waiting.lock();
        if waiting.jobs.len() >= MAX_WAITING
            && let Some(oldest) = waiting.jobs.pop_front()
        {
            self.warn(
                &oldest,
                "is left out: too many wait for one that does not end",
            );
        }
        waiting.jobs.push_back(Job { command, last });
        drop(waiting);
        if last {
            let at = Instant::now() + STOP_PATIENCE;
            self.stop_at
                .send_modify(|stop_at| *stop_at = stop_at.or(Some(at)));
        }
        self.wakeup.notify_one();
    }

    /// No more commands come.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.wakeup.notify_one();
    }

    /// Runs what comes until it is closed and all has ended.
    pub(super) async fn work(&self) {
        let place = Place::default();
        let mut running = JoinSet::new();
        while let Some(job) = self.next().await {
            if place.runs() >= MAX_STUCK {
                self.warn(
                    &job,
                    "is not run: earlier ones do not end although they were killed",
                );
                continue;
            }
            let last = job.last;
            running.spawn(run(self.name.clone(), job.command, place.clone()));
            tokio::select! {
                () = all(&mut running) => {}
                () = self.patience(last) => {}
            }
        }
        all(&mut running).await;
    }

    /// The next command; `None`: that was all. Cancel-safe.
    async fn next(&self) -> Option<Job> {
        loop {
            let hurry = self.stop_at.borrow().is_some_and(|at| at <= Instant::now());
            {
                let mut waiting = self.waiting.lock();
                while let Some(job) = waiting.jobs.pop_front() {
                    if job.last || !hurry {
                        return Some(job);
                    }
                    self.warn(
                        &job,
                        "is left out: the daemon ends, and an earlier one does not",
                    );
                }
                if waiting.closed {
                    return None;
                }
            }
            self.wakeup.notified().await;
        }
    }

    /// So long the next command waits for one.
    async fn patience(&self, last: bool) {
        if last {
            return tokio::time::sleep(STOP_INTERVAL).await;
        }
        let mut stop_at = self.stop_at.subscribe();
        let at = match stop_at.wait_for(Option::is_some).await {
            Ok(at) => *at,
            // Its sender is `self`.
            Err(_) => None,
        };
        match at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    fn warn(&self, job: &Job, what: &str) {
        let command = job.command.first().map_or("", String::as_str);
        tracing::warn!(instance = self.name, command, "notify command {what}");
    }
}

/// Waits for all of them.
async fn all(running: &mut JoinSet<()>) {
    while running.join_next().await.is_some() {}
}

async fn run(instance: String, command: Vec<String>, place: Place) {
    let ended = program::run(&place, &command, COMMAND_TIMEOUT, Abandoned::GoesOn).await;
    let command = command.first().map_or("", String::as_str);
    if ended.well() {
        tracing::debug!(instance, command, "notify command has run");
    } else {
        tracing::warn!(instance, command, "notify command: {ended}");
    }
}
