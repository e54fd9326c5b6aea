//! Tasks of the project. `cargo xtask --help` lists them.
#![expect(
    clippy::print_stdout,
    reason = "telling what it does is half of what a task does"
)]

mod args;
mod build;
mod ci;
mod clippy;
mod gallery;
mod lab;
mod lint;
mod native;
mod setup;
mod structure;
mod test;
mod toolchain;
mod wasm;

use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::cmd::{self, cargo};

use crate::args::Args;

const HELP: &str = "Tasks of the Evenkeel project

Usage: cargo xtask TASK [OPTION]...

  setup                   Installs what is missing: Debian packages and the WASM standard library. The other tasks
                          do this, too
  build                   Builds target/release/evenkeel, and the plugins into target/plugins/
      --debug             Builds target/debug/evenkeel: sooner built, slower to start
      --plugins-only      Builds the plugins only
  test [FILTER]           Runs every test, the end-to-end ones included; with FILTER those whose name contains it
      --all               Also those that need Debian's own kernel, which starts in qemu for them (several minutes), and
                          those of the release build: registries, and plugins in Go, JavaScript and Python
      --profile NAME      The profile of .config/nextest.toml
  ci                      All that has to pass before a change is taken: format, lints, documentation, tests
  structure               The structure of the sources: no circle of files, no file that is too long, pure crates
  lint                    Licences and sources, unused dependencies, spelling: with those tools that are installed
  demo                    The main job, live, in a private network: a pair of directors; servers, links and directors
                          fail and return
      --release           Takes the release build: later built, sooner started
      --no-build          Takes what is built already
  bench NAME [OPTION]...  Measurements: cargo xtask bench --help lists them
      --no-build          Takes what is built already
  gallery                 The pictures and figures of docs/gallery.md, by what is built: a workload, played to each scheduler
  bindings [WIT]          Writes the sources of the SDK that follow from the contract, for Rust and C; of another contract
                          than the SDK's with its directory, such as sdk/wit/v0.1
      --check             Compares
  vectors [--check]       Records what a real kernel's IPVS decides, for the tests of the schedulers; or compares
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let task = words.next().unwrap_or_default();
    let mut args = Args::new(words);
    let is_help = ["", "help", "-h", "--help"].contains(&&*task);
    let passes_on = ["bench", "bindings", "vectors"].contains(&&*task);
    if is_help || (!passes_on && (args.flag("--help") || args.flag("-h"))) {
        print!("{HELP}");
        return Ok(());
    }
    toolchain::check()?;
    match &*task {
        "build" => build::run(&build::Options::read(args)?),
        "test" => test::run(&test::Options::read(args)?),
        "demo" => lab::demo(args),
        "bench" => lab::bench(args),
        "bindings" => bindings(args),
        "vectors" => lab::vectors(args),
        alone => {
            args.finish()?;
            match alone {
                "setup" => {
                    setup::everything()?;
                    wasm::Toolchain::find()?;
                    println!("Everything is there.");
                    Ok(())
                }
                "ci" => ci::run(),
                "gallery" => gallery::run(),
                "structure" => structure::run(),
                "lint" => lint::run(),
                other => bail!("there is no task {other}: see cargo xtask --help"),
            }
        }
    }
}

/// Its program is a package of its own, as only this task needs the generators.
fn bindings(args: Args) -> Result<()> {
    let mut generator = cargo(&["run", "--quiet", "--package", "evenkeel-bindings", "--"]);
    cmd::run(generator.args(args.rest()))
}
