//! Direct routing and tunnels, with real servers prepared by the commands that `evenkeel explain` prints.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::support::{PATIENCE, Service, assert_repeats, servers};
use anyhow::{Result, ensure};
use evenkeel_tests::{Article, Backend, Client, Evenkeel, Node, on_uml};

/// The commands for the real servers in what `evenkeel explain SERVICE` prints; those with a word for the reader to
/// fill in are left out.
fn commands(evenkeel: &Evenkeel, node: &Node, service: &str) -> Result<Vec<String>> {
    let mut command = evenkeel.command("explain");
    command
        .arg("--config")
        .arg(evenkeel.config_file())
        .arg("--plugin-dir")
        .arg(&evenkeel_tests::Paths::default().plugins)
        .arg(service);
    let output = node.output_within(command, Duration::from_secs(90))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut commands: Vec<String> = text
        .lines()
        .skip_while(|line| !line.starts_with("Real servers need"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .collect();
    commands.retain(|line| !line.is_empty() && !line.contains("GATEWAY"));
    ensure!(!commands.is_empty(), "no commands in:\n{text}");
    Ok(commands)
}

/// One service with a server on each machine, which are told apart by their numbers. Prepares them.
struct Setup {
    net: Article,
    backends: Vec<Backend>,
    evenkeel: Evenkeel,
}

impl Setup {
    fn new(
        forward: &str,
        listen: SocketAddr,
        server: fn(&Article, usize) -> SocketAddr,
    ) -> Result<Self> {
        let net = Article::new(2)?;
        net.plug_servers_outside()?;
        let addresses = [0, 1].map(|number| server(&net, number));
        let config = Service::new("web", listen)
            .with(&format!("forward = \"{forward}\""))
            .checked()
            .servers(addresses)
            .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        let commands = commands(&evenkeel, &net.director, "web")?;
        let mut backends = Vec::new();
        for (number, node) in net.servers.iter().enumerate() {
            for command in &commands {
                node.run("sh", &["-c", command])?;
            }
            let anywhere = (Ipv6Addr::UNSPECIFIED, listen.port()).into();
            backends.push(Backend::tcp(node, anywhere, &number.to_string())?);
        }
        evenkeel.start()?;
        for address in addresses {
            evenkeel.wait_health("web", &address.to_string(), "up", PATIENCE)?;
        }
        Ok(Self {
            net,
            backends,
            evenkeel,
        })
    }

    /// Both servers answer in turn, and clients take the director for the owner of the address all the time.
    fn serves(&self, to: SocketAddr) -> Result<()> {
        let client = Client::new(&self.net.client);
        for _ in 0..3 {
            assert_repeats(&client.ask_times(to, 10)?, &["0", "1"]);
            let family = if to.is_ipv6() { "-6" } else { "-4" };
            let address = to.ip().to_string();
            let seen = self
                .net
                .client
                .run("ip", &[family, "neigh", "show", &address])?;
            let link = &self.net.director.ip_json(&["link", "show", "eth0"])?[0];
            let director = link["address"].as_str().unwrap_or_default();
            ensure!(seen.contains(director), "{seen} is not {director}");
            self.net.client.ip(&[family, "neigh", "flush", "all"])?;
        }
        Ok(())
    }

    /// What came back through the director: nothing, since servers answer clients themselves.
    fn bytes_back(&self) -> Result<Vec<String>> {
        let stats = self
            .net
            .director
            .ipvsadm(&["-L", "-n", "--stats", "--exact"])?;
        let back = stats
            .lines()
            .filter(|line| line.trim().starts_with("-> ") && !line.contains("RemoteAddress"))
            .filter_map(|line| line.split_whitespace().last().map(str::to_owned));
        Ok(back.collect())
    }

    /// A dead server leaves, and returns.
    fn a_server_fails_and_returns(&mut self, to: SocketAddr) -> Result<()> {
        let address = self.evenkeel.status()?["services"][0]["servers"][1]["address"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        self.backends.truncate(1);
        self.evenkeel
            .wait_health("web", &address, "down", PATIENCE)?;
        let client = Client::new(&self.net.client);
        assert_repeats(&client.ask_times(to, 4)?, &["0"]);
        let anywhere = (Ipv6Addr::UNSPECIFIED, to.port()).into();
        self.backends
            .push(Backend::tcp(&self.net.servers[1], anywhere, "1")?);
        self.evenkeel.wait_health("web", &address, "up", PATIENCE)?;
        assert_repeats(&client.ask_times(to, 4)?, &["0", "1"]);
        Ok(())
    }
}

#[test]
fn direct_routing_serves_with_servers_prepared_as_explain_says() -> Result<()> {
    on_uml(|| {
        let to = SocketAddr::from((Article::VIP, 80));
        let mut set = Setup::new("dr", to, |net, number| net.direct(number, 80))?;
        set.serves(to)?;
        assert_eq!(
            set.net.director.ipvs_rules()?,
            [
                "-A -t 10.10.54.151:80 -s rr",
                "-a -t 10.10.54.151:80 -r 10.10.54.157:80 -g -w 1",
                "-a -t 10.10.54.151:80 -r 10.10.54.159:80 -g -w 1",
            ]
        );
        assert_eq!(set.bytes_back()?, ["0", "0"]);
        set.a_server_fails_and_returns(to)
    })
}

#[test]
fn direct_routing_serves_ipv6() -> Result<()> {
    on_uml(|| {
        let to = SocketAddr::from((Article::VIP6, 80));
        let set = Setup::new("dr", to, |net, number| net.direct6(number, 80))?;
        set.serves(to)?;
        assert_eq!(set.bytes_back()?, ["0", "0"]);
        Ok(())
    })
}

#[test]
fn tunnels_serve_with_servers_prepared_as_explain_says() -> Result<()> {
    on_uml(|| {
        let to = SocketAddr::from((Article::VIP, 80));
        let mut set = Setup::new("tun", to, |net, number| net.server(number, 80))?;
        set.serves(to)?;
        assert_eq!(set.bytes_back()?, ["0", "0"]);
        set.a_server_fails_and_returns(to)
    })
}

#[test]
fn each_server_may_be_reached_in_a_way_of_its_own() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        let [first, second] = servers(&net, 80)[..] else {
            unreachable!()
        };
        let config = Service::new("web", net.vip(80))
            .server(first, "forward = \"tun\"")
            .server(second, "weight = 1")
            .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let ways = |net: &Article| -> Result<Vec<bool>> {
            let rules = net.director.ipvs_rules()?;
            Ok(rules[1..]
                .iter()
                .map(|rule| rule.contains(" -i "))
                .collect())
        };
        assert_eq!(ways(&net)?, [true, false]);
        // The other way round, without a restart.
        let config = config
            .replace("tun", "nat")
            .replacen("weight = 1", "forward = \"tun\"", 1);
        evenkeel.reload(&config)?;
        evenkeel.wait_status("the other way round", PATIENCE, |_| {
            ways(&net).is_ok_and(|ways| ways == [false, true])
        })?;
        Ok(())
    })
}
