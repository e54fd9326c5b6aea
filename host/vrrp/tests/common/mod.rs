//! A network with a client and two machines on which virtual routers run: the example `router`, or keepalived.

#![expect(dead_code, reason = "not every test uses all of it")]

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use evenkeel_tests::{Frame, Keepalived, Lab, Node, Ping, Process};

/// The virtual addresses.
pub(crate) const VIP: &str = "10.9.0.100";
pub(crate) const VIP6: &str = "2001:db8::100";

/// How long an election may take where it does not matter.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Two machines, `a` with 10.9.0.1 and `b` with 10.9.0.2, and a client on one switch; all by `eth0`.
pub(crate) struct Net {
    pub(crate) lab: Lab,
    pub(crate) switch: Node,
    pub(crate) a: Node,
    pub(crate) b: Node,
    pub(crate) client: Node,
}

impl Net {
    pub(crate) fn new() -> Result<Self> {
        let lab = Lab::new()?;
        let switch = lab.switch("switch")?;
        let machine = |name: &str, number: u8| -> Result<Node> {
            let node = lab.node(name)?;
            lab.plug(&node, "eth0", &switch)?;
            node.add_address("eth0", &format!("10.9.0.{number}/24"))?;
            node.add_address("eth0", &format!("2001:db8::{number}/64"))?;
            Ok(node)
        };
        let (a, b) = (machine("a", 1)?, machine("b", 2)?);
        let client = machine("client", 9)?;
        Ok(Self {
            lab,
            switch,
            a,
            b,
            client,
        })
    }

    /// Whether an address answers the client's pings.
    pub(crate) fn answers(&self, address: IpAddr) -> Result<bool> {
        let ping = Ping::start(&self.client, address, Duration::from_millis(50))?;
        sleep(Duration::from_millis(500));
        let pings = ping.stop()?;
        Ok(pings.lost() < pings.asked.len())
    }

    pub(crate) fn pair(&self) -> [Node; 2] {
        [self.a.clone(), self.b.clone()]
    }
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Starts the example `router` on a machine's `eth0`, with these arguments, separated by spaces.
pub(crate) fn router(node: &Node, arguments: &str) -> Result<Process> {
    // Beside the directory of the tests.
    let mut path: PathBuf = std::env::current_exe()?;
    path.pop();
    path.pop();
    let mut command = Command::new(path.join("examples/router"));
    command.arg("eth0").args(arguments.split(' '));
    node.spawn("router", command)
}

/// Starts keepalived with one instance on `eth0`: VRID 51, and these lines.
pub(crate) fn keepalived(node: &Node, lines: &str) -> Result<Keepalived> {
    let config = format!(
        "global_defs {{\n router_id lab\n}}\n\
         vrrp_instance router {{\n state BACKUP\n interface eth0\n virtual_router_id 51\n {lines}\n}}\n"
    );
    let mut keepalived = Keepalived::new(node, &config)?;
    keepalived.start()?;
    Ok(keepalived)
}

pub(crate) fn virtual_addresses(addresses: &[&str]) -> String {
    format!("virtual_ipaddress {{\n {}\n }}", addresses.join("\n "))
}

/// The MAC address of an interface.
pub(crate) fn mac(node: &Node, interface: &str) -> Result<[u8; 6]> {
    let links = node.ip_json(&["link", "show", "dev", interface])?;
    let text = links
        .first()
        .and_then(|link| link.get("address")?.as_str())
        .context("no MAC address")?;
    let bytes: Vec<u8> = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()?;
    bytes.try_into().ok().context("no MAC address")
}

/// The frames that announce an address.
pub(crate) fn announcements(frames: &[Frame], address: IpAddr) -> Vec<Frame> {
    let about = |frame: &&Frame| frame.announced() == Some(address);
    frames.iter().filter(about).cloned().collect()
}
