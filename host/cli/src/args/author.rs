//! The commands of a plugin's author.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use evenkeel_author::{Kind, Language};
use evenkeel_core::manifest::Decision;

#[derive(Debug, Subcommand)]
pub(crate) enum AuthorCommand {
    /// Begin a plugin: a directory that builds, passes its tests and runs as it is.
    ///
    /// Makes the directory NAME in the current one. All of Evenkeel that it needs is in it: no checkout and no registry. In Rust
    /// (a crate with the SDK) it takes cargo and Rust's library for WebAssembly (rustup target add wasm32-unknown-unknown); in
    /// C (one file, and the contract's header) clang with wasi-libc, or Zig; in Go (packages of the contract) Go 1.25; in
    /// JavaScript npm and componentize-qjs; in Python componentize-py. The README.md in the directory says how to get them.
    /// Then: cd NAME, edit the source, `cargo test` in Rust, `evenkeel plugin build`, `evenkeel plugin test .`
    New {
        /// What the plugin is called in configurations: a-z, 0-9 and -, a letter first.
        name: String,
        /// What it is: a scheduler, which spreads connections, or a checker, which judges servers.
        #[arg(long, value_enum, default_value_t = NewKind::Scheduler)]
        kind: NewKind,
        /// The language it is written in.
        #[arg(long = "lang", value_enum, default_value_t = NewLanguage::Rust)]
        language: NewLanguage,
    },

    /// Compile the plugin in a directory and write NAME.wasm there.
    ///
    /// Runs `cargo build --release` for WebAssembly where there is a Cargo.toml, the C compiler where there is a plugin.c, `go
    /// build` where there is a go.mod, componentize-qjs where there is a plugin.js, and componentize-py where there is a
    /// plugin.py; makes a component of a module, and looks whether it is a plugin. A NAME.wasm of an earlier build stays if
    /// anything fails.
    Build {
        /// The directory with its Cargo.toml, plugin.c, go.mod, plugin.js or plugin.py.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },

    /// Try a plugin file with all that can happen to it in the daemon.
    ///
    /// Runs it in the daemon's own runtime, within the limits of the default `[sandbox]`. A scheduler gets no servers, one, a
    /// thousand, weights of 0, random changes and loads, and every answer is checked; a checker gets servers that refuse, hang,
    /// break off and send garbage, on the loopback address. Both get settings of every kind. Ends with 1 if a case fails.
    /// A network of real servers is not needed, nor root.
    Test {
        /// The plugin file, or the directory of its crate, which is built first.
        #[arg(default_value = ".")]
        plugin: PathBuf,
        /// Settings that the plugin is to have, such as 'how = "fast", slots = 64'. Others are tried with all kinds of values.
        #[arg(long, value_name = "TOML", default_value = "")]
        settings: String,
        /// Makes the same random changes again. Printed by each run.
        #[arg(long, value_name = "NUMBER")]
        seed: Option<u64>,
        /// Where the schedulers are that it leaves servers to, if they are not beside it.
        #[arg(
            long = "plugin-dir",
            value_name = "DIR",
            default_value = "/usr/lib/evenkeel/plugins"
        )]
        shipped: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },

    /// Measure what schedulers cost: plans, picks, memory, compiling.
    ///
    /// Shipped ones (rr, wlc, maglev) are measured beside them, as far as the default plugin directory has them. Each takes about
    /// two seconds. Nothing else should use the processor meanwhile.
    Bench {
        /// The plugin files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where the shipped plugins are.
        #[arg(
            long = "plugin-dir",
            value_name = "DIR",
            default_value = "/usr/lib/evenkeel/plugins"
        )]
        shipped: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },

    /// Play a workload to a scheduler: who gets how much, how even that is, who is moved by changes.
    ///
    /// Nothing is sent and no root is needed: servers, clients and the kernel are played, at a speed of their own; the director and
    /// the plugin's runtime are the daemon's. The same seed has the same outcome. Two plugins get the same connections.
    ///
    /// A workload is a TOML file: `[[server]]` with name, weight, capacity, speed, latency, labels; `[clients]` with count, rate,
    /// arrivals ("random", "even") and choice ("uniform", { zipf = 1.0 }); lifetime = { constant | exponential = "2s" } or
    /// { pareto = { mean = "2s", shape = 1.5 } }; `[[event]]` with at and one of fail, return, drain, remove, weight, add, rate;
    /// duration, seed, detection, check_interval, closing. Only `[[server]]` with a name must be there.
    ///
    /// Load is open connections for the weight. DUE is the share that the weights come to, as long as the server was in the pool.
    /// Clients move where a plan hashes: those that had to, since their server has failed or has less weight, or another one has
    /// more, and all others.
    Simulate(SimulateArgs),

    /// Run a plugin live: a director, real servers and clients in a private network of this machine.
    ///
    /// Connections are real, and so are nftables and the director, which is this program. The network is a namespace that goes
    /// when the command ends; nothing outside is touched. It needs root (or `unshare --user --map-root-user`). Each second shows
    /// what each server got, and what the plugin logs; Ctrl-C ends it. With --watch and the directory of the source the plugin
    /// is built whenever that has changed, and takes over while connections go on; one that cannot leaves the one before.
    ///
    /// A checker is run beside the shipped rr, and judges the servers; a scheduler has them checked by the shipped tcp, if that
    /// is there.
    Run(RunArgs),
}

/// What `run` is to do.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The plugin file, or the directory of its source, which is built first.
    #[arg(default_value = ".")]
    pub(crate) plugin: PathBuf,
    /// Build and swap whenever the source has changed.
    #[arg(long)]
    pub(crate) watch: bool,
    /// The plugin's settings, such as 'how = "fast"'.
    #[arg(long, value_name = "TOML", default_value = "")]
    pub(crate) settings: String,
    /// How the scheduler is followed; by default the first way that it offers.
    #[arg(long, value_enum)]
    pub(crate) decision: Option<SimulateDecision>,
    /// Real servers: server1, server2, ...
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=200))]
    pub(crate) servers: u8,
    /// Their weights, from server1 on; 1 where none is given.
    #[arg(long, value_name = "WEIGHT,...", value_delimiter = ',')]
    pub(crate) weights: Vec<u16>,
    /// New connections a second, at random, from thousands of clients.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) rate: u32,
    /// How long a connection is open, on average; how long each is random.
    #[arg(long, value_name = "TIME", default_value = "200ms")]
    pub(crate) lifetime: humantime::Duration,
    /// Have the servers fail one after the other, each for three of eight seconds.
    #[arg(long)]
    pub(crate) failures: bool,
    /// End after so many seconds.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seconds: Option<u64>,
    /// Where the shipped plugins are.
    #[arg(
        long = "plugin-dir",
        value_name = "DIR",
        default_value = "/usr/lib/evenkeel/plugins"
    )]
    pub(crate) shipped: PathBuf,
    /// Where compiled plugins are kept, in place of the daemon's own directory.
    #[arg(long = "cache-dir", value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// As JSON: a line for each second, and one with the sum.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `simulate` is to do.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A plugin file, or the name of a shipped plugin; two are shown beside each other.
    #[arg(required = true, num_args = 1..=2, value_name = "FILE|NAME")]
    pub(crate) plugins: Vec<String>,
    /// What is played: a TOML file. `--example` prints one with every key.
    #[arg(long, value_name = "FILE")]
    pub(crate) workload: Option<PathBuf>,
    /// Another seed than the workload's: other connections of the same kind.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u32>,
    /// The first plugin's settings, such as 'size = 251'; given twice, also the second one's.
    #[arg(long, value_name = "TOML")]
    pub(crate) settings: Vec<String>,
    /// How the scheduler is followed; by default the first way that it offers.
    #[arg(long, value_enum)]
    pub(crate) decision: Option<SimulateDecision>,
    /// Write a chart to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Where plugins are that are given by name.
    #[arg(
        long = "plugin-dir",
        value_name = "DIR",
        default_value = "/usr/lib/evenkeel/plugins"
    )]
    pub(crate) shipped: PathBuf,
    /// As JSON, with what was counted over time.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the default workload, in the form in which others are written, and end.
    #[arg(long, exclusive = true)]
    pub(crate) example: bool,
}

/// How a scheduler is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimulateDecision {
    Plan,
    PerConnection,
}

impl From<SimulateDecision> for Decision {
    fn from(decision: SimulateDecision) -> Self {
        match decision {
            SimulateDecision::Plan => Self::Plan,
            SimulateDecision::PerConnection => Self::PerConnection,
        }
    }
}

/// What `new` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewKind {
    Scheduler,
    Checker,
}

/// What it is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewLanguage {
    Rust,
    C,
    Go,
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    Python,
}

impl From<NewLanguage> for Language {
    fn from(language: NewLanguage) -> Self {
        match language {
            NewLanguage::Rust => Self::Rust,
            NewLanguage::C => Self::C,
            NewLanguage::Go => Self::Go,
            NewLanguage::JavaScript => Self::JavaScript,
            NewLanguage::Python => Self::Python,
        }
    }
}

impl From<NewKind> for Kind {
    fn from(kind: NewKind) -> Self {
        match kind {
            NewKind::Scheduler => Self::Scheduler,
            NewKind::Checker => Self::Checker,
        }
    }
}
