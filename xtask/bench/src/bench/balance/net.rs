//! A client, a director with one balancer, and four servers.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, Node, Process, wait_until};

use super::scenario::{SERVERS, Scenario};
use crate::bench::release::paths;

const PORT: u16 = 7000;

/// Who balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Balancer {
    Plan,
    PerConnection,
    HaProxy,
    Ipvs,
}

impl Balancer {
    pub(super) const ALL: [Self; 4] = [Self::Plan, Self::PerConnection, Self::HaProxy, Self::Ipvs];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plan => "Evenkeel, by plan",
            Self::PerConnection => "Evenkeel, per connection",
            Self::HaProxy => "HAProxy, leastconn",
            Self::Ipvs => "IPVS",
        }
    }

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::PerConnection => "per-connection",
            Self::HaProxy => "haproxy",
            Self::Ipvs => "ipvs",
        }
    }
}

/// The network, for one measurement after the other.
pub(super) fn network() -> Result<Article> {
    let net = Article::new(SERVERS)?;
    net.client
        .sysctl("net.ipv4.ip_local_port_range", "1024 65000")?;
    Ok(net)
}

/// Everything that runs during one measurement.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    net: &'a Article,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Evenkeel(Box<Evenkeel>),
    /// Ends when dropped.
    HaProxy {
        _process: Process,
    },
    Ipvs,
}

impl<'a> Stage<'a> {
    /// With this balancer; or why there is none here.
    pub(super) fn set(
        net: &'a Article,
        balancer: Balancer,
        scenario: &Scenario,
    ) -> Result<std::result::Result<Self, String>> {
        let running = match balancer {
            Balancer::Plan => Running::Evenkeel(Box::new(evenkeel(net, scenario, "plan")?)),
            Balancer::PerConnection => {
                Running::Evenkeel(Box::new(evenkeel(net, scenario, "per-connection")?))
            }
            Balancer::HaProxy => Running::HaProxy {
                _process: haproxy(net, scenario)?,
            },
            Balancer::Ipvs => match ipvs(net, scenario) {
                Ok(()) => Running::Ipvs,
                Err(why) => return Ok(Err(why)),
            },
        };
        Ok(Ok(Self { net, running }))
    }

    /// Takes the balancer away, so that there is room for the next.
    pub(super) fn end(self) -> Result<()> {
        match self.running {
            Running::Evenkeel(mut evenkeel) => {
                evenkeel.sigterm()?;
                evenkeel.flush()?;
            }
            Running::HaProxy { .. } => {}
            Running::Ipvs => drop(self.net.director.run("ipvsadm", &["-C"])?),
        }
        // Closed connections that the kernel still knows count too, and the next balancer is not to find any.
        self.net.director.run("conntrack", &["-F"])?;
        Ok(())
    }

    /// How many connections were decided one by one, where they are.
    pub(super) fn decided(&self) -> Result<Option<u64>> {
        match &self.running {
            Running::Evenkeel(evenkeel) => {
                let status = evenkeel.status()?;
                Ok(status["services"][0]["queue"]["decided"].as_u64())
            }
            Running::HaProxy { .. } | Running::Ipvs => Ok(None),
        }
    }

    pub(super) fn client(&self) -> &'a Node {
        &self.net.client
    }

    /// The service.
    pub(super) fn service(&self) -> SocketAddr {
        self.net.vip(PORT)
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = (&'a Node, SocketAddr)> + use<'a> {
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        self.net.servers.iter().map(move |node| (node, listen))
    }

    /// Waits until the balancer lets connections through, once the servers listen.
    pub(super) fn wait_ready(&self) -> Result<()> {
        let client = Client::new(&self.net.client);
        wait_until("the balancer answers", Duration::from_secs(60), || {
            Ok(client.connect(self.service()).is_ok())
        })?;
        Ok(())
    }
}

fn evenkeel(net: &Article, scenario: &Scenario, decision: &str) -> Result<Evenkeel> {
    let mut config = format!(
        "[[service]]\nname = \"web\"\nlisten = \"{}\"\nscheduler = \"{}\"\ndecision = \"{decision}\"\n",
        net.vip(PORT),
        scenario.scheduler
    );
    for (number, weight) in scenario.weights.into_iter().enumerate() {
        let address = net.server(number, PORT);
        // Writing to a String does not fail.
        let _ = write!(
            config,
            "[[service.server]]\naddress = \"{address}\"\nweight = {weight}\n"
        );
    }
    let mut evenkeel = Evenkeel::with_paths(&net.director, &config, paths())?;
    evenkeel.start()?;
    Ok(evenkeel)
}

fn haproxy(net: &Article, scenario: &Scenario) -> Result<Process> {
    let mut config = format!(
        "global\n    maxconn 4000\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 10m\n    \
         timeout server 10m\nlisten web\n    bind {}\n    balance leastconn\n",
        net.vip(PORT)
    );
    for (number, weight) in scenario.weights.into_iter().enumerate() {
        let address = net.server(number, PORT);
        let _ = writeln!(config, "    server s{number} {address} weight {weight}");
    }
    let file = net.director.dir().join("haproxy.cfg");
    fs::write(&file, config)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    net.director.spawn("haproxy", command)
}

/// IPVS with the kernel's own scheduler, if it has it.
fn ipvs(net: &Article, scenario: &Scenario) -> std::result::Result<(), String> {
    let director = &net.director;
    for module in ["ip_vs", "ip_vs_lc", "ip_vs_wlc"] {
        // It may be built in, or absent, which is seen below.
        let _ = Command::new("modprobe").arg("-q").arg(module).status();
    }
    let there = director
        .enter(|| Path::new("/proc/net/ip_vs").exists())
        .map_err(|error| error.to_string())?;
    if !there {
        return Err("this kernel has no IPVS (--qemu runs in one that has)".to_owned());
    }
    let run = |args: &[&str]| {
        director
            .run("ipvsadm", args)
            .map(drop)
            .map_err(|error| format!("{error:#}"))
    };
    let vip = net.vip(PORT).to_string();
    run(&["-A", "-t", &vip, "-s", scenario.scheduler])?;
    for (number, weight) in scenario.weights.into_iter().enumerate() {
        let (server, weight) = (net.server(number, PORT).to_string(), weight.to_string());
        run(&["-a", "-t", &vip, "-r", &server, "-m", "-w", &weight])?;
    }
    director
        .sysctl("net.ipv4.vs.conntrack", "0")
        .context("IPVS's settings")
        .map_err(|error| format!("{error:#}"))
}
