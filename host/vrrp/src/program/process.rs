//! One process and its children: started, signalled and waited for from different threads.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use parking_lot::Mutex;

use super::ended::Ended;
use super::job::Job;
use super::security::check;

/// A program that runs, has ended, or is to be run.
#[derive(Default)]
pub(super) struct Process(Mutex<State>);

#[derive(Default)]
struct State {
    /// While its number cannot be another's: from its start until it has been waited for.
    group: Option<Pid>,
    /// The last signal for it. It gets it as soon as it is there.
    signal: Option<Signal>,
    ended: bool,
}

impl Process {
    /// Starts it and waits for its end. May block for ever.
    pub(super) fn run(&self, job: Job) -> Ended {
        let ended = match self.start(job) {
            Ok(child) => self.wait(child),
            Err(ended) => ended,
        };
        self.0.lock().ended = true;
        ended
    }

    fn start(&self, job: Job) -> Result<Child, Ended> {
        let Some((program, args)) = job.command.split_first() else {
            return Err(Ended::NotStarted(io::ErrorKind::InvalidInput.into()));
        };
        let user = job.user.identity().map_err(Ended::NotStarted)?;
        if user.is_none() {
            check(program).map_err(Ended::Refused)?;
        }
        if self.0.lock().signal.is_some() {
            // Nobody waits for it any more.
            return Err(Ended::NotStarted(io::ErrorKind::TimedOut.into()));
        }
        let mut command = Command::new(program);
        let (out, err) = job.streams().map_err(Ended::NotStarted)?;
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            // The service manager listens to the daemon alone.
            .env_remove("NOTIFY_SOCKET")
            .process_group(0);
        if let Some(environment) = job.environment {
            let path = std::env::var_os("PATH").map(|path| ("PATH".to_owned(), path));
            command
                .env_clear()
                .envs(path)
                .envs(environment)
                .current_dir("/");
        }
        if let Some((user, group)) = user {
            // As root this also leaves the groups of root.
            command.uid(user).gid(group);
        }
        let child = command.spawn().map_err(Ended::NotStarted)?;
        let mut state = self.0.lock();
        state.group = i32::try_from(child.id()).ok().map(Pid::from_raw);
        state.pass_on();
        Ok(child)
    }

    fn wait(&self, mut child: Child) -> Ended {
        let group = self.0.lock().group;
        if let Some(pid) = group {
            // It stays a zombie, so that a signal meets no other process.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(pid), flags) == Err(Errno::EINTR) {}
        }
        let mut state = self.0.lock();
        state.group = None;
        match child.wait() {
            Ok(status) => Ended::By(status),
            Err(error) => Ended::NotStarted(error),
        }
    }

    /// Sends it and its children a signal: now, or as soon as it has started. Never waits.
    pub(super) fn signal(&self, signal: Signal) {
        let mut state = self.0.lock();
        if !state.ended {
            state.signal = Some(signal);
            state.pass_on();
        }
    }
}

impl State {
    fn pass_on(&self) {
        let (Some(group), Some(signal)) = (self.group, self.signal) else {
            return;
        };
        match killpg(group, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => tracing::warn!(%group, error = error.desc(), "cannot end a program"),
        }
    }
}
