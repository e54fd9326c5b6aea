//! What a virtual server listens to: addresses with ports, or firewall marks.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Translator;
use super::ports::complete_ports;
use crate::document::{Source, Table, quote};
use crate::note::Kind;
use crate::tree::{Statement, Word};

/// The most addresses that a range in a group may have.
const MOST: u32 = 4096;

/// Why `virtual_server IP` without a port becomes nothing.
const ALL_PORTS: &str = "it is for all ports, and a service has one: give its packets a firewall mark with a rule of your own, and write a [[service]] with that fwmark and a persistence";

/// One of the things that a virtual server listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    /// An address and a port.
    At(SocketAddr),
    /// A firewall mark on packets of one family.
    Mark { mark: u32, six: bool },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => write!(f, "{} {}", at.ip(), at.port()),
            Self::Mark { mark, .. } => write!(f, "fwmark {mark}"),
        }
    }
}

impl Endpoint {
    pub(super) fn is_mark(&self) -> bool {
        matches!(self, Self::Mark { .. })
    }

    /// The address; of a mark, any of its family.
    pub(super) fn ip(&self) -> IpAddr {
        match self {
            Self::At(at) => at.ip(),
            Self::Mark { six: false, .. } => Ipv4Addr::UNSPECIFIED.into(),
            Self::Mark { six: true, .. } => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// The port, if it has one.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::At(at) => Some(at.port()),
            Self::Mark { .. } => None,
        }
    }

    /// How the service may be called; `protocol` is what tells it from another one at the same address.
    pub(super) fn name(&self, protocol: &str) -> String {
        match self {
            Self::At(at) => format!("{}-{}{protocol}", at.ip(), at.port()),
            Self::Mark { mark, six: false } => format!("fwmark-{mark}"),
            Self::Mark { mark, six: true } => format!("fwmark-{mark}-ipv6"),
        }
    }

    /// Makes a service with the key `listen`, and with servers whose ports may be missing, one that listens here.
    pub(super) fn write(&self, service: &mut Table) {
        match self {
            Self::At(at) => {
                service.change("listen", quote(&at.to_string()));
                complete_ports(service, at.port());
            }
            Self::Mark { mark, six } => {
                service.replace("listen", "fwmark", mark.to_string());
                let _ = service.remove("protocol");
                if *six {
                    let from = Source {
                        place: service.from.place,
                        ..Source::default()
                    };
                    service.set("family", quote("ipv6"), from);
                }
            }
        }
    }
}

impl Translator<'_> {
    /// What a virtual server listens to.
    pub(super) fn endpoints(&mut self, statement: &Statement) -> Result<Vec<Endpoint>, String> {
        let (first, second) = (statement.word(1), statement.word(2));
        match first {
            None => Err("it has no address".to_owned()),
            Some("fwmark") => mark(second, None, is_six(statement)).map(|one| vec![one]),
            Some("group") => {
                let name = second.unwrap_or_default();
                let group = self.server_groups.get(name).cloned();
                let Some(group) = group else {
                    return Err(format!("there is no virtual_server_group {name}"));
                };
                let six = is_six(statement);
                let (mut all, mut seen) = (Vec::new(), BTreeMap::new());
                for line in group.statements() {
                    let found = self.member(line, six);
                    all.extend(self.new_in_group(line, found, &mut seen));
                }
                if all.is_empty() {
                    return Err(format!(
                        "nothing in virtual_server_group {name} is an address and a port, or a firewall mark"
                    ));
                }
                Ok(all)
            }
            Some(ip) => {
                let ip = ip
                    .parse::<IpAddr>()
                    .map_err(|_| format!("{ip} is not an IP address"))?;
                let port = second.map_or(Ok(0), str::parse::<u16>);
                match port {
                    Ok(0) => Err(ALL_PORTS.to_owned()),
                    Ok(port) => Ok(vec![Endpoint::At(SocketAddr::new(ip, port))]),
                    Err(_) => Err(format!("{} is not a port", second.unwrap_or_default())),
                }
            }
        }
    }

    /// What one line of a group names.
    fn member(&mut self, line: &Statement, six: bool) -> Vec<Endpoint> {
        let found = match line.word(0) {
            Some("fwmark") => mark(line.word(1), line.word(2), six).map(|one| vec![one]),
            _ => range(&line.words)
                .map(|found| found.into_iter().map(Endpoint::At).collect())
                .map_err(str::to_owned),
        };
        match found {
            Ok(found) => found,
            Err(why) => {
                let keyword = "virtual_server_group";
                let what = format!("{}: {why}", line.text());
                self.notes
                    .add(Kind::NotCarried, line.place(), keyword, what);
                Vec::new()
            }
        }
    }
}

/// Whether the firewall marks of a virtual server are those of IPv6 packets: `ip_family` says so, or its servers do.
fn is_six(statement: &Statement) -> bool {
    let of = |keyword: &'static str| {
        let inner = statement.statements().iter();
        inner
            .filter(move |inner| inner.keyword() == keyword)
            .filter_map(|inner| inner.word(1))
    };
    match of("ip_family").next_back() {
        Some(family) => family == "inet6",
        None => of("real_server").any(|ip| ip.parse::<Ipv6Addr>().is_ok()),
    }
}

/// A firewall mark as it is written, with the family that may stand behind it.
fn mark(written: Option<&str>, family: Option<&str>, six: bool) -> Result<Endpoint, String> {
    let written = written.unwrap_or_default();
    let six = match family {
        None => six,
        Some("inet") => false,
        Some("inet6") => true,
        Some(other) => return Err(format!("{other} is neither inet nor inet6")),
    };
    match written.parse::<u32>() {
        Ok(mark @ 1..) => Ok(Endpoint::Mark { mark, six }),
        _ => Err(format!("{written} is not a firewall mark, a number from 1")),
    }
}

/// The addresses of one line of a group: one, or a range in the last part.
fn range(words: &[Word]) -> Result<Vec<SocketAddr>, &'static str> {
    let mut words = words.iter().map(|word| word.text.as_str());
    let addresses = words.next().unwrap_or_default();
    let port = words.next().and_then(|port| port.parse::<u16>().ok());
    let Some(port) = port.filter(|port| *port != 0) else {
        return Err("it needs a port");
    };
    let (first, last) = addresses
        .split_once('-')
        .map_or((addresses, None), |(first, last)| (first, Some(last)));
    let Ok(first) = first.parse::<IpAddr>() else {
        return Err("expected an IP address and a port");
    };
    let Some(last) = last else {
        return Ok(vec![SocketAddr::new(first, port)]);
    };
    let wrong = "the range ends before it begins, or is too long";
    let one = |ip: IpAddr| SocketAddr::new(ip, port);
    match first {
        IpAddr::V4(v4) => {
            let start = u32::from(v4);
            let last: u32 = last.parse().map_err(|_| wrong)?;
            let count = last.checked_sub(start & 0xff).filter(|_| last <= 0xff);
            let count = count.ok_or(wrong)?;
            Ok((0..=count)
                .filter_map(|n| start.checked_add(n))
                .map(|n| one(Ipv4Addr::from(n).into()))
                .collect())
        }
        IpAddr::V6(v6) => {
            let start = u128::from(v6);
            let last = u32::from_str_radix(last, 16).map_err(|_| wrong)?;
            let own = u32::from(v6.segments()[7]);
            let count = last
                .checked_sub(own)
                .filter(|n| *n < MOST && last <= 0xffff);
            let count = count.ok_or(wrong)?;
            Ok((0..=count)
                .filter_map(|n| start.checked_add(u128::from(n)))
                .map(|n| one(Ipv6Addr::from(n).into()))
                .collect())
        }
    }
}
