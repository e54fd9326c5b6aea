//! How near each data plane comes to what schedulers plan: nftables on this machine's kernel, IPVS in User-Mode Linux.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, ensure};
use evenkeel_tests::{Article, Backend, Client, Evenkeel, reexec, with_private_world};
use serde_json::{Value, json};

use xtask::cmd::{self, root, step, target};

const SERVERS: usize = 4;
/// Clients, each with an address of its own.
const CLIENTS: u16 = 500;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Connections for each plan; half as many in User-Mode Linux, where each takes some 0.1 s
    #[arg(long, default_value_t = 2000)]
    connections: u16,
    /// Only plans of this scheduler
    #[arg(long)]
    only: Option<String>,
    /// On this kernel only
    #[arg(long, hide = true)]
    here: bool,
}

/// A scheduler with its servers' weights, and what it promises.
struct Plan {
    scheduler: &'static str,
    weights: [u32; SERVERS],
    /// Whether one client is always to get the same server.
    sticky: bool,
}

const fn plan(scheduler: &'static str, weights: [u32; SERVERS], sticky: bool) -> Plan {
    Plan {
        scheduler,
        weights,
        sticky,
    }
}

const PLANS: [Plan; 8] = [
    plan("rr", [1, 1, 1, 1], false),
    plan("wrr", [5, 1, 1, 1], false),
    plan("wrr", [100, 30, 7, 1], false),
    plan("lc", [1, 1, 1, 1], false),
    plan("random", [5, 1, 1, 1], false),
    plan("sh", [1, 1, 1, 1], true),
    plan("sh", [5, 1, 1, 1], true),
    plan("maglev", [5, 1, 1, 1], true),
];

/// What was seen of a plan.
struct Seen {
    counts: [usize; SERVERS],
    /// The most connections in a row to one server.
    longest: usize,
    /// Clients that got more than one server.
    moved: usize,
}

/// Both data planes, one after the other.
pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    if options.here || evenkeel_tests::inside() {
        return here(options, as_json);
    }
    let own = |connections: u16| {
        let mut own = ["bench", "fidelity", "--here"].map(str::to_owned).to_vec();
        own.push(format!("--connections={connections}"));
        own.extend(options.only.iter().map(|only| format!("--only={only}")));
        own.extend(as_json.then(|| "--json".to_owned()));
        own
    };
    step("Measuring, on this machine's kernel");
    ensure!(
        reexec(own(options.connections))?.success(),
        "the bench has failed"
    );
    step("Measuring, in User-Mode Linux");
    let mut command = cmd::command(root().join("tests/kernels/uml-run"));
    command
        .env("UML_TIMEOUT", "2400")
        .args(["env", "RUST_LIB_BACKTRACE=0"])
        .arg(format!("CARGO_TARGET_DIR={}", target().display()))
        .arg(std::env::current_exe()?)
        .args(own(options.connections.div_ceil(2)));
    cmd::run(&mut command)
}

fn here(options: &Options, as_json: bool) -> Result<()> {
    with_private_world(|| measure(options, as_json)).map(drop)
}

fn measure(options: &Options, as_json: bool) -> Result<()> {
    let net = Article::new(SERVERS)?;
    // As many clients as there are to be, on the one machine.
    net.client
        .ip(&["route", "add", "local", "10.20.0.0/16", "dev", "lo"])?;
    net.director
        .route("10.20.0.0/16", IpAddr::V4(Ipv4Addr::new(10, 10, 54, 10)))?;
    let mut config = String::new();
    let mut backends = Vec::new();
    let plans: Vec<&Plan> = PLANS
        .iter()
        .filter(|plan| options.only.as_ref().is_none_or(|it| it == plan.scheduler))
        .collect();
    for (number, plan) in (0_u16..).zip(&plans) {
        let port = 80 + number;
        config += &format!(
            "[[service]]\nname = \"plan{number}\"\nlisten = \"{}\"\nscheduler = \"{}\"\n",
            net.vip(port),
            plan.scheduler
        );
        for (server, weight) in plan.weights.iter().enumerate() {
            let address = net.server(server, port);
            config += &format!("[[service.server]]\naddress = \"{address}\"\nweight = {weight}\n");
            let node = &net.servers[server];
            backends.push(Backend::tcp(node, address, &server.to_string())?);
        }
    }
    let mut evenkeel = Evenkeel::with_paths(&net.director, &config, super::release::paths())?;
    evenkeel.start()?;
    let status = evenkeel.status()?;
    println!(
        "{} connections from {CLIENTS} clients for each plan, to {SERVERS} servers; data plane: {}",
        options.connections, status["dataplane"]
    );
    println!(
        "{:<22} | {:>27} | {:>27} | {:>13} | {:>11} | {:>13}",
        "plan", "share wanted (%)", "seen (%)", "off by at most", "longest run", "clients moved"
    );
    let mut report = Vec::new();
    for (number, plan) in (0_u16..).zip(&plans) {
        let seen = ask(&net, 80 + number, options.connections)?;
        report.push(tell(plan, &seen));
    }
    if as_json {
        println!(
            "{}",
            json!({ "dataplane": status["dataplane"], "plans": report })
        );
    }
    Ok(())
}

/// Asks one service, each time from the next client.
fn ask(net: &Article, port: u16, times: u16) -> Result<Seen> {
    let client = Client::new(&net.client).timeout(Duration::from_secs(5));
    let mut counts = [0; SERVERS];
    let (mut longest, mut row, mut last) = (0, 0, None);
    let mut servers: BTreeMap<u16, usize> = BTreeMap::new();
    let mut moved = std::collections::BTreeSet::new();
    for number in 0..times {
        let who = number % CLIENTS;
        let [_, third] = (who / 250).to_be_bytes();
        let [_, host] = (who % 250 + 1).to_be_bytes();
        let from = Ipv4Addr::new(10, 20, third, host);
        let server: usize = client
            .clone()
            .from_address(from.into())
            .ask(net.vip(port))?
            .parse()?;
        if let Some(count) = counts.get_mut(server) {
            *count += 1;
        }
        row = if last == Some(server) { row + 1 } else { 1 };
        last = Some(server);
        longest = longest.max(row);
        if *servers.entry(who).or_insert(server) != server {
            moved.insert(who);
        }
    }
    Ok(Seen {
        counts,
        longest,
        moved: moved.len(),
    })
}

fn tell(plan: &Plan, seen: &Seen) -> Value {
    let shares = |counts: &[f64]| -> Vec<f64> {
        let sum: f64 = counts.iter().sum();
        counts.iter().map(|count| 100.0 * count / sum).collect()
    };
    let wanted = shares(&plan.weights.map(f64::from));
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let found = shares(&seen.counts.map(|count| count as f64));
    let off = wanted
        .iter()
        .zip(&found)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    let text = |shares: &[f64]| {
        let all: Vec<String> = shares.iter().map(|it| format!("{it:.2}")).collect();
        all.join(" ")
    };
    let weights = plan.weights.map(|it| it.to_string()).join(":");
    println!(
        "{:<22} | {:>27} | {:>27} | {:>11.2} pp | {:>11} | {:>13}",
        format!("{} {weights}", plan.scheduler),
        text(&wanted),
        text(&found),
        off,
        seen.longest,
        if plan.sticky {
            seen.moved.to_string()
        } else {
            "-".to_owned()
        }
    );
    json!({
        "scheduler": plan.scheduler,
        "weights": plan.weights,
        "wanted": wanted,
        "seen": found,
        "off": off,
        "longest_run": seen.longest,
        "moved": plan.sticky.then_some(seen.moved),
    })
}
