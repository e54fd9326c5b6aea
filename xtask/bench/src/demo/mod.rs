//! The main job, live: a pair of directors before real web servers, and everything that should happen to them.

mod story;
mod tell;

use anyhow::{Result, ensure};
use evenkeel_tests::{Paths, inside, reexec, with_private_world};
use xtask::cmd::{step, target};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Takes the release build: later built, sooner started
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let profile = if options.release { "release" } else { "debug" };
    if inside() {
        let paths = Paths {
            binary: target().join(profile).join("evenkeel"),
            ..Paths::default()
        };
        return with_private_world(|| story::tell(paths)).map(drop);
    }
    step("The demo, in a private network that goes when it ends");
    // Ctrl-C ends this process, and with it all that lives in the private world.
    let status = reexec(std::env::args_os().skip(1))?;
    ensure!(status.success(), "the demo has failed");
    Ok(())
}
