//! Single rules: as `iptables-save` prints them, and read back.

use std::net::IpAddr;

use evenkeel_core::mark::HEARTBEAT;
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::Queue;
use evenkeel_ipvs::Family;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which of iptables' tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    /// Full NAT.
    Nat,
    /// Queues.
    Mangle,
}

/// One of our chains: there is one in each table, for each IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) family: Family,
    pub(crate) table: Table,
}

impl Place {
    pub(crate) const ALL: [Self; 4] = [
        Self::new(Family::V4, Table::Nat),
        Self::new(Family::V6, Table::Nat),
        Self::new(Family::V4, Table::Mangle),
        Self::new(Family::V6, Table::Mangle),
    ];

    pub(crate) const fn new(family: Family, table: Table) -> Self {
        Self { family, table }
    }

    /// The table's name.
    pub(crate) fn table(self) -> &'static str {
        match self.table {
            Table::Nat => "nat",
            Table::Mangle => "mangle",
        }
    }

    /// The chain's name.
    pub(crate) fn chain(self) -> &'static str {
        match self.table {
            Table::Nat => "EVENKEEL-POST",
            // Its name is what an earlier version is found by.
            Table::Mangle => "EVENKEEL-ASK",
        }
    }

    /// The kernel's chains from which packets come to it, and how the jump is put there. Full NAT comes before others'
    /// rules, lest they rewrite first; queues after them, since what is queued goes past what follows.
    pub(crate) fn hooks(self) -> &'static [(&'static str, &'static str)] {
        match self.table {
            Table::Nat => &[("POSTROUTING", "-I")],
            Table::Mangle => &[("PREROUTING", "-A"), ("OUTPUT", "-A")],
        }
    }
}

/// A rule of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// A heartbeat is remembered. First of all.
    Alive,
    /// Connections of a service get the director's source address.
    Snat(ServiceKey),
    /// So do those that IPVS sends back into the network from which they come.
    Hairpin(IpNet),
    /// New connections of a service are handed to a queue, while the daemon lives and somebody serves it.
    Queue(ServiceKey, Queue),
}

/// Heartbeats are remembered under this name (`/proc/net/xt_recent`).
const RECENT: &str = "evenkeel";

impl Rule {
    /// Its IP version; IPv4 for [`Self::Alive`], which has both.
    pub(crate) fn family(self) -> Family {
        match self {
            Self::Alive => Family::V4,
            Self::Snat(key) | Self::Queue(key, _) => Family::of(key.addr),
            Self::Hairpin(network) => Family::of(network.addr()),
        }
    }

    /// The rule's words, after the chain's name.
    pub(crate) fn words(self, family: Family) -> Vec<String> {
        let mut words = Words::default();
        match self {
            Self::Alive => {
                words.add(["-m", "mark", "--mark"]);
                words.add([format!("{HEARTBEAT:#x}")]);
                words.add(["-m", "recent", "--set"]);
                recent(&mut words, family);
            }
            Self::Snat(key) => {
                match key.protocol.fwmark() {
                    Some(mark) => {
                        words.add(["-m", "mark", "--mark"]);
                        words.add([format!("{mark:#x}"), "-m".into(), "ipvs".into()]);
                    }
                    None => {
                        words.add(["-m", "ipvs", "--vproto"]);
                        words.add([key.protocol.number().to_string()]);
                        words.add(["--vaddr".into(), key.addr.to_string()]);
                        if key.port != 0 {
                            words.add(["--vport".into(), key.port.to_string()]);
                        }
                    }
                }
                words.add(["--vmethod", "MASQ", "-j", "MASQUERADE"]);
            }
            Self::Hairpin(network) => {
                if network.prefix_len() > 0 {
                    words.add(["-s".into(), network.to_string()]);
                    words.add(["-d".into(), network.to_string()]);
                }
                words.add(["-m", "ipvs", "--vmethod", "MASQ", "-j", "MASQUERADE"]);
            }
            Self::Queue(key, queue) => {
                match key.protocol.fwmark() {
                    Some(mark) => {
                        words.add(["-m", "mark", "--mark"]);
                        words.add([format!("{mark:#x}")]);
                    }
                    None => {
                        let protocol = key.protocol.to_string();
                        words.add(["-d".into(), IpNet::from(key.addr).to_string()]);
                        words.add(["-p", protocol.as_str(), "-m", protocol.as_str()]);
                        words.add(["--dport".into(), key.port.to_string()]);
                    }
                }
                if key.protocol == Protocol::Tcp {
                    words.add(["--tcp-flags", "FIN,SYN,RST,ACK", "SYN"]);
                }
                words.add(["-m", "conntrack", "--ctstate", "NEW"]);
                words.add(["-m", "recent", "--rcheck", "--seconds", "1"]);
                recent(&mut words, family);
                words.add(["-j", "NFQUEUE", "--queue-num"]);
                words.add([queue.0.to_string(), "--queue-bypass".into()]);
            }
        }
        words.0
    }

    /// Reads one back; `None`: it is not exactly one of ours. The order of its words does not matter.
    pub(crate) fn read(words: &[&str], place: Place) -> Option<Self> {
        let rule = Self::guess(words, place)?;
        let (mut found, mut exact) = (normal(words), normal(&rule.words(place.family)));
        found.sort_unstable();
        exact.sort_unstable();
        let family = rule == Self::Alive || rule.family() == place.family;
        (family && found == exact).then_some(rule)
    }

    fn guess(words: &[&str], place: Place) -> Option<Self> {
        let after = |option: &str| {
            let at = words.iter().position(|word| *word == option)?;
            words.get(at + 1).copied()
        };
        let any: IpNet = match place.family {
            Family::V4 => Ipv4Net::default().into(),
            Family::V6 => Ipv6Net::default().into(),
        };
        let marked = || {
            let number = after("--mark")?.strip_prefix("0x")?;
            let mark = u32::from_str_radix(number, 16).ok()?.try_into().ok()?;
            Some(ServiceKey {
                addr: any.addr(),
                port: 0,
                protocol: Protocol::Fwmark(mark),
            })
        };
        match (place.table, after("-j")) {
            (Table::Nat, Some("MASQUERADE")) => match (after("--vaddr"), after("-s")) {
                (Some(address), _) => Some(Self::Snat(ServiceKey {
                    addr: address.parse().ok()?,
                    port: match after("--vport") {
                        Some(port) => port.parse().ok()?,
                        None => 0,
                    },
                    protocol: protocol(after("--vproto")?)?,
                })),
                (None, Some(network)) => Some(Self::Hairpin(network.parse().ok()?)),
                (None, None) => Some(marked().map_or(Self::Hairpin(any), Self::Snat)),
            },
            (Table::Mangle, Some("NFQUEUE")) => {
                let queue = Queue(after("--queue-num")?.parse().ok()?);
                let Some(address) = after("-d") else {
                    return Some(Self::Queue(marked()?, queue));
                };
                let key = ServiceKey {
                    addr: address.parse::<IpNet>().ok()?.addr(),
                    port: after("--dport")?.parse().ok()?,
                    protocol: protocol(after("-p")?)?,
                };
                Some(Self::Queue(key, queue))
            }
            (Table::Mangle, None) => Some(Self::Alive),
            _ => None,
        }
    }
}

fn protocol(word: &str) -> Option<Protocol> {
    match word {
        "tcp" | "6" => Some(Protocol::Tcp),
        "udp" | "17" => Some(Protocol::Udp),
        "sctp" | "132" => Some(Protocol::Sctp),
        _ => None,
    }
}

/// Under which name; whoever sent it, so that any packet finds it.
fn recent(words: &mut Words, family: Family) {
    let everyone = match family {
        Family::V4 => "0.0.0.0",
        Family::V6 => "::",
    };
    words.add(["--name", RECENT, "--mask", everyone, "--rsource"]);
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn add<W: Into<String>>(&mut self, words: impl IntoIterator<Item = W>) {
        self.0.extend(words.into_iter().map(Into::into));
    }
}

/// Addresses can be written in several ways.
fn normal(words: &[impl AsRef<str>]) -> Vec<String> {
    let one = |word: &str| match (word.parse::<IpAddr>(), word.parse::<IpNet>()) {
        (Ok(address), _) => address.to_string(),
        (_, Ok(network)) => network.to_string(),
        _ => word.to_owned(),
    };
    words.iter().map(|word| one(word.as_ref())).collect()
}

#[cfg(test)]
pub(super) mod tests;
