//! The network of the article that this project began from: clients and directors on 10.10.54.0/24, directors and real
//! servers on 172.16.50.0/24, and the same again for IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Result, ensure};

use crate::lab::{Lab, Node};

/// The article's network. Real servers send their answers through the virtual gateway 172.16.50.254 (fd00:50::254),
/// which this network puts on the director.
///
/// | machine | eth0 | eth1 |
/// |---|---|---|
/// | client | 10.10.54.10 to .19, fd00:54::10 to ::19 | |
/// | director | 10.10.54.155, fd00:54::155; service addresses 10.10.54.151, fd00:54::151 | 172.16.50.155, .254, fd00:50::155, ::254 |
/// | backup | 10.10.54.156, fd00:54::156 | 172.16.50.156, fd00:50::156 |
/// | server N (from 0) | 172.16.50.157 + 2 N, fd00:50::157 and on | |
#[derive(Debug)]
pub struct Article {
    /// The whole.
    pub lab: Lab,
    /// Where clients are.
    pub client: Node,
    /// The master director. Forwards.
    pub director: Node,
    /// The backup director, if there is one. Forwards.
    pub backup: Option<Node>,
    /// The real servers.
    pub servers: Vec<Node>,
    /// The switch of the client side.
    pub outside: Node,
    /// The switch of the private side.
    pub private: Node,
}

impl Article {
    /// The service address for clients.
    pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 10, 54, 151);
    /// The service address for clients, IPv6.
    pub const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x54, 0, 0, 0, 0, 0, 0x151);
    /// The virtual gateway of the private side.
    pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 16, 50, 254);
    /// The virtual gateway of the private side, IPv6.
    pub const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x50, 0, 0, 0, 0, 0, 0x254);
    /// The virtual addresses of IPv4: the service address and the virtual gateway.
    pub const VIRTUAL: [IpAddr; 2] = [IpAddr::V4(Self::VIP), IpAddr::V4(Self::GATEWAY)];
    /// The virtual addresses of IPv6: the service address and the virtual gateway.
    pub const VIRTUAL6: [IpAddr; 2] = [IpAddr::V6(Self::VIP6), IpAddr::V6(Self::GATEWAY6)];

    /// One director that has the virtual addresses, and this many real servers (1 to 48; the article has 2).
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn new(servers: usize) -> Result<Self> {
        let net = Self::without_virtual_addresses(servers)?;
        net.director
            .add_address("eth0", &format!("{}/32", Self::VIP))?;
        // Deprecated: never the source of the director's own connections, which with direct routing a server would
        // answer itself.
        let vip6 = format!("{}/128", Self::VIP6);
        let lifetime = ["preferred_lft", "0", "nodad"];
        net.director
            .ip(&[["addr", "add", &vip6, "dev", "eth0"].as_slice(), &lifetime].concat())?;
        net.director
            .add_address("eth1", &format!("{}/24", Self::GATEWAY))?;
        net.director
            .add_address("eth1", &format!("{}/64", Self::GATEWAY6))?;
        Ok(net)
    }

    /// Like [`Self::new`], but nobody has the service addresses and the virtual gateway yet.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn without_virtual_addresses(servers: usize) -> Result<Self> {
        ensure!(
            (1..=48).contains(&servers),
            "1 to 48 real servers have addresses"
        );
        let lab = Lab::new()?;
        let outside = lab.switch("outside")?;
        let private = lab.switch("private")?;
        let client = lab.node("client")?;
        lab.plug(&client, "eth0", &outside)?;
        for host in 10..=19 {
            client.add_address("eth0", &format!("10.10.54.{host}/24"))?;
            client.add_address("eth0", &format!("fd00:54::{host}/64"))?;
        }
        let director = Self::director(&lab, "director", 155, &outside, &private)?;
        let mut net = Self {
            lab,
            client,
            director,
            backup: None,
            servers: Vec::new(),
            outside,
            private,
        };
        for number in 0..servers {
            let node = net.real_server(number)?;
            net.servers.push(node);
        }
        Ok(net)
    }

    /// Two directors, and nobody has the service addresses and the virtual gateway yet.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn pair(servers: usize) -> Result<Self> {
        let mut net = Self::without_virtual_addresses(servers)?;
        net.add_backup()?;
        Ok(net)
    }

    /// The directors: the master and, if there is one, the backup.
    #[must_use]
    pub fn directors(&self) -> Vec<Node> {
        [Some(&self.director), self.backup.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Adds the backup director.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn add_backup(&mut self) -> Result<Node> {
        let node = Self::director(&self.lab, "backup", 156, &self.outside, &self.private)?;
        self.backup = Some(node.clone());
        Ok(node)
    }

    fn director(lab: &Lab, name: &str, host: u8, outside: &Node, private: &Node) -> Result<Node> {
        let node = lab.node(name)?;
        lab.plug(&node, "eth0", outside)?;
        lab.plug(&node, "eth1", private)?;
        node.add_address("eth0", &format!("10.10.54.{host}/24"))?;
        node.add_address("eth0", &format!("fd00:54::{host}/64"))?;
        node.add_address("eth1", &format!("172.16.50.{host}/24"))?;
        node.add_address("eth1", &format!("fd00:50::{host}/64"))?;
        node.forward()?;
        Ok(node)
    }

    fn real_server(&self, number: usize) -> Result<Node> {
        let node = self.lab.node(&format!("server{}", number + 1))?;
        self.lab.plug(&node, "eth0", &self.private)?;
        node.add_address("eth0", &format!("{}/24", self.server(number, 0).ip()))?;
        node.add_address("eth0", &format!("{}/64", self.server6(number, 0).ip()))?;
        node.default_route(IpAddr::V4(Self::GATEWAY))?;
        node.default_route(IpAddr::V6(Self::GATEWAY6))?;
        Ok(node)
    }

    /// A second network card for each real server, on the clients' side, eth1: 10.10.54.157 + 2 N and fd00:54::157
    /// and on. For servers that answer clients themselves (direct routing, tunnels).
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn plug_servers_outside(&self) -> Result<()> {
        for (number, node) in self.servers.iter().enumerate() {
            self.lab.plug(node, "eth1", &self.outside)?;
            node.add_address("eth1", &format!("{}/24", self.direct(number, 0).ip()))?;
            node.add_address("eth1", &format!("{}/64", self.direct6(number, 0).ip()))?;
        }
        Ok(())
    }

    /// The service address with a port.
    #[must_use]
    pub fn vip(&self, port: u16) -> SocketAddr {
        (Self::VIP, port).into()
    }

    /// The IPv6 service address with a port.
    #[must_use]
    pub fn vip6(&self, port: u16) -> SocketAddr {
        (Self::VIP6, port).into()
    }

    /// A real server's address, with a port. Numbers begin at 0.
    #[must_use]
    pub fn server(&self, number: usize, port: u16) -> SocketAddr {
        (Ipv4Addr::new(172, 16, 50, host(number)), port).into()
    }

    /// A real server's address on the clients' side, with a port; see [`Self::plug_servers_outside`].
    #[must_use]
    pub fn direct(&self, number: usize, port: u16) -> SocketAddr {
        (Ipv4Addr::new(10, 10, 54, host(number)), port).into()
    }

    /// A real server's IPv6 address, with a port. The last group reads like the IPv4 address's last number.
    #[must_use]
    pub fn server6(&self, number: usize, port: u16) -> SocketAddr {
        let last = digits(host(number));
        (Ipv6Addr::new(0xfd00, 0x50, 0, 0, 0, 0, 0, last), port).into()
    }

    /// A real server's IPv6 address on the clients' side, with a port; see [`Self::plug_servers_outside`].
    #[must_use]
    pub fn direct6(&self, number: usize, port: u16) -> SocketAddr {
        let last = digits(host(number));
        (Ipv6Addr::new(0xfd00, 0x54, 0, 0, 0, 0, 0, last), port).into()
    }
}

/// The last number of a real server's addresses.
fn host(server: usize) -> u8 {
    u8::try_from(157 + 2 * server).unwrap_or(u8::MAX)
}

/// A group that reads, in IPv6's digits, as this number does in decimal ones.
fn digits(number: u8) -> u16 {
    let number = u16::from(number);
    ((number / 100) << 8) | ((number / 10 % 10) << 4) | (number % 10)
}
