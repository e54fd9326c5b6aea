//! Measurements. They print figures beside what is aimed at and never fail because of one.

mod balance;
mod checks;
mod connections;
mod datagrams;
mod dataplane;
mod decisions;
mod failover;
mod fidelity;
mod ipvs;
mod plugins;
mod release;
mod rounds;
mod stage;
mod stall;
mod stats;
mod swap;
mod update;

use std::env::args_os;

use anyhow::{Result, ensure};
use clap::Subcommand;
use evenkeel_tests::{inside, reexec, with_private_world};

use xtask::cmd::{self, root, step};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
    /// Prints the figures as JSON, as the last line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Throughput and new connections/s: plain routing, Evenkeel, HAProxy (mode tcp) and nginx (stream) in one run
    Dataplane(rounds::Options),
    /// Throughput and new connections/s on Debian's kernel in qemu: plain routing, nftables, with a flowtable, IPVS,
    /// IPVS by keepalived
    Ipvs(ipvs::Options),
    /// How evenly least connections spreads connections of unequal lifetimes: Evenkeel in both ways, HAProxy, IPVS in
    /// one run
    Balance(balance::Options),
    /// How near each data plane comes to what schedulers plan (fidelity): nftables here, IPVS in User-Mode Linux
    #[command(alias = "follow")]
    Fidelity(fidelity::Options),
    /// New connections/s by how each is decided: plan, plan with counting, per connection; plain routing, HAProxy,
    /// nginx in one run
    Decisions(decisions::Options),
    /// What checks cost: 1,000 and 10,000 servers, each checked every second by tcp and http, beside HAProxy in one run
    Checks(checks::Options),
    /// New connections while the daemon that decides them hangs (SIGSTOP) or dies (kill -9)
    Stall(stall::Options),
    /// Starting and reloading with 10, 1,000 and 10,000 services of 4 servers
    Update(update::Options),
    /// How long a virtual address is away when the master dies, stops or returns: a pair of Evenkeel and a pair of
    /// keepalived
    Failover(failover::Options),
    /// Another version of a scheduler takes over, again and again, under new connections: what is lost, and how long it
    /// takes
    Swap(swap::Options),
    /// Loading plugins, checks, and what a plan and a pick take at 2 to 1,000 servers: WebAssembly beside native
    Plugins(plugins::Options),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let What::Plugins(own) = &options.what {
        // It needs neither a network of its own nor peers.
        return plugins::run(own, options.json);
    }
    if inside() {
        return with_private_world(|| match &options.what {
            What::Dataplane(own) => dataplane::run(own, options.json),
            What::Ipvs(own) => ipvs::run(own, options.json),
            What::Fidelity(own) => fidelity::run(own, options.json),
            What::Balance(own) => balance::run(own, options.json),
            What::Decisions(own) => decisions::run(own, options.json),
            What::Checks(own) => checks::run(own, options.json),
            What::Stall(own) => stall::run(own, options.json),
            What::Update(own) => update::run(own, options.json),
            What::Failover(own) => failover::run(own, options.json),
            What::Swap(own) => swap::run(own, options.json),
            What::Plugins(own) => plugins::run(own, options.json),
        })
        .map(drop);
    }
    if let What::Fidelity(own) = &options.what {
        return fidelity::run(own, options.json);
    }
    let arguments = match &options.what {
        What::Balance(own) => own.elsewhere().then(|| own.arguments()),
        What::Ipvs(own) => own.elsewhere().then(|| own.arguments()),
        _ => None,
    };
    if let Some(arguments) = arguments {
        return elsewhere(&arguments, options.json);
    }
    step("Measuring, in a private network that goes when it ends");
    let status = reexec(args_os().skip(1))?;
    ensure!(status.success(), "the bench has failed");
    Ok(())
}

/// Runs this bench in Debian's own kernel in qemu.
fn elsewhere(arguments: &[String], json: bool) -> Result<()> {
    step("Measuring, in Debian's kernel in qemu (its start takes a while)");
    let mut command = cmd::command(root().join("tests/kernels/qemu-run"));
    command
        .env("QEMU_TIMEOUT", "3000")
        .args(["env", "RUST_LIB_BACKTRACE=0"])
        .arg(format!("CARGO_TARGET_DIR={}", cmd::target().display()))
        .arg(std::env::current_exe()?);
    command.arg("bench").args(arguments);
    if json {
        command.arg("--json");
    }
    cmd::run(&mut command)
}
