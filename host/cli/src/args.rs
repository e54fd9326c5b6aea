//! The command line.

pub(crate) mod author;
pub(crate) mod genhash;
pub(crate) mod server;
pub(crate) mod ship;
mod socket;

use std::path::PathBuf;

use author::AuthorCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use evenkeel_daemon::prepare::ConfigSource;
use evenkeel_runtime::wasm::{Compiler, Order};
use genhash::GenhashArgs;
use server::ServerCommand;
use ship::ShipCommand;
use socket::DEFAULT_SOCKET;

/// Where the configuration is looked for.
pub(crate) const DEFAULT_CONFIG: &str = "/etc/evenkeel/evenkeel.toml";

/// A layer-4 load balancer whose packets stay in the kernel and whose policy is plugins.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, after_help = crate::exit::HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// What is logged, as LEVEL or TARGET=LEVEL,...: error, warn, info, debug, trace.
    #[arg(
        long,
        global = true,
        env = "EVENKEEL_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(crate) log: String,

    /// How it is logged.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line of text each.
    Text,
    /// A JSON object each.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Balance, as the configuration says, until SIGTERM. SIGHUP reads the configuration again.
    ///
    /// When it ends, however it ends, the kernel's rules stay and traffic goes on; the next start takes them over. With VRRP,
    /// SIGTERM hands the virtual addresses over to the other director first.
    /// FILE may be a keepalived.conf, too.
    Run(ConfigArgs),

    /// Check a configuration and this machine without touching anything.
    ///
    /// As root it keeps the plugins that it compiles in the daemon's cache, so that a start needs no time for that.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Check the file and its plugins only, not this machine.
        #[arg(long)]
        no_preflight: bool,
    },

    /// Say how a connection to a service travels, and print the commands that its real servers need.
    ///
    /// Reads the configuration; the daemon need not run. What can be seen from this machine is checked, and nothing is changed.
    Explain {
        /// The name of the service; without one, all are listed.
        service: Option<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },

    /// Show the VRRP instances, and the virtual services with their real servers.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// The daemon's control socket.
        #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
        socket: PathBuf,
    },

    /// Say where connections of a client go, and why.
    ///
    /// Asks the daemon: for the client's connections as the kernel knows them, what services remember of it (persistence), who
    /// decides (plugin, version, sha256), the plan in force, and what would become of the client's next connection: the slot that its
    /// hash has, or that it is the next server's turn. The servers' facts are those of now: earlier ones are not kept.
    /// Without SERVICE: for all services that the client has connections to, or that remember it.
    Why {
        /// The client's address, or one connection's address and port: 192.0.2.9, 192.0.2.9:4000, `[2001:db8::9]:4000`.
        #[arg(value_name = "CLIENT[:PORT]")]
        client: String,
        /// The name of a service: also where the client's next connection would go.
        service: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// The daemon's control socket.
        #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
        socket: PathBuf,
    },

    /// Work with one real server of the running daemon.
    #[command(subcommand)]
    Server(ServerCommand),

    /// Tell the running daemon what to do about VRRP.
    #[command(subcommand)]
    Vrrp(VrrpCommand),

    /// Make an Evenkeel configuration of a keepalived.conf.
    ///
    /// The TOML goes to standard output. Every keyword that is not carried over is listed on standard error, with its line and
    /// what to do instead. `run` and `check` take a keepalived.conf as it is, too.
    Import {
        /// The keepalived.conf. Files that it includes are read as well.
        file: PathBuf,
        /// Write the TOML to this file instead.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// What lines that begin with @NAME are compared with: keepalived's --config-id. By default the host's name.
        #[arg(long, value_name = "NAME")]
        config_id: Option<String>,
    },

    /// Print the sum of a page, as the `http` checker compares it (`md5`).
    ///
    /// Fetches the page as the checker does: one GET without redirection, 16 MiB and 10 s at most. With https any certificate will
    /// do, as with keepalived's genhash: what comes over the network is taken to be the right page, so look at it first.
    #[command(after_help = genhash::EXAMPLES)]
    Genhash(GenhashArgs),

    /// Compile the plugin on standard input to standard output: for this program's own use.
    #[command(hide = true)]
    CompilePlugin(CompileArgs),

    /// Work with plugin files.
    #[command(subcommand)]
    Plugin(PluginCommand),

    /// Remove all that is Evenkeel's from the kernel: its table, and the addresses that it has put on interfaces.
    ///
    /// Established connections of virtual services end. Refused while a daemon runs, which would put everything back.
    Flush {
        /// Name of the nftables table.
        #[arg(long, default_value = "evenkeel")]
        table: String,
    },
}

/// A configuration, and what the command line puts in place of parts of it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub(crate) config: PathBuf,

    /// Look for plugins here, in place of the configuration's `plugin_dirs`. May be given several times.
    #[arg(long = "plugin-dir", value_name = "DIR")]
    pub(crate) plugin_dirs: Vec<PathBuf>,

    /// The control socket, in place of the configuration's `socket`.
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Where the daemon keeps what must last, in place of the configuration's `state_dir`.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

impl From<ConfigArgs> for ConfigSource {
    fn from(args: ConfigArgs) -> Self {
        Self {
            config: args.config,
            plugin_dirs: args.plugin_dirs,
            socket: args.socket,
            state_dir: args.state_dir,
            compiler: Compiler::Child,
        }
    }
}

/// What the compiler may take.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompileArgs {
    /// Processor time, in seconds.
    #[arg(long)]
    processor: u64,
    /// Address space, in bytes.
    #[arg(long)]
    memory: u64,
    /// Machine code, in bytes.
    #[arg(long)]
    code: u64,
    /// Without optimisation.
    #[arg(long)]
    quick: bool,
}

impl From<CompileArgs> for Order {
    fn from(args: CompileArgs) -> Self {
        Self {
            processor: args.processor,
            memory: args.memory,
            code: args.code,
            quick: args.quick,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum VrrpCommand {
    /// Hand the virtual addresses over to the other director, and leave it alone until `resume`. This director takes over again
    /// only if there is no other.
    Resign(VrrpArgs),
    /// Take part in the election again, as configured.
    Resume(VrrpArgs),
}

/// Who is meant.
#[derive(Debug, Args)]
pub(crate) struct VrrpArgs {
    /// The VRRP instance or sync group; without one, all.
    pub(crate) instance: Option<String>,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    #[command(flatten)]
    Author(AuthorCommand),
    #[command(flatten)]
    Ship(ShipCommand),
    /// List the plugins that a configuration could name.
    List {
        /// The configuration whose `plugin_dirs` are meant; without one, the default directories.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Look here instead. May be given several times.
        #[arg(long = "plugin-dir", value_name = "DIR")]
        plugin_dirs: Vec<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a plugin file says about itself: its settings with their defaults.
    ///
    /// What is written in the file is not compiled.
    Inspect {
        /// The plugin file.
        file: PathBuf,
        /// The configuration whose `[plugins] trust` says which signatures count; without one, no key is trusted.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a plugin file of the module that `cargo build --target wasm32-unknown-unknown` has made.
    Pack {
        /// The module.
        module: PathBuf,
        /// Where the plugin is written.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}
