//! Connections through the service while the address moves.

use std::time::Duration;

use anyhow::Result;
use evenkeel_tests::{Article, Client, Stream};

use super::pair::ASK;

/// From the end of one to the begin of the next; each client has another pace.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(3)];
/// Long enough for three attempts of the kernel's (after 1 and 3 s).
const PATIENCE: Duration = Duration::from_secs(5);
/// The kernel waits for a second before it sends a packet that opens a connection again. (It does so at once when an
/// answer does not fit, which is why its own count, `TCPSynRetrans`, says more than was lost.)
const LATE: Duration = Duration::from_millis(500);
/// After so long without an answer a connection counts as broken.
const BROKEN: Duration = Duration::from_millis(500);

/// Clients that go on connecting, and one that asks, too.
#[derive(Debug)]
pub(crate) struct Attempts {
    connecting: Vec<Stream>,
    asking: Stream,
}

/// What they saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Attempts to connect.
    pub(crate) attempts: usize,
    /// Those without success within 5 s, or refused.
    pub(crate) lost: usize,
    /// Those that took so long that a packet of theirs must have been lost, and was sent again.
    pub(crate) late: usize,
    /// The longest time that connecting took.
    pub(crate) longest: Duration,
    /// Connections that were open when the address moved, and ended without an answer.
    pub(crate) broken: usize,
}

impl Attempts {
    pub(crate) fn start(net: &Article) -> Result<Self> {
        let to = net.vip(ASK);
        let client = Client::new(&net.client);
        let patient = client.clone().timeout(PATIENCE);
        let connecting = PAUSES
            .iter()
            .map(|pause| patient.keep_connecting(to, *pause))
            .collect::<Result<_>>()?;
        Ok(Self {
            connecting,
            asking: client.timeout(BROKEN).keep_asking(to, PAUSES[0])?,
        })
    }

    pub(crate) fn stop(self) -> Result<Seen> {
        let mut seen = Seen::default();
        for stream in self.connecting {
            let record = stream.stop()?;
            seen.attempts += record.answers.len();
            seen.lost += record.failures().count();
            seen.late += record
                .answers
                .iter()
                .filter(|it| it.result.is_ok() && it.took >= LATE)
                .count();
            seen.longest = seen.longest.max(record.longest());
        }
        seen.broken = self.asking.stop()?.failures().count();
        Ok(seen)
    }
}

impl Seen {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            attempts: self.attempts + other.attempts,
            lost: self.lost + other.lost,
            late: self.late + other.late,
            longest: self.longest.max(other.longest),
            broken: self.broken + other.broken,
        }
    }
}
