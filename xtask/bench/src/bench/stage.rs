//! The network that is measured: one client, two servers, and between them one director for each way of balancing.
//! Each director has cables of its own to all of them, so that whatever one of them has in its kernel costs the
//! others nothing.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use evenkeel_tests::{Client, Evenkeel, Keepalived, Lab, Nginx, Node, Process, wait_until};

use super::connections::Server;
use super::release::paths;

/// Port for new connections.
pub(crate) const ASK: u16 = 7000;
/// Port of iperf3.
pub(crate) const STREAM: u16 = 5201;
/// Port for datagrams.
pub(crate) const DATAGRAMS: u16 = 9000;
const SERVERS: usize = 2;

/// A way from the client to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The director forwards packets and does nothing else (no connection tracking).
    Routing,
    /// In turn, by plan.
    Evenkeel,
    /// Least connections, by plan: connections are counted.
    EvenkeelCounting,
    /// Least connections, each connection decided.
    EvenkeelAsking,
    HaProxy,
    Nginx,
    /// In turn, by plan, with nftables and no flowtable.
    Nftables,
    /// The same with a flowtable.
    Flowtable,
    /// In turn, by plan, with IPVS.
    Ipvs,
    /// The same by keepalived.
    IpvsByKeepalived,
}

impl Way {
    /// What throughput is compared over.
    pub(crate) const ALL: [Self; 4] = [Self::Routing, Self::Evenkeel, Self::HaProxy, Self::Nginx];
    /// What ways to decide are compared over.
    pub(crate) const DECIDING: [Self; 6] = [
        Self::Routing,
        Self::Evenkeel,
        Self::EvenkeelCounting,
        Self::EvenkeelAsking,
        Self::HaProxy,
        Self::Nginx,
    ];
    /// What data planes are compared over.
    pub(crate) const KERNEL: [Self; 5] = [
        Self::Routing,
        Self::Nftables,
        Self::Flowtable,
        Self::Ipvs,
        Self::IpvsByKeepalived,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Routing => "plain routing",
            Self::Evenkeel => "Evenkeel",
            Self::EvenkeelCounting => "Evenkeel, lc by plan",
            Self::EvenkeelAsking => "Evenkeel, lc per connection",
            Self::HaProxy => "HAProxy, mode tcp",
            Self::Nginx => "nginx stream",
            Self::Nftables => "nftables",
            Self::Flowtable => "nftables, flowtable",
            Self::Ipvs => "IPVS",
            Self::IpvsByKeepalived => "IPVS by keepalived",
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Evenkeel => "evenkeel",
            Self::EvenkeelCounting => "counting",
            Self::EvenkeelAsking => "asking",
            Self::HaProxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Nftables => "nftables",
            Self::Flowtable => "flowtable",
            Self::Ipvs => "ipvs",
            Self::IpvsByKeepalived => "keepalived",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Routing => 1,
            Self::Evenkeel => 2,
            Self::HaProxy => 3,
            Self::Nginx => 4,
            Self::EvenkeelCounting => 5,
            Self::EvenkeelAsking => 6,
            Self::Nftables => 7,
            Self::Flowtable => 8,
            Self::Ipvs => 9,
            Self::IpvsByKeepalived => 10,
        }
    }

    /// Where the client finds the first server, or the service, by this way.
    pub(crate) fn address(self, port: u16) -> SocketAddr {
        match self {
            Self::Routing => (self.server(0), port).into(),
            _ => (self.service(), port).into(),
        }
    }

    /// All that the client has to know to use both servers.
    pub(crate) fn addresses(self, port: u16) -> Vec<SocketAddr> {
        match self {
            Self::Routing => (0..SERVERS)
                .map(|it| (self.server(it), port).into())
                .collect(),
            _ => vec![self.address(port)],
        }
    }

    /// The client's address.
    pub(crate) fn client(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, self.number(), 1)
    }

    /// The interface of the client, and of each server.
    pub(crate) fn interface(self) -> String {
        format!("eth{}", self.number())
    }

    fn service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, self.number(), 100)
    }

    fn server(self, server: usize) -> Ipv4Addr {
        Ipv4Addr::new(172, self.third(server), self.number(), 2)
    }

    fn gateway(self, server: usize) -> Ipv4Addr {
        Ipv4Addr::new(172, self.third(server), self.number(), 1)
    }

    /// 172.16 or 172.17: each cable has a network of its own.
    fn third(self, server: usize) -> u8 {
        if server == 0 { 16 } else { 17 }
    }
}

/// Everything that runs during the measurements.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) client: Node,
    servers: Vec<Node>,
    directors: Vec<(Way, Node)>,
    _lab: Lab,
    _listening: Vec<Server>,
    programs: Vec<Process>,
    _nginx: Vec<Nginx>,
    _keepalived: Vec<Keepalived>,
    evenkeels: Vec<(Way, Evenkeel)>,
}

impl Stage {
    /// With a director for each of these ways.
    pub(crate) fn set(ways: &[Way]) -> Result<Self> {
        let lab = Lab::new()?;
        let client = lab.node("client")?;
        tune(&client)?;
        let mut servers = Vec::new();
        for number in 0..SERVERS {
            let server = lab.node(&format!("server{}", number + 1))?;
            tune(&server)?;
            servers.push(server);
        }
        let mut directors = Vec::new();
        for &way in ways {
            directors.push((way, director(&lab, way, &client, &servers)?));
        }
        let mut listening = Vec::new();
        let mut programs = Vec::new();
        for server in &servers {
            listening.push(Server::start(server, (Ipv4Addr::UNSPECIFIED, ASK).into())?);
            let mut iperf = Command::new("iperf3");
            iperf.args(["-s", "-p", &STREAM.to_string()]);
            programs.push(server.spawn("iperf3", iperf)?);
        }
        let mut nginxes = Vec::new();
        let mut evenkeels = Vec::new();
        let mut keepaliveds = Vec::new();
        for (way, node) in &directors {
            match way {
                Way::Routing => {}
                Way::HaProxy => programs.push(haproxy(node)?),
                Way::Nginx => nginxes.push(nginx(node)?),
                Way::IpvsByKeepalived => keepaliveds.push(keepalived(node)?),
                Way::Evenkeel
                | Way::EvenkeelCounting
                | Way::EvenkeelAsking
                | Way::Nftables
                | Way::Flowtable
                | Way::Ipvs => evenkeels.push((*way, evenkeel(node, *way)?)),
            }
        }
        let stage = Self {
            client,
            servers,
            directors,
            _lab: lab,
            _listening: listening,
            programs,
            _nginx: nginxes,
            _keepalived: keepaliveds,
            evenkeels,
        };
        stage.wait_ready()?;
        Ok(stage)
    }

    fn wait_ready(&self) -> Result<()> {
        let client = Client::new(&self.client);
        for (way, _) in &self.directors {
            let way = *way;
            // iperf3 takes a connection without more for a failed test: one way is enough to see that it listens.
            let ports: &[u16] = if way == Way::Routing {
                &[ASK, STREAM]
            } else {
                &[ASK]
            };
            for port in ports {
                let to = way.address(*port);
                let limit = Duration::from_secs(10);
                wait_until(&format!("{} answers at {to}", way.name()), limit, || {
                    Ok(client.connect(to).is_ok())
                })
                .with_context(|| self.logs())?;
            }
        }
        Ok(())
    }

    /// The daemon of a way, if that is one of Evenkeel's and was set up.
    pub(crate) fn evenkeel(&self, way: Way) -> Option<&Evenkeel> {
        let mut evenkeels = self.evenkeels.iter();
        evenkeels
            .find(|(it, _)| *it == way)
            .map(|(_, daemon)| daemon)
    }

    /// The server that has a service to itself, and its address.
    pub(crate) fn first_server(&self, way: Way) -> (&Node, Ipv4Addr) {
        (&self.servers[0], way.server(0))
    }

    /// Whom the client sends frames to.
    pub(crate) fn hardware_address(&self, way: Way) -> Result<String> {
        let mut directors = self.directors.iter();
        let (_, node) = directors.find(|(it, _)| *it == way).context("a director")?;
        let shown = node.run("ip", &["-json", "link", "show", "eth0"])?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let address = shown[0]["address"].as_str();
        Ok(address.context("eth0 has an address")?.to_owned())
    }

    fn logs(&self) -> String {
        self.programs.iter().map(Process::log).collect()
    }

    /// Segmentation and receive offloads of every cable, on or off.
    pub(crate) fn offloads(&self, on: bool) -> Result<()> {
        let value = if on { "on" } else { "off" };
        let set = |node: &Node, interface: &str| {
            node.run(
                "ethtool",
                &["-K", interface, "tso", value, "gso", value, "gro", value],
            )
            .map(drop)
        };
        for (way, director) in &self.directors {
            let outer = way.interface();
            set(&self.client, &outer)?;
            for interface in ["eth0", "eth1", "eth2"] {
                set(director, interface)?;
            }
            for server in &self.servers {
                set(server, &outer)?;
            }
        }
        Ok(())
    }
}

/// Ports enough for every way, and queues that do not overflow.
fn tune(node: &Node) -> Result<()> {
    node.sysctl("net.ipv4.ip_local_port_range", "1024 65000")?;
    node.sysctl("net.core.somaxconn", "4096")?;
    node.sysctl("net.ipv4.tcp_max_syn_backlog", "8192")?;
    // A proxy closes its connections to the servers itself and would run out of ports.
    node.sysctl("net.ipv4.tcp_tw_reuse", "1")
}

fn director(lab: &Lab, way: Way, client: &Node, servers: &[Node]) -> Result<Node> {
    let director = lab.node(way.key())?;
    tune(&director)?;
    director.forward()?;
    let number = way.number();
    let interface = way.interface();
    lab.cable(client, &interface, &director, "eth0")?;
    client.add_address(&interface, &format!("{}/24", way.client()))?;
    director.add_address("eth0", &format!("10.0.{number}.254/24"))?;
    director.add_address("eth0", &format!("{}/32", way.service()))?;
    for (server, node) in servers.iter().enumerate() {
        let own = format!("eth{}", server + 1);
        lab.cable(node, &interface, &director, &own)?;
        node.add_address(&interface, &format!("{}/24", way.server(server)))?;
        director.add_address(&own, &format!("{}/24", way.gateway(server)))?;
        node.route(
            &format!("10.0.{number}.0/24"),
            IpAddr::V4(way.gateway(server)),
        )?;
        client.route(
            &format!("{}/32", way.server(server)),
            IpAddr::V4(Ipv4Addr::new(10, 0, number, 254)),
        )?;
    }
    Ok(director)
}

fn evenkeel(node: &Node, way: Way) -> Result<Evenkeel> {
    let scheduler = match way {
        Way::EvenkeelCounting => "scheduler = \"lc\"\ndecision = \"plan\"",
        Way::EvenkeelAsking => "scheduler = \"lc\"\ndecision = \"per-connection\"",
        _ => "scheduler = \"rr\"",
    };
    let service = |name: &str, port: u16, servers: usize| {
        let servers = (0..servers).fold(String::new(), |text, server| {
            text + &format!(
                "[[service.server]]\naddress = \"{}:{port}\"\n",
                way.server(server)
            )
        });
        format!(
            "[[service]]\nname = \"{name}\"\nlisten = \"{}:{port}\"\n{scheduler}\n\
             check = {{ plugin = \"tcp\" }}\n{servers}\n",
            way.service()
        )
    };
    let dataplane = match way {
        Way::Nftables => "dataplane = \"nftables\"\noffload = \"off\"\n",
        Way::Flowtable => "dataplane = \"nftables\"\noffload = \"auto\"\n",
        Way::Ipvs => "dataplane = \"ipvs\"\n",
        _ => "",
    };
    // A test of iperf3 needs both its connections at one server.
    let mut config =
        dataplane.to_owned() + &service("ask", ASK, SERVERS) + &service("stream", STREAM, 1);
    if Way::KERNEL.contains(&way) {
        config += &format!(
            "[[service]]\nname = \"datagrams\"\nlisten = \"{}:{DATAGRAMS}\"\nprotocol = \"udp\"\n\
             [[service.server]]\naddress = \"{}:{DATAGRAMS}\"\n",
            way.service(),
            way.server(0)
        );
    }
    // What entries of closed connections cost is memory, and there are as many a second as in a day elsewhere.
    let mut evenkeel = Evenkeel::with_paths(node, &config, paths())?;
    evenkeel.start()?;
    for kind in ["close", "time_wait"] {
        if way != Way::Ipvs {
            node.sysctl(
                &format!("net.netfilter.nf_conntrack_tcp_timeout_{kind}"),
                "1",
            )?;
        }
    }
    Ok(evenkeel)
}

fn keepalived(node: &Node) -> Result<Keepalived> {
    let way = Way::IpvsByKeepalived;
    let service = |port: u16, servers: usize, protocol: &str, check: &str| {
        let servers = (0..servers).fold(String::new(), |text, server| {
            let server = way.server(server);
            text + &format!("    real_server {server} {port} {{\n        weight 1\n{check}    }}\n")
        });
        format!(
            "virtual_server {} {port} {{\n    delay_loop 6\n    lb_algo rr\n    lb_kind NAT\n    protocol {protocol}\n{servers}}}\n",
            way.service()
        )
    };
    let check = "        TCP_CHECK {\n        }\n";
    let config = service(ASK, SERVERS, "TCP", check)
        + &service(STREAM, 1, "TCP", check)
        + &service(DATAGRAMS, 1, "UDP", "");
    let mut keepalived = Keepalived::with_ipvs(node, &config)?;
    keepalived.start()?;
    Ok(keepalived)
}

fn haproxy(node: &Node) -> Result<Process> {
    let way = Way::HaProxy;
    let service = |name: &str, port: u16, servers: usize| {
        let servers = (0..servers).fold(String::new(), |text, server| {
            text + &format!("    server s{server} {}:{port}\n", way.server(server))
        });
        format!(
            "listen {name}\n    bind {}:{port}\n    balance roundrobin\n{servers}",
            way.service()
        )
    };
    let config = format!(
        "global\n    maxconn 4000\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1m\n    \
         timeout server 1m\n{}{}",
        service("ask", ASK, SERVERS),
        service("stream", STREAM, 1)
    );
    let file = node.dir().join("haproxy.cfg");
    fs::write(&file, config)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    node.spawn("haproxy", command)
}

fn nginx(node: &Node) -> Result<Nginx> {
    let way = Way::Nginx;
    let service = |name: &str, port: u16, servers: usize| {
        let servers = (0..servers)
            .map(|server| format!("server {}:{port};", way.server(server)))
            .collect::<Vec<_>>()
            .join(" ");
        format!(
            "    upstream {name} {{ {servers} }}\n    server {{ listen {}:{port} backlog=4096 reuseport; proxy_pass {name}; }}\n",
            way.service()
        )
    };
    let stream = format!(
        "stream {{\n{}{}}}\n",
        service("ask", ASK, SERVERS),
        service("stream", STREAM, 1)
    );
    Nginx::with_config(node, "stream", &stream, Some((way.service(), ASK).into()))
}
