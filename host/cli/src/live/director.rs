//! The director: this program as a daemon, with a configuration of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use evenkeel_core::manifest::PluginKind;
use evenkeel_daemon::control;
use evenkeel_daemon::status::Status;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::scene::{SERVICE, Subject, server};
use crate::args::author::RunArgs;
use crate::exit::{self, Failed};

/// How long it may take to be ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(50);
/// What it logs: what is wrong, and what plugins say.
const LOG: &str = "warn,plugin=info";

/// A daemon that runs. Dropping it ends it.
pub(super) struct Director {
    child: Child,
    socket: PathBuf,
}

impl Director {
    /// Starts it in the calling thread's network; its log goes to standard error.
    pub(super) fn start(args: &RunArgs, subject: &Subject, directory: &Path) -> Result<Self> {
        let config = directory.join("evenkeel.toml");
        fs::write(&config, configuration(args, subject, directory))?;
        // Whatever becomes of this thread, the daemon is not left behind.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(std::env::current_exe()?)
            .args(["--log", LOG, "run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the director by setpriv (of util-linux)")?;
        Ok(Self {
            child,
            socket: directory.join("socket"),
        })
    }

    /// Waits until the kernel holds the service.
    pub(super) async fn wait(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Ok(status) = control::status(&self.socket).await
                && status.settled
            {
                return Ok(());
            }
            self.is_there()?;
            if Instant::now() >= end {
                let message = format!("the director is not ready within {PATIENCE:?}");
                return Err(Failed::new(exit::FAILURE, message).into());
            }
            sleep(RETRY).await;
        }
    }

    /// How everything is.
    pub(super) async fn status(&mut self) -> Result<Box<Status>> {
        self.is_there()?;
        Ok(control::status(&self.socket).await?)
    }

    fn is_there(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(ended(status).into()),
        }
    }

    /// Has it end.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let Ok(pid) = i32::try_from(self.child.id()) else {
            return Ok(());
        };
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() && Instant::now() < end {
            sleep(RETRY).await;
        }
        Ok(())
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// It has said why.
fn ended(status: ExitStatus) -> Failed {
    let code = match status.code() {
        Some(code) if code == i32::from(exit::CONFIG) => exit::CONFIG,
        _ => exit::FAILURE,
    };
    Failed::new(code, format!("the director has ended: {status}"))
}

fn configuration(args: &RunArgs, subject: &Subject, directory: &Path) -> String {
    let here = |name: &str| quoted(&directory.join(name));
    // The configuration's paths start from its own directory.
    let shipped = args.shipped.canonicalize().ok();
    let has_tcp = shipped
        .as_ref()
        .is_some_and(|it| it.join("tcp.wasm").exists());
    let mut dirs = vec![here("plugins")];
    dirs.extend(shipped.map(|it| quoted(&it)));
    let settings = &args.settings;
    let own = format!(
        "{{ plugin = \"{}\", settings = {{ {settings} }}",
        subject.name
    );
    let cache = args.cache.as_ref().and_then(|it| it.canonicalize().ok());
    let cache = cache.map_or_else(String::new, |it| format!("cache_dir = {}\n", quoted(&it)));
    let times = "interval = \"500ms\", timeout = \"500ms\", retries = 0";
    let (scheduler, check) = match subject.kind {
        PluginKind::Scheduler if has_tcp => (
            format!("{own} }}"),
            format!("{{ plugin = \"tcp\", {times} }}"),
        ),
        PluginKind::Scheduler => (format!("{own} }}"), "\"none\"".to_owned()),
        PluginKind::Checker => ("\"rr\"".to_owned(), format!("{own}, {times} }}")),
    };
    let mut text = format!(
        "plugin_dirs = [{}]\n{cache}state_dir = {}\nsocket = {}\n\n[[service]]\nname = \"live\"\n\
         listen = \"{SERVICE}\"\nscheduler = {scheduler}\ncheck = {check}\n",
        dirs.join(", "),
        here("state"),
        here("socket"),
    );
    // Writing to a String does not fail.
    if let Some(decision) = args.decision {
        let _ = writeln!(
            text,
            "decision = \"{}\"",
            evenkeel_core::manifest::Decision::from(decision)
        );
    }
    for number in 0..args.servers {
        let weight = args.weights.get(usize::from(number)).copied().unwrap_or(1);
        let _ = write!(
            text,
            "\n[[service.server]]\nname = \"server{}\"\naddress = \"{}\"\nweight = {weight}\n",
            number + 1,
            server(number)
        );
    }
    text
}

/// A path as TOML writes it: JSON's escapes are among TOML's.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}
