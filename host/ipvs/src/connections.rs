//! The connections that IPVS has, as `/proc/net/ip_vs_conn` lists them (`ip_vs_conn_seq_show` in
//! `net/netfilter/ipvs/ip_vs_conn.c`). Netlink has no list of them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Of this thread's network namespace.
const LIST: &str = "/proc/thread-self/net/ip_vs_conn";

/// A connection, or a client that a service remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionEntry {
    /// `tcp`, `udp`, `sctp`; something else for a remembered client of a firewall mark.
    pub protocol: String,
    /// The client. A port of 0: it is remembered (a template), and the address is that of its network.
    pub client: SocketAddr,
    /// What it reached.
    pub service: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// In the kernel's word, such as `ESTABLISHED`.
    pub state: String,
    /// Until the kernel forgets it.
    pub expires: Duration,
}

impl ConnectionEntry {
    /// Whether it is no connection, but what a service remembers of a client.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.client.port() == 0
    }
}

/// The connections of this thread's network namespace that are wanted. Blocks for as long as the kernel takes to list
/// all. None where IPVS is not there.
///
/// # Errors
/// The system's.
pub fn connections(
    mut wanted: impl FnMut(&ConnectionEntry) -> bool,
) -> io::Result<Vec<ConnectionEntry>> {
    let file = match File::open(LIST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        found.extend(read(&line?).filter(&mut wanted));
    }
    Ok(found)
}

/// A line; `None`: the heading, or one of an address family that is not known here.
fn read(line: &str) -> Option<ConnectionEntry> {
    let mut words = line.split_ascii_whitespace();
    let protocol = words.next()?.to_ascii_lowercase();
    let mut end = || {
        let (address, port) = (words.next()?, words.next()?);
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(SocketAddr::new(address_of(address)?, port))
    };
    Some(ConnectionEntry {
        protocol,
        client: end()?,
        service: end()?,
        server: end()?,
        state: words.next()?.to_owned(),
        expires: Duration::from_secs(words.next()?.parse().ok()?),
    })
}

/// IPv4 is eight hexadecimal digits, IPv6 eight groups of them.
fn address_of(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let number = u32::from_str_radix(text, 16)
        .ok()
        .filter(|_| text.len() == 8)?;
    Some(Ipv4Addr::from(number).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.1 writes them.
    const LINES: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A0A3601 9C40 0A0A3697 0050 AC10329D 1F90 ESTABLISHED     899
TCP 0A0A3600 0000 0A0A3697 0050 AC10329D 1F90 NONE            298
UDP 2001:0db8:0000:0000:0000:0000:0000:0009 0FA0 2001:0db8:0000:0000:0000:0000:0000:0001 0035 \
fd00:0000:0000:0000:0000:0000:0000:0001 14E9 UDP             299 sip x
";

    #[test]
    fn connections_and_remembered_clients_of_both_families_are_read() {
        let read: Vec<_> = LINES.lines().filter_map(read).collect();
        let ends =
            |it: &ConnectionEntry| [it.client, it.service, it.server].map(|it| it.to_string());
        assert_eq!(read.len(), 3);
        assert_eq!(
            ends(&read[0]),
            ["10.10.54.1:40000", "10.10.54.151:80", "172.16.50.157:8080"]
        );
        assert_eq!(
            (read[0].protocol.as_str(), read[0].state.as_str()),
            ("tcp", "ESTABLISHED")
        );
        assert_eq!(read[0].expires, Duration::from_secs(899));
        assert_eq!(
            read.iter()
                .map(ConnectionEntry::is_remembered)
                .collect::<Vec<_>>(),
            [false, true, false]
        );
        assert_eq!(
            ends(&read[2]),
            ["[2001:db8::9]:4000", "[2001:db8::1]:53", "[fd00::1]:5353"]
        );
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        for line in LINES.lines() {
            for end in 0..line.len() {
                let _ = read(line.get(..end).unwrap_or_default());
            }
        }
        assert_eq!(
            read("TCP 0A0A36 9C40 0A0A3697 0050 AC10329D 1F90 NONE 1"),
            None
        );
        assert_eq!(read("TCP 0A0A3601 9C40 0A0A3697 0050 AC10329D"), None);
    }
}
