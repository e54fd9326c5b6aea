//! The form of the file: JSON with a version. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use evenkeel_core::ids::{Numbered, Numbers};
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::BackendId;
use evenkeel_dataplane::EarlierCount;
use serde::{Deserialize, Serialize};

use super::state::KeptState;

/// The form that this version writes and reads.
const VERSION: u32 = 1;

/// All that another version's file is sure to have.
#[derive(Debug, Deserialize)]
struct Version {
    version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    last: u32,
    servers: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// As [`ServiceKey`] is shown.
    service: String,
    server: SocketAddr,
    number: u32,
    connections: u64,
    beyond: u64,
}

/// The file's text.
pub(super) fn write(kept: &KeptState) -> Vec<u8> {
    let servers = kept.numbers.servers.iter().map(|it| {
        let count = kept.counts.get(&it.id).copied().unwrap_or_default();
        Entry {
            service: it.service.to_string(),
            server: it.server,
            number: it.id.get(),
            connections: count.connections,
            beyond: count.beyond,
        }
    });
    let content = Content {
        version: VERSION,
        last: kept.numbers.last,
        servers: servers.collect(),
    };
    // Numbers and texts can always be written.
    let mut text = serde_json::to_vec(&content).unwrap_or_default();
    text.push(b'\n');
    text
}

/// What the text says.
///
/// # Errors
/// Why it is none that this version has written, for an operator.
pub(super) fn read(text: &[u8]) -> Result<KeptState, String> {
    let not_ours = |error: serde_json::Error| format!("it is damaged, or not Evenkeel's: {error}");
    let Version { version } = serde_json::from_slice(text).map_err(not_ours)?;
    if version != VERSION {
        return Err(format!(
            "its form is {version}, and this version of Evenkeel knows only {VERSION}"
        ));
    }
    let content: Content = serde_json::from_slice(text).map_err(not_ours)?;
    let mut servers = Vec::with_capacity(content.servers.len());
    let mut counts = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in content.servers {
        let id = BackendId::new(entry.number).filter(|id| seen.insert(*id));
        let id = id.ok_or_else(|| {
            format!(
                "it is damaged: {} is no number, or there twice",
                entry.number
            )
        })?;
        let service = service(&entry.service)
            .ok_or_else(|| format!("it is damaged: {:?} is no service", entry.service))?;
        servers.push(Numbered {
            service,
            server: entry.server,
            id,
        });
        let count = EarlierCount {
            connections: entry.connections,
            beyond: entry.beyond,
        };
        if count != EarlierCount::default() {
            counts.insert(id, count);
        }
    }
    Ok(KeptState {
        numbers: Numbers {
            last: content.last,
            servers,
        },
        counts,
        schedulers: BTreeMap::new(),
    })
}

/// The service that is shown so.
pub(super) fn service(text: &str) -> Option<ServiceKey> {
    let (protocol, rest) = text.split_once(' ')?;
    if protocol == "fwmark" {
        let (mark, family) = rest.split_once(' ')?;
        let addr: IpAddr = match family {
            "(IPv4)" => Ipv4Addr::UNSPECIFIED.into(),
            "(IPv6)" => Ipv6Addr::UNSPECIFIED.into(),
            _ => return None,
        };
        return Some(ServiceKey {
            addr,
            port: 0,
            protocol: Protocol::Fwmark(mark.parse::<NonZeroU32>().ok()?),
        });
    }
    let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let protocol = all.into_iter().find(|it| it.to_string() == protocol)?;
    let listen: SocketAddr = rest.parse().ok()?;
    Some(ServiceKey {
        addr: listen.ip(),
        port: listen.port(),
        protocol,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let keys = [
            "tcp 192.0.2.1:80",
            "udp [2001:db8::1]:53",
            "sctp 192.0.2.1:9",
            "fwmark 7 (IPv4)",
            "fwmark 4294967295 (IPv6)",
        ];
        let id = |n: usize| BackendId::new(u32::try_from(n).unwrap() + 1).unwrap();
        let servers = keys.iter().enumerate().map(|(n, text)| Numbered {
            service: service(text).unwrap(),
            server: "10.0.0.1:80".parse().unwrap(),
            id: id(n),
        });
        let count = |connections, beyond| EarlierCount {
            connections,
            beyond,
        };
        let kept = KeptState {
            numbers: Numbers {
                last: 9,
                servers: servers.collect(),
            },
            counts: [(id(0), count(7, 0)), (id(4), count(u64::MAX, 3))].into(),
            schedulers: BTreeMap::new(),
        };
        for (text, it) in keys.iter().zip(&kept.numbers.servers) {
            assert_eq!(it.service.to_string(), *text);
        }
        assert_eq!(read(&write(&kept)).unwrap(), kept);
    }

    #[test]
    fn what_nobody_of_us_has_written_says_why() {
        let entry = |service: &str, number: u32| {
            format!(
                r#"{{"service":"{service}","server":"10.0.0.1:80","number":{number},"connections":0,"beyond":0}}"#
            )
        };
        let file = |entries: &str| format!(r#"{{"version":1,"last":2,"servers":[{entries}]}}"#);
        let good = entry("tcp 192.0.2.1:80", 1);
        let whole = file(&good);
        assert!(read(whole.as_bytes()).is_ok());
        let texts = [
            "",
            "\0\0\0\0",
            "[]",
            &whole[..whole.len() - 3],
            r#"{"version":2,"other":true}"#,
            &file(&entry("tcp 192.0.2.1:80", 0)),
            &file(&entry("tcp 192.0.2.1:80", u32::MAX)),
            &file(&format!("{good},{good}")),
            &file(&entry("icmp 192.0.2.1:80", 1)),
            &file(&entry("fwmark 0 (IPv4)", 1)),
        ];
        let said: Vec<String> = texts
            .iter()
            .map(|text| read(text.as_bytes()).unwrap_err())
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
