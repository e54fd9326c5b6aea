//! Connections through the service while the address moves.

use std::time::Duration;

use anyhow::Result;
use evenkeel_tests::{Article, Client, Stream};

use super::pair::ASK;

/// From the end of one to the begin of the next; each client has another pace.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(3)];
/// Long enough for three attempts of the kernel's (after 1 and 3 s).
const PATIENCE: Duration = Duration::from_secs(5);
/// After so long without an answer a connection counts as broken.
const BROKEN: Duration = Duration::from_millis(500);

/// Clients that go on connecting, and one that asks, too.
#[derive(Debug)]
pub(crate) struct Attempts {
    connecting: Vec<Stream>,
    asking: Stream,
    resent_before: u64,
}

/// What they saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Attempts to connect.
    pub(crate) attempts: usize,
    /// Those without success within 5 s, or refused.
    pub(crate) lost: usize,
    /// Packets that open a connection and had to be sent again, a second later: an attempt of the kernel's that was lost.
    pub(crate) resent: u64,
    /// The longest time that connecting took.
    pub(crate) longest: Duration,
    /// Connections that were open when the address moved, and ended without an answer.
    pub(crate) broken: usize,
}

impl Attempts {
    pub(crate) fn start(net: &Article) -> Result<Self> {
        let to = net.vip(ASK);
        let client = Client::new(&net.client);
        let resent_before = resent(net)?;
        let patient = client.clone().timeout(PATIENCE);
        let connecting = PAUSES
            .iter()
            .map(|pause| patient.keep_connecting(to, *pause))
            .collect::<Result<_>>()?;
        Ok(Self {
            connecting,
            asking: client.timeout(BROKEN).keep_asking(to, PAUSES[0])?,
            resent_before,
        })
    }

    pub(crate) fn stop(self, net: &Article) -> Result<Seen> {
        let mut seen = Seen::default();
        for stream in self.connecting {
            let record = stream.stop()?;
            seen.attempts += record.answers.len();
            seen.lost += record.failures().count();
            seen.longest = seen.longest.max(record.longest());
        }
        seen.broken = self.asking.stop()?.failures().count();
        seen.resent = resent(net)? - self.resent_before;
        Ok(seen)
    }
}

impl Seen {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            attempts: self.attempts + other.attempts,
            lost: self.lost + other.lost,
            resent: self.resent + other.resent,
            longest: self.longest.max(other.longest),
            broken: self.broken + other.broken,
        }
    }
}

fn resent(net: &Article) -> Result<u64> {
    net.client.counter("TcpExt", "TCPSynRetrans")
}
