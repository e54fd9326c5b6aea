//! The demo, the measurements and the recordings, each in a private network. `cargo xtask` builds what they need and
//! starts this.
#![expect(
    clippy::print_stdout,
    reason = "figures and what happens are for the reader of the terminal"
)]

mod bench;
mod demo;
mod vectors;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
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
