//! What the real servers of a service need, as commands to copy.

use std::fmt::Write as _;
use std::net::IpAddr;

use evenkeel_core::model::{Forward, Model, Server, Service};
use ipnet::IpNet;

/// What Ethernet takes in one packet, and what TCP leaves of that (20 bytes of its own).
const ETHERNET: u16 = 1500;

/// The commands, by the way that servers are reached.
pub(super) fn needs(model: &Model, service: &Service) -> String {
    let mut out = String::new();
    for forward in [Forward::Nat, Forward::Dr, Forward::Tun] {
        let servers: Vec<&Server> = service
            .servers
            .iter()
            .filter(|server| server.forward == forward)
            .collect();
        if servers.is_empty() {
            continue;
        }
        let names: Vec<&str> = servers.iter().map(|it| it.name.as_str()).collect();
        // Writing to a string does not fail.
        let _ = writeln!(out, "\nReal servers need, {forward}: {}", names.join(", "));
        match forward {
            Forward::Nat => nat(model, service, &servers, &mut out),
            Forward::Dr => direct(service, &mut out),
            Forward::Tun => tunnel(service, &mut out),
        }
    }
    out
}

/// The address that the real servers are to have, as it is written in commands.
fn virtual_address(service: &Service) -> String {
    let prefix = if service.key.addr.is_ipv4() { 32 } else { 128 };
    if service.key.protocol.fwmark().is_some() {
        format!("ADDRESS/{prefix}")
    } else {
        format!("{}/{prefix}", service.key.addr)
    }
}

/// Says what ADDRESS stands for.
fn each_address(service: &Service, out: &mut String) {
    if service.key.protocol.fwmark().is_some() {
        out.push_str("  # for each ADDRESS whose packets are marked\n");
    }
}

fn nat(model: &Model, service: &Service, servers: &[&Server], out: &mut String) {
    if service.snat {
        out.push_str("  nothing: they answer the director, which is the client that they see\n");
        return;
    }
    let ip = if service.key.addr.is_ipv4() {
        "ip"
    } else {
        "ip -6"
    };
    let mut seen: Vec<Option<IpAddr>> = Vec::new();
    out.push_str("  # the way back to the clients leads through the director\n");
    for server in servers {
        let gateway = gateway(model, server.address.ip());
        if seen.contains(&gateway) {
            continue;
        }
        seen.push(gateway);
        let _ = match gateway {
            Some(gateway) => writeln!(out, "  {ip} route replace default via {gateway}"),
            None => writeln!(
                out,
                "  {ip} route replace default via DIRECTOR   # its address on the network of {}",
                server.address.ip()
            ),
        };
    }
}

/// The virtual address of the director on the network of a server.
fn gateway(model: &Model, server: IpAddr) -> Option<IpAddr> {
    let addresses = model
        .vrrp
        .instances
        .iter()
        .flat_map(|instance| &instance.addresses);
    addresses
        .filter(|it| it.prefix < if it.addr.is_ipv4() { 32 } else { 128 })
        .find(|it| IpNet::new(it.addr, it.prefix).is_ok_and(|network| network.contains(&server)))
        .map(|it| it.addr)
}

fn direct(service: &Service, out: &mut String) {
    let address = virtual_address(service);
    each_address(service, out);
    if service.key.addr.is_ipv4() {
        let _ = write!(
            out,
            "  # the service's address, which nobody is told of: the director alone answers ARP for it
  sysctl -w net.ipv4.conf.all.arp_ignore=1
  sysctl -w net.ipv4.conf.all.arp_announce=2
  ip addr add {address} dev lo
"
        );
    } else {
        let _ = write!(
            out,
            "  # the service's address. Linux answers neighbour solicitations for addresses of the interface they come in by only, so
  # nobody is told of one on lo; nodad, since the director has it, too. No proxy_ndp for it.
  ip -6 addr add {address} dev lo nodad
"
        );
    }
    out.push_str(
        "  # They are on a network of the director, listen on the service's address and port, and answer by their own default route.\n",
    );
}

fn tunnel(service: &Service, out: &mut String) {
    let address = virtual_address(service);
    let v4 = service.key.addr.is_ipv4();
    each_address(service, out);
    if v4 {
        let _ = write!(
            out,
            "  # the end of the tunnel, with the service's address; packets come in by another way than answers go out
  modprobe ipip
  ip link set tunl0 up
  sysctl -w net.ipv4.conf.tunl0.rp_filter=0
  sysctl -w net.ipv4.conf.all.rp_filter=0
  # where they are on the service's own network: the director alone answers ARP for it
  sysctl -w net.ipv4.conf.all.arp_ignore=1
  sysctl -w net.ipv4.conf.all.arp_announce=2
  ip addr add {address} dev tunl0
"
        );
    } else {
        let _ = write!(
            out,
            "  # the end of the tunnel, with the service's address; nodad, since the director has it, too
  modprobe ip6_tunnel
  ip link set ip6tnl0 up
  ip -6 addr add {address} dev ip6tnl0 nodad
"
        );
    }
    let (header, ip, own) = if v4 {
        (20, "ip", 20)
    } else {
        (40, "ip -6", 40)
    };
    let _ = write!(
        out,
        "  # Packets grow by {header} bytes on the way. Where the network takes {ETHERNET} at most, tell clients to send less:
  {ip} route change default via GATEWAY advmss {}   # GATEWAY: their own
  # A firewall on the way lets {} in.
",
        ETHERNET - header - own - 20,
        if v4 {
            "IP protocol 4"
        } else {
            "IPv6 next header 41"
        }
    );
}
