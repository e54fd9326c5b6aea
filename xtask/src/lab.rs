//! The demo, the benches and the recordings: builds what they need, and starts `xtask/bench`.

use anyhow::Result;
use xtask::cmd::{self, cargo, command, target};

use crate::args::Args;
use crate::build::{self, Plugins, Profile};
use crate::setup;

/// The plugins that the demo's configurations name: a first demo waits for no others.
const DEMO: &[&str] = &["rr", "tcp"];

/// The program that `xtask/bench` is.
const PROGRAM: &str = "evenkeel-bench";

pub(crate) fn demo(mut args: Args) -> Result<()> {
    let no_build = args.flag("--no-build");
    let release = args.flag("--release");
    args.finish()?;
    setup::packages(&[setup::BUILD, setup::LAB].concat())?;
    let profile = if release {
        Profile::Release
    } else {
        Profile::Dev
    };
    if !no_build {
        // In one go and one profile: what they share is built once.
        build::everything(profile, &["evenkeel", PROGRAM], Plugins::Named(DEMO))?;
    }
    start(
        profile,
        ["demo"].into_iter().chain(release.then_some("--release")),
    )
}

pub(crate) fn bench(mut args: Args) -> Result<()> {
    let no_build = args.flag("--no-build");
    let words = args.rest();
    let name = words.iter().find(|word| !word.starts_with('-'));
    let name = name.map(String::as_str).unwrap_or_default();
    let asks = name.is_empty() || words.iter().any(|word| ["-h", "--help"].contains(&&**word));
    let peers: &[&[setup::Package]] = match name {
        _ if asks => &[],
        "failover" | "stall" | "plugins" => &[],
        "fidelity" | "follow" => &[setup::UML],
        "ipvs" => &[setup::BENCH, setup::KERNELS],
        "balance" if words.iter().any(|word| word == "--qemu") => &[setup::BENCH, setup::KERNELS],
        _ => &[setup::BENCH],
    };
    if !asks {
        setup::packages(&[&[setup::BUILD, setup::LAB], peers].concat().concat())?;
    }
    if !no_build {
        if !asks {
            build::run(&build::Options::default())?;
        }
        let example = match name {
            "plugins" => Some(("evenkeel-author", "bench_plugins")),
            "update" => Some(("evenkeel-dataplane", "bench_update")),
            _ => None,
        };
        if let Some((package, example)) = example
            && !asks
        {
            let words = [
                "build",
                "--release",
                "--package",
                package,
                "--example",
                example,
            ];
            cmd::run(&mut cargo(&words))?;
        }
        build::programs(Profile::Dev, &[PROGRAM])?;
    }
    start(
        Profile::Dev,
        ["bench"]
            .into_iter()
            .chain(words.iter().map(String::as_str)),
    )
}

pub(crate) fn vectors(args: Args) -> Result<()> {
    setup::packages(&[setup::BUILD, setup::LAB, setup::UML].concat())?;
    build::programs(Profile::Dev, &[PROGRAM])?;
    let words = args.rest();
    start(
        Profile::Dev,
        ["vectors"]
            .into_iter()
            .chain(words.iter().map(String::as_str)),
    )
}

fn start<'a>(profile: Profile, words: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let program = target().join(profile.directory()).join(PROGRAM);
    cmd::run(command(program).args(words))
}
