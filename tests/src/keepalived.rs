//! keepalived, for comparison and interoperation.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::lab::Node;
use crate::process::Process;
use crate::wait::{eventually, wait_until};

/// How long it may take to start, and to end after SIGTERM (it waits a second by itself).
const LIMIT: Duration = Duration::from_secs(15);

/// keepalived on one machine. Dropping it kills its processes; its addresses and its services of IPVS stay, as they
/// do when it is killed anywhere.
#[derive(Debug)]
pub struct Keepalived {
    node: Node,
    config: PathBuf,
    vrrp_only: bool,
    process: Option<Process>,
    earlier_logs: String,
}

impl Keepalived {
    /// The program's name, for [`crate::isolated_with`].
    pub const PROGRAM: &str = "keepalived";

    /// VRRP only: its checkers want IPVS, which not every kernel has. Writes the configuration; starts nothing yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(node: &Node, config: &str) -> Result<Self> {
        let mut keepalived = Self::with_ipvs(node, config)?;
        keepalived.vrrp_only = true;
        Ok(keepalived)
    }

    /// The whole of it, with IPVS and checkers. Writes the configuration; starts nothing yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn with_ipvs(node: &Node, config: &str) -> Result<Self> {
        let path = node.dir().join("keepalived.conf");
        fs::write(&path, config)?;
        Ok(Self {
            node: node.clone(),
            config: path,
            vrrp_only: false,
            process: None,
            earlier_logs: String::new(),
        })
    }

    /// Starts keepalived and waits until it takes part in elections. Also after [`Self::kill9`] and [`Self::sigterm`].
    ///
    /// # Errors
    /// When it ends at once or is not there within 15 s, with its log.
    pub fn start(&mut self) -> Result<()> {
        self.keep_log();
        let file = |name: &str| self.node.dir().join(name);
        let kinds = ["", "-vrrp", "-checkers"];
        let [pid, vrrp_pid, checkers_pid] = kinds.map(|kind| format!("keepalived{kind}.pid"));
        for name in [&pid, &vrrp_pid, &checkers_pid] {
            // One that was killed leaves them, and its number may be a zombie's: it would be taken for running.
            let _ = fs::remove_file(file(name));
        }
        let mut command = Command::new(Self::PROGRAM);
        command
            .args([
                "--dont-fork",
                "--log-console",
                "--log-detail",
                "--no-syslog",
            ])
            .args(self.vrrp_only.then_some("--vrrp"))
            .arg("--use-file")
            .arg(&self.config)
            .arg("--pid")
            .arg(file(&pid))
            .arg("--vrrp_pid")
            .arg(file(&vrrp_pid))
            .arg("--checkers_pid")
            .arg(file(&checkers_pid));
        self.process = Some(self.node.spawn("keepalived", command)?);
        eventually("keepalived has started", LIMIT, || {
            let process = self.running()?;
            ensure!(process.is_running()?, "keepalived has ended");
            Ok(process.log().contains("Startup complete").then_some(()))
        })
        .with_context(|| format!("log of keepalived:\n{}", self.log()))
    }

    /// Ends it with SIGTERM and waits for it: a master resigns.
    ///
    /// # Errors
    /// When it does not run, or does not end within 15 s.
    pub fn sigterm(&mut self) -> Result<()> {
        let process = self.running()?;
        process.signal(Signal::SIGTERM)?;
        process.wait(LIMIT)?;
        self.keep_log();
        Ok(())
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.running()?;
        self.kill_all();
        self.keep_log();
        Ok(())
    }

    /// All that it has logged, over restarts.
    #[must_use]
    pub fn log(&self) -> String {
        let now = self.process.as_ref().map(Process::log).unwrap_or_default();
        self.earlier_logs.clone() + &now
    }

    /// Waits until the log has this text, and says how long that took.
    ///
    /// # Errors
    /// After `limit`, with the log.
    pub fn wait_log(&self, text: &str, limit: Duration) -> Result<Duration> {
        wait_until(&format!("keepalived's log says {text:?}"), limit, || {
            Ok(self.log().contains(text))
        })
        .with_context(|| format!("log of keepalived:\n{}", self.log()))
    }

    fn running(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("keepalived was not started")
    }

    /// The parent would start its child again, and the child resigns when its parent dies: so the parent is stopped
    /// first, then the child is killed, then the parent.
    fn kill_all(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        // Whoever is gone already needs no signal.
        let _ = process.signal(Signal::SIGSTOP);
        let children = children(process.pid());
        for &child in &children {
            let _ = kill(child, Signal::SIGKILL);
            // Nobody waits for it while its parent is stopped: its sockets are closed when it has become a zombie.
            while !is_dead(child) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let _ = process.kill9();
        for child in children {
            // Now ours, if this process is the first one of its world.
            let _ = waitpid(child, None);
        }
    }

    fn keep_log(&mut self) {
        if let Some(process) = self.process.take() {
            self.earlier_logs += &process.log();
        }
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// The numbers of a process's children.
fn children(parent: u32) -> Vec<Pid> {
    let file = format!("/proc/{parent}/task/{parent}/children");
    fs::read_to_string(file)
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|number| number.parse().ok().map(Pid::from_raw))
        .collect()
}

fn is_dead(process: Pid) -> bool {
    if kill(process, None) == Err(Errno::ESRCH) {
        return true;
    }
    // `PID (name) STATE ...`
    fs::read_to_string(format!("/proc/{process}/stat"))
        .ok()
        .is_none_or(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
        })
}
