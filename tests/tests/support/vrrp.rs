//! VRRP instances, as Evenkeel and keepalived are told them.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use evenkeel_tests::{Article, Node, wait_holder};

use super::PATIENCE;

/// A virtual router in the making, with the article's addresses for clients and for real servers.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) name: &'static str,
    pub(crate) interface: &'static str,
    pub(crate) router_id: u8,
    pub(crate) version: u8,
    pub(crate) priority: u8,
    pub(crate) interval: Duration,
    pub(crate) password: Option<&'static str>,
    /// With prefix lengths, and the interfaces they go on.
    pub(crate) addresses: Vec<(String, &'static str)>,
    /// The own address and the peer's; `None`: multicast.
    pub(crate) peers: Option<[&'static str; 2]>,
    pub(crate) lines: String,
    pub(crate) tables: String,
}

impl Instance {
    /// Version 3 every 100 ms, with both addresses of IPv4.
    pub(crate) fn v3(priority: u8) -> Self {
        Self {
            name: "VI_1",
            interface: "eth0",
            router_id: 51,
            version: 3,
            priority,
            interval: Duration::from_millis(100),
            password: None,
            addresses: vec![
                (format!("{}/24", Article::VIP), "eth0"),
                (format!("{}/24", Article::GATEWAY), "eth1"),
            ],
            peers: None,
            lines: String::new(),
            tables: String::new(),
        }
    }

    /// As in the article: version 2 every second, with a password.
    pub(crate) fn v2(priority: u8) -> Self {
        Self {
            version: 2,
            interval: Duration::from_secs(1),
            password: Some("1111"),
            ..Self::v3(priority)
        }
    }

    /// Version 3 every 100 ms over IPv6, with both addresses of IPv6 after the link-local one that RFC 9568 wants
    /// first.
    pub(crate) fn v6(priority: u8) -> Self {
        Self {
            addresses: vec![
                ("fe80::51/64".to_owned(), "eth0"),
                (format!("{}/64", Article::VIP6), "eth0"),
                (format!("{}/64", Article::GATEWAY6), "eth1"),
            ],
            ..Self::v3(priority)
        }
    }

    /// Version 3 every 100 ms, with the other director as a named peer: the master,
    /// [`PRIORITIES`](super::pair::PRIORITIES)' first, is 10.10.54.155.
    pub(crate) fn unicast(priority: u8) -> Self {
        let [own, other] = if priority > 100 {
            ["10.10.54.155", "10.10.54.156"]
        } else {
            ["10.10.54.156", "10.10.54.155"]
        };
        Self {
            peers: Some([own, other]),
            ..Self::v3(priority)
        }
    }

    /// Adds a line of Evenkeel's TOML such as `preempt = false`.
    pub(crate) fn with(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// Adds tables of Evenkeel's TOML such as `[[vrrp.route]]`.
    pub(crate) fn table(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// For Evenkeel.
    pub(crate) fn toml(&self) -> String {
        let mut text = format!(
            "[[vrrp]]\nname = \"{}\"\ninterface = \"{}\"\nrouter_id = {}\nversion = {}\npriority = {}\nadvert_interval = \"{}ms\"\n",
            self.name,
            self.interface,
            self.router_id,
            self.version,
            self.priority,
            self.interval.as_millis(),
        );
        if let Some(password) = self.password {
            let _ = writeln!(text, "password = \"{password}\"");
        }
        if let Some([own, other]) = self.peers {
            let _ = writeln!(text, "source = \"{own}\"\npeers = [\"{other}\"]");
        }
        text += &self.lines;
        let mut addresses = String::new();
        for (address, interface) in &self.addresses {
            let _ = writeln!(
                addresses,
                "    {{ address = \"{address}\", interface = \"{interface}\" }},"
            );
        }
        let _ = write!(text, "address = [\n{addresses}]\n{}", self.tables);
        text
    }

    /// For keepalived.
    pub(crate) fn keepalived(&self) -> String {
        let mut addresses = String::new();
        for (address, interface) in &self.addresses {
            let _ = writeln!(addresses, "        {address} dev {interface}");
        }
        let authentication = self.password.map_or_else(String::new, |password| {
            format!("    authentication {{\n        auth_type PASS\n        auth_pass {password}\n    }}\n")
        });
        let peers = self.peers.map_or_else(String::new, |[own, other]| {
            format!("    unicast_src_ip {own}\n    unicast_peer {{\n        {other}\n    }}\n")
        });
        format!(
            "vrrp_instance {} {{\n    state BACKUP\n    interface {}\n    virtual_router_id {}\n    version {}\n    priority {}\n    \
             advert_int {}\n{authentication}{peers}    virtual_ipaddress {{\n{addresses}    }}\n}}\n",
            self.name,
            self.interface,
            self.router_id,
            self.version,
            self.priority,
            self.interval.as_secs_f64(),
        )
    }

    /// Its virtual addresses.
    pub(crate) fn held(&self) -> Vec<IpAddr> {
        let bare = |(address, _): &(String, _)| address.split('/').next()?.parse().ok();
        self.addresses.iter().filter_map(bare).collect()
    }
}

/// Waits until that one of the article's directors (0: the master, 1: the backup) alone has all of the addresses.
pub(crate) fn wait_director(net: &Article, addresses: &[IpAddr], which: usize) -> Result<Duration> {
    wait_holder(&net.directors(), addresses, which, PATIENCE)
}

/// Cuts a machine off.
pub(crate) fn cut_off(node: &Node) -> Result<()> {
    node.cut("eth0")?;
    node.cut("eth1")
}

/// Undoes [`cut_off`].
pub(crate) fn connect(node: &Node) -> Result<()> {
    node.mend("eth0")?;
    node.mend("eth1")
}
