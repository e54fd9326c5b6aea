//! Evenkeel: a layer-4 load balancer whose packets stay in the kernel and whose policy is plugins.
//!
//! The daemon itself, `evenkeel run`, is the crate `evenkeel-daemon`; the other commands are in [`commands`].

mod args;
mod commands;
mod exit;
mod explain;
mod live;
mod preflight;
mod telemetry;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use args::{Cli, Command, PluginCommand};
use telemetry::Log;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::CompilePlugin(order) = cli.command {
        // Before anything else: it has one thread, little memory, and no log.
        return commands::compile::run(order.into());
    }
    let daemon = matches!(cli.command, Command::Run(_));
    let log = match telemetry::init(&cli.log, cli.log_format, daemon) {
        Ok(log) => log,
        Err(error) => {
            commands::complain(&error, &mut std::io::stderr());
            return exit::code(&error);
        }
    };
    match start(cli.command, &log) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(error) => {
            commands::complain(&error, &mut log.writer());
            exit::code(&error)
        }
    }
}

fn start(command: Command, log: &Log) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => {
            limits::raise_open_files();
            limits::one_heap();
            let daemon = evenkeel_daemon::app::run(args.into(), log.dropped());
            Ok(wait(daemon)??)
        }
        Command::Check {
            config,
            no_preflight,
        } => wait(commands::check::run(config, !no_preflight))?,
        Command::Status { json, socket } => wait(commands::status::run(&socket, json))?,
        Command::Why {
            client,
            service,
            json,
            socket,
        } => wait(commands::why::run(&socket, &client, service, json))?,
        Command::Server(command) => wait(commands::server::run(command))?,
        Command::Vrrp(command) => wait(commands::vrrp::run(command))?,
        Command::Explain { service, config } => wait(commands::explain::run(config, service))?,
        Command::Import {
            file,
            output,
            config_id,
        } => commands::import::run(&file, output.as_deref(), config_id.as_deref()),
        Command::Genhash(args) => wait(commands::genhash::run(args))?,
        Command::Plugin(PluginCommand::List {
            config,
            plugin_dirs,
            json,
        }) => commands::plugin::list(config.as_deref(), &plugin_dirs, json),
        Command::Plugin(PluginCommand::Inspect { file, config, json }) => {
            commands::plugin::inspect(&file, config.as_deref(), json)
        }
        Command::Plugin(PluginCommand::Pack { module, output }) => {
            commands::plugin::pack(&module, &output)
        }
        Command::CompilePlugin(_) => anyhow::bail!("bug: this command is run before the log is"),
        Command::Plugin(PluginCommand::Author(command)) => commands::plugin::author::run(command),
        Command::Plugin(PluginCommand::Ship(command)) => commands::plugin::ship::run(command),
        Command::Flush { table } => wait(commands::flush::run(&table))?,
    }
}

/// Files that do not answer are waited for no longer than this at the end: the process ends without them.
const LAST_READS: Duration = Duration::from_secs(1);

/// Waits for a task, with threads for it.
///
/// # Errors
/// When there can be no threads.
fn wait<T>(task: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(task);
    // Dropping it would wait for every file that is being read, be it on a disk that is gone.
    runtime.shutdown_timeout(LAST_READS);
    Ok(outcome)
}

/// Threads for tasks as many as cores; some more on which plugins may be asked and files be read.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(2))
        .max_blocking_threads(2 * cores + 6)
        .thread_name("evenkeel")
        .enable_all()
        .build()?)
}

mod limits {
    //! Limits of the process.

    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use tracing::debug;

    /// Lets all threads allocate from one heap.
    ///
    /// glibc gives threads heaps of their own, and each reload runs on another thread: with ten thousand services, six
    /// reloads left 350 MB behind in heaps that nobody used any more. Nothing here allocates so much at the same time
    /// that it would be felt.
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "only the C library can be told")]
    pub(crate) fn one_heap() {
        // SAFETY: it sets a number, and no other thread has been started yet.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }

    /// Other C libraries have one heap as it is.
    #[cfg(not(target_env = "gnu"))]
    pub(crate) fn one_heap() {}

    /// A check needs a descriptor, and there may be thousands under way.
    pub(crate) fn raise_open_files() {
        let raised = getrlimit(Resource::RLIMIT_NOFILE)
            .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
        if let Err(error) = raised {
            debug!(%error, "cannot raise the limit of open files");
        }
    }
}
