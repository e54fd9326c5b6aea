//! What checks cost: many servers, each checked every second by `tcp` and by `http`, beside HAProxy in the same run.
//!
//! All servers are one nginx behind a cable. The director's kernel counts the connections, so that both are counted alike.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use evenkeel_tests::{Evenkeel, Lab, Nginx, Node, Process};
use serde_json::{Value, json};

use super::release::paths;

/// Servers of each service.
const EACH: usize = 100;
/// Of a unit of time in /proc/PID/stat, on every machine that Linux runs on (USER_HZ).
const TICK_MS: f64 = 10.0;
/// Until all are checked at their usual times.
const SETTLE: Duration = Duration::from_secs(5);
/// How long a start may take.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many servers
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    servers: Vec<usize>,
    /// How long each is measured
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// How servers are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Tcp,
    Http,
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
        }
    }
}

/// What one program has taken.
#[derive(Debug)]
struct Figures {
    checks_per_second: f64,
    /// Processor time, in microseconds.
    per_check_us: f64,
    memory_mb: f64,
    /// p50 and p99, in milliseconds; HAProxy does not say.
    late_ms: Option<(f64, f64)>,
}

impl Figures {
    fn json(&self) -> Value {
        json!({
            "checks_per_second": self.checks_per_second,
            "per_check_us": self.per_check_us,
            "memory_mb": self.memory_mb,
            "late_p50_ms": self.late_ms.map(|it| it.0),
            "late_p99_ms": self.late_ms.map(|it| it.1),
        })
    }

    fn print(&self, servers: usize, check: Check, who: &str) {
        let late = self.late_ms.map_or("not told".to_owned(), |(p50, p99)| {
            format!("{p50:.1} / {p99:.1} ms")
        });
        println!(
            "{servers:>8} | {:>5} | {who:<8} | {:>9.0} | {:>13.1} us | {late:>16} | {:>7.0} MB",
            check.name(),
            self.checks_per_second,
            self.per_check_us,
            self.memory_mb,
        );
    }
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    let lab = Lab::new()?;
    let (director, network) = (lab.node("director")?, lab.node("network")?);
    lab.cable(&director, "eth0", &network, "eth0")?;
    director.add_address("eth0", "10.0.0.1/24")?;
    network.add_address("eth0", "10.0.0.2/24")?;
    director.forward()?;
    director.route("10.1.0.0/16", "10.0.0.2".parse()?)?;
    network.ip(&["route", "add", "local", "10.1.0.0/16", "dev", "lo"])?;
    let http = "http { access_log off; keepalive_timeout 0; server { listen 80 backlog=16384; \
                location / { return 200 \"good\"; } } }";
    let _nginx = Nginx::with_config(&network, "servers", http, Some("127.0.0.1:80".parse()?))?;
    let seconds = options.seconds;
    println!("each server is checked every second; {seconds} s measured");
    println!(
        "{:>8} | {:>5} | {:<8} | {:>9} | {:>16} | {:>16} | {:>10}",
        "servers", "check", "who", "checks/s", "time of a check", "late p50 / p99", "memory"
    );
    let mut report = Vec::new();
    for servers in &options.servers {
        for check in [Check::Tcp, Check::Http] {
            let ours = evenkeel(&director, *servers, check, seconds)?;
            ours.print(*servers, check, "Evenkeel");
            let mut entry =
                json!({ "servers": servers, "check": check.name(), "evenkeel": ours.json() });
            match haproxy(&director, *servers, check) {
                Ok(process) => {
                    let theirs = measure(process.pid(), &director, seconds)
                        .with_context(|| format!("HAProxy: {}", process.log()))?;
                    theirs.print(*servers, check, "HAProxy");
                    let ratio = ours.per_check_us / theirs.per_check_us;
                    println!(
                        "{:>8}   processor time for each check: Evenkeel / HAProxy = {ratio:.2}",
                        ""
                    );
                    entry["haproxy"] = theirs.json();
                }
                Err(error) => println!("{:>8}   HAProxy is left out: {error:#}", ""),
            }
            report.push(entry);
        }
    }
    if as_json {
        println!("{}", Value::from(report));
    }
    Ok(())
}

/// A server's address: 10.1.0.1 and so on.
fn address(server: usize) -> Result<Ipv4Addr> {
    let number = u32::try_from(server + 1)?;
    Ok(Ipv4Addr::from(
        u32::from(Ipv4Addr::new(10, 1, 0, 0)) + number,
    ))
}

fn evenkeel(director: &Node, servers: usize, check: Check, seconds: u64) -> Result<Figures> {
    let mut config = String::new();
    for (service, first) in (0..servers).step_by(EACH).enumerate() {
        let port = 1000 + service;
        writeln!(
            config,
            "[[service]]\nname = \"s{service}\"\nlisten = \"10.0.0.1:{port}\"\n\
             check = {{ plugin = \"{}\", interval = \"1s\", timeout = \"1s\" }}\nserver = [",
            check.name()
        )?;
        for server in first..servers.min(first + EACH) {
            writeln!(config, "  {{ address = \"{}:80\" }},", address(server)?)?;
        }
        writeln!(config, "]")?;
    }
    let mut evenkeel = Evenkeel::with_paths(director, &config, paths())?;
    evenkeel.start()?;
    evenkeel.wait_status("checks are under way", LIMIT, |status| {
        status["settled"] == true && status["checks"]["per_second"].as_f64() > Some(0.0)
    })?;
    let pid = evenkeel.running()?.pid();
    let mut figures = measure(pid, director, seconds)?;
    let late = &evenkeel.status()?["checks"]["late_ms"];
    figures.late_ms = late["p50"].as_f64().zip(late["p99"].as_f64());
    Ok(figures)
}

/// HAProxy with the same checks.
fn haproxy(director: &Node, servers: usize, check: Check) -> Result<Process> {
    let how = match check {
        Check::Tcp => "",
        Check::Http => "    option httpchk GET /\n",
    };
    let mut config = format!(
        "global\n    maxconn 4000\ndefaults\n    mode http\n    timeout connect 1s\n    timeout client 1m\n    \
         timeout server 1m\n    timeout check 1s\nlisten web\n    bind 10.0.0.1:80\n{how}"
    );
    for server in 0..servers {
        let address = address(server)?;
        writeln!(config, "    server s{server} {address}:80 check inter 1s")?;
    }
    let file = director.dir().join("haproxy.cfg");
    fs::write(&file, config)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    director.spawn("haproxy", command)
}

/// What a process takes that checks.
fn measure(pid: u32, director: &Node, seconds: u64) -> Result<Figures> {
    std::thread::sleep(SETTLE);
    let (began, asked, took) = (Instant::now(), asked(director)?, processor_ms(pid)?);
    std::thread::sleep(Duration::from_secs(seconds));
    let checks = (self::asked(director)? - asked).max(1.0);
    let took = processor_ms(pid)? - took;
    Ok(Figures {
        checks_per_second: checks / began.elapsed().as_secs_f64(),
        per_check_us: took * 1000.0 / checks,
        memory_mb: memory_mb(pid)?,
        late_ms: None,
    })
}

/// How many connections the director has begun, as its kernel counts them: HAProxy resets those of `tcp` before a server
/// has them.
fn asked(director: &Node) -> Result<f64> {
    let mut command = Command::new("cat");
    command.arg("/proc/net/snmp");
    let output = director.output(command)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = lines.next().zip(lines.next()).context("no count of TCP")?;
    let mut all = names.split(' ').zip(values.split(' '));
    let opened = all.find(|(name, _)| *name == "ActiveOpens");
    let opened = opened.and_then(|(_, value)| value.parse().ok());
    opened.context("no count of connections")
}

/// Processor time of all threads of a process.
fn processor_ms(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may have spaces; what follows it begins with the third field.
    let (_, fields) = stat.rsplit_once(") ").context("no such stat")?;
    let fields = fields.split(' ').skip(11).take(2);
    let ticks: Vec<f64> = fields.filter_map(|it| it.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() * TICK_MS)
}

fn memory_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|it| it.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kb.context("no VmRSS")? / 1024.0)
}
