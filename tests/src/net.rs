//! Interfaces, addresses and routes in the calling thread's network: what somebody else than Evenkeel has set up there
//! (see [`in_own_network`](crate::in_own_network)).

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use crate::network::sh;
use crate::wait::eventually;

/// How long an IPv6 address may be tentative.
const TENTATIVE: Duration = Duration::from_secs(10);

/// Somebody else who sets up the network, by `ip`.
///
/// # Panics
/// All of it does where `ip` fails: it is a test's.
#[derive(Debug, Clone, Copy)]
pub struct Net;

impl Net {
    /// An interface with carrier.
    pub fn interface(self, name: &str) {
        sh(&format!(
            "ip link add {name} up type veth peer name {name}-peer && ip link set {name}-peer up"
        ));
    }

    /// A bridge that is up.
    pub fn bridge(self, name: &str) {
        sh(&format!("ip link add {name} up type bridge"));
    }

    /// Sets an interface up.
    pub fn up(self, name: &str) {
        sh(&format!("ip link set {name} up"));
    }

    /// Sets an interface down.
    pub fn down(self, name: &str) {
        sh(&format!("ip link set {name} down"));
    }

    /// It has to be down.
    pub fn rename(self, name: &str, new: &str) {
        sh(&format!("ip link set {name} name {new}"));
    }

    /// Makes an interface a port of a bridge.
    pub fn enslave(self, name: &str, bridge: &str) {
        sh(&format!("ip link set {name} master {bridge}"));
    }

    /// Deletes an interface.
    pub fn remove_interface(self, name: &str) {
        sh(&format!("ip link del {name}"));
    }

    /// Adds an address.
    pub fn add(self, name: &str, addr: &str, prefix: u8) {
        sh(&format!("ip addr add {addr}/{prefix} dev {name}"));
    }

    /// Adds an IPv6 address and waits until it is not tentative any more.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn add_v6(self, name: &str, addr: &str, prefix: u8) {
        sh(&format!(
            "echo 0 >/proc/sys/net/ipv6/conf/{name}/accept_dad"
        ));
        self.add(name, addr, prefix);
        let bound = eventually("the address can be used", TENTATIVE, || {
            let addr: IpAddr = addr.parse()?;
            Ok(UdpSocket::bind((addr, 0)).ok())
        });
        if let Err(error) = bound {
            panic!("{addr}: {error:#}");
        }
    }

    /// Adds an IPv4 default route by a gateway.
    pub fn default_route(self, gateway: &str) {
        sh(&format!("ip route add default via {gateway}"));
    }

    /// Deletes an address.
    pub fn remove(self, name: &str, addr: &str, prefix: u8) {
        sh(&format!("ip addr del {addr}/{prefix} dev {name}"));
    }
}
