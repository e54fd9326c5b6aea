//! The commands of a plugin's author.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use evenkeel_author::{Kind, Language};

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
