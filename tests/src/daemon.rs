//! Evenkeel itself, run as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::kernels::on_slow_kernel;
use crate::lab::Node;
use crate::paths::Paths;
use crate::process::Process;
use crate::wait::{eventually, wait_until};
use crate::world::{private_directory, show_at};

/// How long the daemon may take to answer for the first time: it may have to compile plugins.
const READY: Duration = Duration::from_secs(60);
/// The same where everything is slow: in qemu a plugin takes minutes to compile, the first time.
const SLOW_READY: Duration = Duration::from_secs(220);
/// How long it may take to end after SIGTERM.
const END: Duration = Duration::from_secs(15);

/// How the daemon is put ahead of other programs, by `nice`.
const AHEAD: [&str; 2] = ["-n", "-10"];
/// Where the daemon keeps compiled plugins by default.
const CACHE: &str = "/var/cache/evenkeel";

/// The daemon on one machine, with a configuration file, a control socket and plugin directories of its own. Dropping
/// it kills the process; rules stay in the kernel, as after any end of it.
#[derive(Debug)]
pub struct Evenkeel {
    node: Node,
    paths: Paths,
    plugin_dirs: Vec<PathBuf>,
    config: PathBuf,
    socket: PathBuf,
    process: Option<Process>,
    earlier_logs: String,
    environment: Vec<(String, String)>,
    /// Where its standard error goes in place of its log file.
    stderr: Option<PathBuf>,
}

impl Evenkeel {
    /// Writes the configuration; starts nothing yet.
    ///
    /// # Errors
    /// When there is no binary or the file cannot be written.
    pub fn new(node: &Node, config: &str) -> Result<Self> {
        Self::with_paths(node, config, Paths::default())
    }

    /// As [`Self::new`], with what was built found elsewhere.
    ///
    /// # Errors
    /// When there is no binary or the file cannot be written.
    pub fn with_paths(node: &Node, config: &str, paths: Paths) -> Result<Self> {
        ensure!(
            paths.binary.exists(),
            "{} is not built: cargo xtask build --debug",
            paths.binary.display()
        );
        let evenkeel = Self {
            plugin_dirs: vec![paths.plugins.clone()],
            config: node.dir().join("evenkeel.toml"),
            socket: node.dir().join("evenkeel.sock"),
            node: node.clone(),
            paths,
            process: None,
            earlier_logs: String::new(),
            environment: Vec::new(),
            stderr: None,
        };
        evenkeel.configure(config)?;
        Ok(evenkeel)
    }

    /// With a configuration file of this name and content, to the letter: a `keepalived.conf`, say. Where the daemon
    /// keeps compiled plugins by default, this world has the directory that all tests share.
    ///
    /// # Errors
    /// When there is no binary or the file cannot be written.
    pub fn with_file(node: &Node, name: &str, content: &[u8]) -> Result<Self> {
        Self::with_paths(node, "", Paths::default())?.file(name, content)
    }

    /// With this configuration file in place of the one it has; see [`Self::with_file`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn file(mut self, name: &str, content: &[u8]) -> Result<Self> {
        if private_directory(Path::new("/var/cache"))? {
            show_at(&self.paths.cache, Path::new(CACHE))?;
        }
        fs::remove_file(&self.config)?;
        self.config = self.node.dir().join(name);
        fs::write(&self.config, content)?;
        Ok(self)
    }

    /// Looks for plugins here, too.
    #[must_use]
    pub fn plugin_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.plugin_dirs.push(dir.into());
        self
    }

    /// As [`Self::plugin_dir`], from the next start on.
    pub fn add_plugin_dir(&mut self, dir: impl Into<PathBuf>) {
        self.plugin_dirs.push(dir.into());
    }

    /// Looks for plugins in no directory but those added after this.
    #[must_use]
    pub fn no_plugin_dirs(mut self) -> Self {
        self.plugin_dirs.clear();
        self
    }

    /// Sets an environment variable, such as the one for log levels.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Has the daemon log to this file, such as a FIFO.
    #[must_use]
    pub fn stderr(mut self, file: &Path) -> Self {
        self.stderr = Some(file.to_owned());
        self
    }

    /// Replaces the configuration file; the running daemon is not told. Compiled plugins are kept in a directory that
    /// all tests share, unless the text sets `cache_dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, config: &str) -> Result<()> {
        let cache = if config.contains("cache_dir") {
            String::new()
        } else {
            // On the first line, so that line numbers in messages stay those of the caller's text.
            format!("cache_dir = {:?}", self.paths.cache)
        };
        // User-Mode Linux takes what other programs of the machine use for a plugin's processor time.
        let sandbox = if on_slow_kernel() && !config.contains("[sandbox]") {
            "\n[sandbox]\ncall_time = \"5s\"\n"
        } else {
            ""
        };
        let config = config.strip_prefix('\n').unwrap_or(config);
        Ok(fs::write(
            &self.config,
            format!("{cache}\n{config}{sandbox}"),
        )?)
    }

    /// Where the configuration is.
    #[must_use]
    pub fn config_file(&self) -> &Path {
        &self.config
    }

    /// Where the control socket is.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where the daemon keeps what must last.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.node.dir().join("state")
    }

    /// Starts the daemon and waits until it says that the kernel holds what is configured. Also after [`Self::kill9`]
    /// and [`Self::sigterm`].
    ///
    /// # Errors
    /// When it ends at once or does not answer within 60 s, with its log.
    pub fn start(&mut self) -> Result<()> {
        self.start_without_waiting()?;
        let limit = if on_slow_kernel() { SLOW_READY } else { READY };
        eventually("the daemon is ready", limit, || {
            let process = self.running()?;
            if !process.is_running()? {
                return Err(anyhow!("the daemon has ended:\n{}", process.log()));
            }
            let status = self.status().ok();
            Ok(status.filter(|status| status["settled"] == true))
        })
        .map(drop)
        .with_context(|| format!("log of the daemon:\n{}", self.log()))
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start_without_waiting(&mut self) -> Result<()> {
        self.keep_log();
        let mut command = self.command_ahead("run");
        if let Some(file) = &self.stderr {
            let mut shell = Command::new("sh");
            shell.args(["-c", "exec \"$@\" 2>\"$0\""]).arg(file);
            shell.arg(command.get_program()).args(command.get_args());
            let variables = command.get_envs();
            shell.envs(variables.filter_map(|(key, value)| Some((key, value?))));
            command = shell;
        }
        command.arg("--config").arg(&self.config);
        for dir in &self.plugin_dirs {
            command.arg("--plugin-dir").arg(dir);
        }
        command.arg("--socket").arg(&self.socket);
        command.arg("--state-dir").arg(self.state_dir());
        self.process = Some(self.node.spawn("evenkeel", command)?);
        Ok(())
    }

    /// Replaces the configuration and sends SIGHUP.
    ///
    /// # Errors
    /// When the daemon does not run.
    pub fn reload(&mut self, config: &str) -> Result<()> {
        self.configure(config)?;
        self.running()?.signal(Signal::SIGHUP)
    }

    /// Ends the daemon with SIGTERM and waits for it.
    ///
    /// # Errors
    /// When it does not run, or does not end within 15 s.
    pub fn sigterm(&mut self) -> Result<ExitStatus> {
        let process = self.running()?;
        process.signal(Signal::SIGTERM)?;
        let status = process.wait(END)?;
        self.keep_log();
        Ok(status)
    }

    /// Ends the daemon with SIGKILL.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.running()?.kill9()?;
        self.keep_log();
        Ok(())
    }

    /// Makes the daemon hang: it is stopped as by a debugger.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.running()?.signal(Signal::SIGSTOP)
    }

    /// Ends [`Self::pause`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.running()?.signal(Signal::SIGCONT)
    }

    /// Waits for the daemon to end by itself.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.running()?.wait(limit)
    }

    /// The running program.
    ///
    /// # Errors
    /// When it was not started, or has been ended.
    pub fn running(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the daemon was not started")
    }

    /// All that the daemon has logged, over restarts.
    #[must_use]
    pub fn log(&self) -> String {
        let now = self.process.as_ref().map(Process::log).unwrap_or_default();
        self.earlier_logs.clone() + &now
    }

    /// `evenkeel status --json`.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn status(&self) -> Result<Value> {
        let output = self.status_command(&["--json"])?;
        ensure!(
            output.status.success(),
            "status: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// `evenkeel status`, the table.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn status_table(&self) -> Result<String> {
        let output = self.status_command(&[])?;
        ensure!(
            output.status.success(),
            "status: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn status_command(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.command("status");
        command.args(args).arg("--socket").arg(&self.socket);
        self.node.output(command)
    }

    /// What the status says of one server of one service (by name or address), or `None` if it does not name it.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn server(&self, service: &str, server: &str) -> Result<Option<Value>> {
        Ok(find_server(&self.status()?, service, server))
    }

    /// Waits until the status says that a server's health is this (`up`, `down`, `drain`, `unknown`), and says how
    /// long that took.
    ///
    /// # Errors
    /// After `limit`, with the daemon's log.
    pub fn wait_health(
        &self,
        service: &str,
        server: &str,
        health: &str,
        limit: Duration,
    ) -> Result<Duration> {
        wait_until(&format!("{service}: {server} is {health}"), limit, || {
            Ok(self
                .server(service, server)?
                .is_some_and(|found| found["health"] == health))
        })
        .with_context(|| format!("log of the daemon:\n{}", self.log()))
    }

    /// Waits until the status is as wanted, and says how long that took.
    ///
    /// # Errors
    /// After `limit`, with the daemon's log.
    pub fn wait_status(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Value) -> bool,
    ) -> Result<Duration> {
        wait_until(what, limit, || Ok(condition(&self.status()?)))
            .with_context(|| format!("log of the daemon:\n{}", self.log()))
    }

    /// Waits until the log has this text, and says how long that took.
    ///
    /// # Errors
    /// After `limit`, with the daemon's log.
    pub fn wait_log(&self, text: &str, limit: Duration) -> Result<Duration> {
        wait_until(&format!("the log says {text:?}"), limit, || {
            Ok(self.log().contains(text))
        })
        .with_context(|| format!("log of the daemon:\n{}", self.log()))
    }

    /// `evenkeel check` of the configuration as it is now.
    ///
    /// # Errors
    /// When the program cannot be run; whatever it says is in the output.
    pub fn check(&self) -> Result<Output> {
        let mut command = self.command("check");
        command.arg("--config").arg(&self.config);
        for dir in &self.plugin_dirs {
            command.arg("--plugin-dir").arg(dir);
        }
        self.node.output_within(command, READY)
    }

    /// `evenkeel vrrp ORDER`, where the order is `resign` or `resume`.
    ///
    /// # Errors
    /// With what the program said, when it failed.
    pub fn vrrp(&self, order: &str, instance: Option<&str>) -> Result<()> {
        let mut command = self.command("vrrp");
        command.arg(order).args(instance);
        command.arg("--socket").arg(&self.socket);
        let output = self.node.output(command)?;
        ensure!(
            output.status.success(),
            "vrrp {order}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// `evenkeel flush`.
    ///
    /// # Errors
    /// When the program cannot be run; whatever it says is in the output.
    pub fn flush(&self) -> Result<Output> {
        self.node.output(self.command("flush"))
    }

    /// `evenkeel SUBCOMMAND`, to be completed and run on the director's machine.
    #[must_use]
    pub fn command(&self, subcommand: &str) -> Command {
        self.completed(Command::new(&self.paths.binary), subcommand)
    }

    /// The same, ahead of the other programs of this machine where that is allowed: a director has its machine to
    /// itself, and here it shares it with other tests. What it owes within milliseconds, such as heartbeats and
    /// adverts, would wait for them.
    fn command_ahead(&self, subcommand: &str) -> Command {
        if !may_go_ahead() {
            return self.command(subcommand);
        }
        let mut command = Command::new("nice");
        command.args(AHEAD).arg(&self.paths.binary);
        self.completed(command, subcommand)
    }

    fn completed(&self, mut command: Command, subcommand: &str) -> Command {
        command
            .arg(subcommand)
            .envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }

    fn keep_log(&mut self) {
        if let Some(process) = self.process.take() {
            self.earlier_logs += &process.log();
        }
    }
}

/// Whether `nice` can raise a priority here: in a user namespace it cannot, and says so in every log.
fn may_go_ahead() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let tried = Command::new("nice").args(AHEAD).arg("true").output();
        tried.is_ok_and(|it| it.status.success() && it.stderr.is_empty())
    })
}

fn find_server(status: &Value, service: &str, server: &str) -> Option<Value> {
    let service = status["services"]
        .as_array()?
        .iter()
        .find(|it| it["name"] == service)?;
    let servers = service["servers"].as_array()?;
    servers
        .iter()
        .find(|it| it["name"] == server || it["address"] == server)
        .cloned()
}
