//! How much established flows carry: plain routing (without conntrack), our table, our table with offload. Client,
//! director and server are namespaces of one machine and share its processors, so the ratios say less than the director
//! alone would.
//!
//! Starts itself again in a network namespace of its own; needs `iperf3` and `ethtool`. Where the kernel has no
//! flowtable, run it in one that has: `tests/kernels/qemu-run target/debug/examples/bench_offload` after `cargo build
//! -p evenkeel-dataplane --example bench_offload`; with `QEMU_ICOUNT=1 QEMU_TIMEOUT=3000` on a busy machine. Arguments:
//! seconds of a run (4), rounds (5), what a load's name begins with (all).

#![expect(clippy::unwrap_used, reason = "a benchmark: an error ends it")]

mod common;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Selector, ServiceState, Spread};
use evenkeel_dataplane::DataPlane as _;
use evenkeel_dataplane::nftables::Nftables;

const SERVER: [u8; 4] = [10, 78, 0, 2];
const SERVICE: [u8; 4] = [10, 77, 255, 1];
const PORT: u16 = 5201;

/// Seconds at a run's beginning that do not count.
const SETTLE: u32 = 3;

/// What carries the flow.
const WAYS: [&str; 3] = ["plain routing", "nftables", "nftables, offload"];
/// Name, whether segments are merged and cut by the (virtual) network cards, iperf3's arguments.
const LOADS: [(&str, bool, &str); 3] = [
    ("TCP, offloads on, Gbit/s", true, ""),
    ("TCP, offloads off, Gbit/s", false, ""),
    ("UDP, 64 bytes, kpackets/s", false, "-u -b 0 -l 64"),
];

fn main() -> ExitCode {
    if let Some(outcome) = common::in_namespaces() {
        return outcome;
    }
    let mut arguments = std::env::args().skip(1);
    let mut number = |or| arguments.next().map_or(or, |it| it.parse().unwrap());
    let (seconds, rounds): (u32, u32) = (number(4), number(5));
    let beginning = arguments.next().unwrap_or_default();
    let loads = LOADS
        .into_iter()
        .filter(|(name, ..)| name.starts_with(&beginning));
    lay_out();
    let mut out = std::io::stdout().lock();
    let mut plane = Nftables::new("evenkeel").unwrap();
    let ways = match plane.supports_offload() {
        Ok(()) => 3,
        Err(why) => {
            writeln!(out, "no offload: {why}").unwrap();
            2
        }
    };
    let ways = WAYS.get(..ways).unwrap();
    writeln!(
        out,
        "median of {rounds} runs of {seconds} s (share of plain routing)"
    )
    .unwrap();
    write!(out, "{:<28}", "").unwrap();
    for way in ways {
        write!(out, "{way:>24}").unwrap();
    }
    writeln!(out).unwrap();
    for (name, merged, arguments) in loads {
        let word = if merged { "on" } else { "off" };
        for port in ["to-client", "to-server"] {
            let namespace = port.trim_start_matches("to-");
            sh(&format!(
                "ethtool -K {port} tso {word} gso {word} gro {word}"
            ));
            sh(&format!(
                "ip netns exec {namespace} ethtool -K port tso {word} gso {word} gro {word}"
            ));
        }
        let mut figures = vec![Vec::new(); ways.len()];
        for _ in 0..rounds {
            for (n, all) in figures.iter_mut().enumerate() {
                carry(&mut plane, n);
                let to = if n == 0 { SERVER } else { SERVICE };
                all.push(measure(to, seconds, arguments));
            }
        }
        write!(out, "{name:<28}").unwrap();
        let medians: Vec<f64> = figures.into_iter().map(median).collect();
        for median in &medians {
            let share = median / medians.first().unwrap();
            write!(out, "{:>24}", format!("{median:.2} ({share:.2})")).unwrap();
        }
        writeln!(out).unwrap();
    }
    sh("kill $(cat /run/iperf.pid)");
    ExitCode::SUCCESS
}

fn lay_out() {
    sh("mount -t tmpfs none /run; ip link set lo up; \
        for n in client server; do \
          ip netns add $n; ip link add to-$n type veth peer name port netns $n; \
          ip link set to-$n up; ip -n $n link set port up; ip -n $n link set lo up; \
        done; \
        echo 1 > /proc/sys/net/ipv4/ip_forward; \
        ip addr add 10.77.0.1/24 dev to-client; ip addr add 10.78.0.1/24 dev to-server; \
        ip -n client addr add 10.77.0.2/24 dev port; ip -n client route add default via 10.77.0.1; \
        ip -n server addr add 10.78.0.2/24 dev port; ip -n server route add default via 10.78.0.1; \
        ip netns exec server iperf3 -s -D -I /run/iperf.pid > /dev/null");
    std::thread::sleep(std::time::Duration::from_secs(1));
}

/// Lets nothing, our table, or our table with offload carry flows.
fn carry(plane: &mut Nftables, way: usize) {
    plane.clear().unwrap();
    if way == 0 {
        return;
    }
    let id = BackendId::new(1).unwrap();
    let key = |protocol| ServiceKey {
        addr: SERVICE.into(),
        port: PORT,
        protocol,
    };
    let service = |id| ServiceState {
        snat: false,
        backends: [(id, SocketAddr::from((SERVER, PORT)).into())].into(),
        spread: Spread::Slots {
            selector: Selector::Sequence,
            slots: vec![id],
        },
        persistence: None,
        queue: None,
    };
    let udp = BackendId::new(2).unwrap();
    plane
        .apply(&[
            Change::Put(key(Protocol::Tcp), service(id)),
            Change::Put(key(Protocol::Udp), service(udp)),
        ])
        .unwrap();
    if way == 2 {
        let interfaces = ["to-client", "to-server"].map(str::to_owned);
        plane.apply(&[Change::Offload(interfaces.into())]).unwrap();
    }
}

/// One run. The first seconds do not count: a UDP flow is offloaded after two.
fn measure(to: [u8; 4], seconds: u32, arguments: &str) -> f64 {
    let to = std::net::Ipv4Addr::from(to);
    // The server takes one client at a time.
    std::thread::sleep(std::time::Duration::from_secs(1));
    if !arguments.is_empty() {
        // iperf3 does not say what arrived of a flood.
        let all = SETTLE + seconds + 1;
        let said = sh(&format!(
            "ip netns exec client iperf3 -t {all} {arguments} -c {to} > /dev/null & client=$!; \
             sleep {SETTLE}; ip netns exec server cat /sys/class/net/port/statistics/rx_packets; \
             sleep {seconds}; ip netns exec server cat /sys/class/net/port/statistics/rx_packets; wait $client"
        ));
        let counts: Vec<f64> = said.lines().map(|it| it.parse().unwrap()).collect();
        return (counts[1] - counts[0]) / f64::from(seconds) / 1e3;
    }
    let said = sh(&format!(
        "ip netns exec client iperf3 -J -O {SETTLE} -t {seconds} -c {to}"
    ));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    said["end"]["sum_received"]["bits_per_second"]
        .as_f64()
        .unwrap()
        / 1e9
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command}: {errors}{said}");
    said.into_owned()
}
