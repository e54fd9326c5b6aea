//! What counting connections costs: events by second and processor time, with and without the filter, and how long a
//! dump takes.
//!
//! Starts itself again in a network namespace of its own.

#![expect(clippy::unwrap_used, reason = "a benchmark: an error ends it")]

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use evenkeel_flows::{Counter, Options, Report, count_once};
use nix::sys::resource::{UsageWho, getrusage};

const INSIDE: &str = "EVENKEEL_BENCH_INSIDE";
const CONNECTIONS: u32 = 20_000;
const ENTRIES: [u32; 2] = [10_000, 100_000];
const RULES: &str = "
table inet t {
  chain out {
    type nat hook output priority -101;
    ip daddr 127.0.0.10 tcp dport 80 ct mark set 1 dnat ip to 127.0.0.1:8080
  }
}";

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_none() {
        let status = Command::new("unshare")
            .args(["-n", "-m"])
            .arg(std::env::current_exe().unwrap())
            .env(INSIDE, "1")
            .status();
        return if status.is_ok_and(|status| status.success()) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    run("ip", &["link", "set", "lo", "up"], "");
    run("nft", &["-f", "-"], RULES);
    run(
        "sysctl",
        &["-qw", "net.netfilter.nf_conntrack_events=1"],
        "",
    );
    let mut out = std::io::stdout().lock();
    writeln!(out, "{CONNECTIONS} connections, opened and closed one after the other; processor time of all threads:").unwrap();
    for round in 1..=2 {
        let alone = traffic(None);
        writeln!(
            out,
            "round {round}: nobody counts        {:>6.2} s, processor {:>5.2} s per 100,000",
            alone.0, alone.1
        )
        .unwrap();
        for (name, filter) in [("without filter", false), ("with filter", true)] {
            let (wall, cpu, report) = traffic(Some(filter));
            let report = report.unwrap();
            writeln!(
                out,
                "round {round}: {name:<20} {wall:>6.2} s, processor {cpu:>5.2} s per 100,000 (thread: {:.2}), {} messages, {:.0} a second, {} overruns",
                report.0,
                report.1.events,
                report.1.events as f64 / wall,
                report.1.overruns,
            )
            .unwrap();
        }
    }
    for entries in ENTRIES {
        run("conntrack", &["-F"], "");
        run("conntrack", &["-R", "-"], &create(entries));
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begin = Instant::now();
            let counted = count_once().unwrap();
            best = best.min(begin.elapsed());
            assert_eq!(counted.values().map(|it| it.active).sum::<u32>(), entries);
        }
        let before = resident();
        let (sender, first) = std::sync::mpsc::channel();
        let counter = Counter::start(move |_| sender.send(()).unwrap_or_default()).unwrap();
        counter.listen(true);
        first.recv().unwrap();
        writeln!(
            out,
            "{entries} entries: counted once in {best:.1?}; the counter's dump {:.1?}, {} KiB more memory",
            counter.status().last_dump,
            resident().saturating_sub(before)
        )
        .unwrap();
    }
    ExitCode::SUCCESS
}

/// Seconds, processor seconds per 100,000 connections; of the counter: those of its thread, and its report.
fn traffic(filter: Option<bool>) -> (f64, f64, Option<(f64, Report)>) {
    run("conntrack", &["-F"], "");
    let counter = filter.map(|filter| {
        let (sender, first) = std::sync::mpsc::channel();
        let options = Options {
            filter,
            ..Options::default()
        };
        let counter =
            Counter::start_with(options, move |_| sender.send(()).unwrap_or_default()).unwrap();
        counter.listen(true);
        first.recv().unwrap();
        counter
    });
    let listener = TcpListener::bind("0.0.0.0:8080").unwrap();
    let (begin, cpu, thread) = (Instant::now(), processor(), flows_ticks());
    for _ in 0..CONNECTIONS {
        let client = TcpStream::connect("127.0.0.10:80").unwrap();
        drop(listener.accept().unwrap());
        drop(client);
    }
    run("conntrack", &["-F"], "");
    let wall = begin.elapsed().as_secs_f64();
    let per = 100_000.0 / f64::from(CONNECTIONS);
    let used = (processor() - cpu).as_secs_f64() * per;
    let report = counter.map(|counter| {
        while counter.status().connections > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        ((flows_ticks() - thread) * per, counter.status())
    });
    (wall, used, report)
}

/// Processor time of this process.
fn processor() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|it| {
            Duration::from_micros(u64::try_from(it.tv_sec() * 1_000_000 + it.tv_usec()).unwrap())
        })
        .sum()
}

/// Seconds of processor time of the counter's thread; 0 if there is none.
fn flows_ticks() -> f64 {
    let mut nanoseconds = 0_u64;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        if std::fs::read_to_string(task.join("comm")).unwrap().trim() == "flows" {
            let schedstat = std::fs::read_to_string(task.join("schedstat")).unwrap();
            nanoseconds += schedstat.split(' ').next().unwrap().parse::<u64>().unwrap();
        }
    }
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// KiB of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Commands of `conntrack -R` that make so many established connections.
fn create(entries: u32) -> String {
    (0..entries)
        .map(|n| {
            let (high, low) = (n >> 8, n & 255);
            format!(
                "-I -s 10.{}.{}.{low} -d 192.0.2.1 -p tcp --sport 1024 --dport 80 --state ESTABLISHED -t 600 -u SEEN_REPLY,ASSURED -m {}\n",
                high >> 8,
                high & 255,
                n % 100 + 1
            )
        })
        .collect()
}

fn run(program: &str, args: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "{program} {args:?}");
}
