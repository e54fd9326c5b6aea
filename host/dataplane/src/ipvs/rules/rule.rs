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
    /// Asking.
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
            Table::Mangle => "EVENKEEL-ASK",
        }
    }

    /// The kernel's chains from which packets come to it, and how the jump is put there. Full NAT comes before others' rules, lest they
    /// rewrite first; asking after them, since what is asked about goes past what follows.
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
    Ask(ServiceKey, Queue),
}

/// Heartbeats are remembered under this name (`/proc/net/xt_recent`).
const RECENT: &str = "evenkeel";

impl Rule {
    /// Its IP version; IPv4 for [`Self::Alive`], which has both.
    pub(crate) fn family(self) -> Family {
        match self {
            Self::Alive => Family::V4,
            Self::Snat(key) | Self::Ask(key, _) => Family::of(key.addr),
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
            Self::Ask(key, queue) => {
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
                    return Some(Self::Ask(marked()?, queue));
                };
                let key = ServiceKey {
                    addr: address.parse::<IpNet>().ok()?.addr(),
                    port: after("--dport")?.parse().ok()?,
                    protocol: protocol(after("-p")?)?,
                };
                Some(Self::Ask(key, queue))
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
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str, protocol: Protocol) -> ServiceKey {
        let address: std::net::SocketAddr = text.parse().unwrap();
        ServiceKey {
            addr: address.ip(),
            port: address.port(),
            protocol,
        }
    }

    fn marked(v6: bool) -> ServiceKey {
        let addr: IpAddr = if v6 { [0_u8; 16].into() } else { [0; 4].into() };
        ServiceKey {
            addr,
            port: 0,
            protocol: Protocol::Fwmark(7.try_into().unwrap()),
        }
    }

    /// Rules of all shapes.
    pub(crate) fn rules(place: Place) -> Vec<Rule> {
        let v6 = place.family == Family::V6;
        let (address, networks) = if v6 {
            ("[2001:db8::1]:80", ["fd00::/64", "::/0", "fd00::1/128"])
        } else {
            ("192.0.2.1:80", ["10.0.0.0/24", "0.0.0.0/0", "10.0.0.9/32"])
        };
        let kinds = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].map(|it| key(address, it));
        let keys = kinds.into_iter().chain([marked(v6)]);
        match place.table {
            Table::Nat => {
                let all_ports = ServiceKey {
                    port: 0,
                    ..key(address, Protocol::Tcp)
                };
                let hairpins = networks.map(|it| Rule::Hairpin(it.parse().unwrap()));
                keys.chain([all_ports])
                    .map(Rule::Snat)
                    .chain(hairpins)
                    .collect()
            }
            Table::Mangle => {
                let asks = keys
                    .zip(0..)
                    .map(|(key, queue)| Rule::Ask(key, Queue(queue)));
                asks.chain([Rule::Alive]).collect()
            }
        }
    }

    #[test]
    fn rules_are_as_iptables_save_prints_them() {
        let (v4, v6) = (Family::V4, Family::V6);
        let web = key("10.0.0.1:80", Protocol::Tcp);
        let said = |rule: Rule, family| rule.words(family).join(" ");
        assert_eq!(
            said(Rule::Snat(web), v4),
            "-m ipvs --vproto 6 --vaddr 10.0.0.1 --vport 80 --vmethod MASQ -j MASQUERADE"
        );
        assert_eq!(
            said(Rule::Hairpin("10.0.0.0/24".parse().unwrap()), v4),
            "-s 10.0.0.0/24 -d 10.0.0.0/24 -m ipvs --vmethod MASQ -j MASQUERADE"
        );
        assert_eq!(
            said(Rule::Alive, v6),
            "-m mark --mark 0x45766b6c -m recent --set --name evenkeel --mask :: --rsource"
        );
        assert_eq!(
            said(Rule::Ask(web, Queue(7)), v4),
            "-d 10.0.0.1/32 -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW \
             -m recent --rcheck --seconds 1 --name evenkeel --mask 0.0.0.0 --rsource -j NFQUEUE --queue-num 7 --queue-bypass"
        );
        assert_eq!(
            said(Rule::Ask(marked(false), Queue(7)), v4),
            "-m mark --mark 0x7 -m conntrack --ctstate NEW -m recent --rcheck --seconds 1 --name evenkeel \
             --mask 0.0.0.0 --rsource -j NFQUEUE --queue-num 7 --queue-bypass"
        );
    }

    #[test]
    fn every_rule_is_read_back_as_it_was_written_and_not_with_a_word_changed() {
        for place in Place::ALL {
            for rule in rules(place) {
                let words = rule.words(place.family);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                assert_eq!(Rule::read(&words, place), Some(rule));
                for at in 0..words.len() {
                    let mut changed = words.clone();
                    changed[at] = "x";
                    assert_eq!(Rule::read(&changed, place), None, "{changed:?}");
                    let mut shorter = words.clone();
                    shorter.remove(at);
                    assert_ne!(Rule::read(&shorter, place), Some(rule), "{shorter:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_words_panic(
            words in prop::collection::vec("(-j|-s|-d|-p|--mark|--vaddr|--vport|--vproto|NFQUEUE|MASQUERADE|0x7|10.0.0.0/24|tcp|[a-z0-9.:/]{0,6})", 0..12),
            place in prop::sample::select(Place::ALL.to_vec()),
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let _ = Rule::read(&words, place);
        }
    }
}
