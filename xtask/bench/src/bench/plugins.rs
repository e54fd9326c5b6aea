//! What plugins cost: loading, checks, and the calls of schedulers, WebAssembly beside native.

use anyhow::Result;

use xtask::cmd::{self, step, target};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What a new connection costs the machine in all, in microseconds: 1 / rate, as `bench decisions` shows it
    #[arg(long, default_value_t = 50.0)]
    connection_us: f64,
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    step("Measuring; the network is not touched but for loopback");
    let mut command = cmd::command(target().join("release/examples/bench_plugins"));
    command.arg("--target").arg(target());
    command.args(["--connection-us", &options.connection_us.to_string()]);
    if as_json {
        command.arg("--json");
    }
    cmd::run(&mut command)
}
