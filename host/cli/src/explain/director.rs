//! What the director needs for a service, as commands.

use std::fmt::Write as _;

use evenkeel_core::model::{Forward, Service};

/// The commands; empty if there are none.
pub(super) fn needs(service: &Service) -> String {
    let mut commands = String::new();
    let v4 = service.key.addr.is_ipv4();
    if service.servers.iter().any(|it| it.forward == Forward::Nat) {
        let key = if v4 {
            "net.ipv4.ip_forward"
        } else {
            "net.ipv6.conf.all.forwarding"
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            commands,
            "  # answers of the servers pass this machine\n  sysctl -w {key}=1"
        );
    }
    if let Some(mark) = service.key.protocol.fwmark() {
        let (ip, family, tables, example) = if v4 {
            ("ip", "ip", "iptables", "192.0.2.10")
        } else {
            ("ip -6", "ip6", "ip6tables", "2001:db8::10")
        };
        let _ = write!(
            commands,
            "  # the mark, for example of HTTP and HTTPS to {example}
  nft add table {family} marks
  nft add chain {family} marks incoming '{{ type filter hook prerouting priority mangle; }}'
  nft add rule {family} marks incoming {family} daddr {example} tcp dport '{{ 80, 443 }}' meta mark set {mark}
  # or, without nftables: {tables} -t mangle -A PREROUTING -d {example} -p tcp -m multiport --dports 80,443 -j MARK --set-mark {mark}
  # marked packets to addresses that this machine does not have come here by a rule
  {ip} rule add fwmark {mark} lookup 100
  {ip} route add local default dev lo table 100
"
        );
    }
    if commands.is_empty() {
        return commands;
    }
    format!("\nThe director needs (keep settings in /etc/sysctl.d)\n{commands}")
}
