//! Tasks of the project. `cargo xtask --help` lists them.
#![expect(
    clippy::print_stdout,
    reason = "telling what it does is half of what a task does"
)]

mod bench;
mod build;
mod ci;
mod cmd;
mod debian;
mod demo;
mod native;
mod setup;
mod tally;
mod test;
mod vectors;
mod wasm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Tasks of the Evenkeel project")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs what is missing: Debian packages and the WASM standard library. The other tasks do this, too
    Setup,
    /// Builds target/release/evenkeel, and the plugins into target/plugins/
    Build(build::Options),
    /// Runs every test, the end-to-end ones included
    Test(test::Options),
    /// All that has to pass before a change is taken: format, lints, documentation, tests
    Ci,
    /// The main job, live, in a private network: a pair of directors; servers, links and directors fail and return
    Demo(demo::Options),
    /// Measurements
    Bench(bench::Options),
    /// Records what a real kernel's IPVS decides, for the tests of the schedulers
    Vectors(vectors::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup::everything(),
        Task::Build(options) => build::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Ci => ci::run(),
        Task::Demo(options) => demo::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Vectors(options) => vectors::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
