//! Connections through the service, one after the other, while the address moves.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use evenkeel_tests::{Article, Client, Stream};

use super::pair::ASK;

/// From the end of one to the begin of the next.
const PAUSE: Duration = Duration::from_millis(2);
/// Long enough for three attempts of the kernel's (after 1 and 3 s).
const PATIENCE: Duration = Duration::from_secs(5);

/// A client that goes on connecting.
#[derive(Debug)]
pub(crate) struct Attempts {
    stream: Stream,
    broken: Arc<AtomicUsize>,
    longest: Arc<AtomicU64>,
    resent_before: u64,
}

/// What it saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Attempts to connect.
    pub(crate) attempts: usize,
    /// Those without success within 5 s, or refused.
    pub(crate) lost: usize,
    /// Packets that open a connection and had to be sent again, a second later: an attempt of the kernel's that was lost.
    pub(crate) resent: u64,
    /// Connections that were made and then broken before the answer had come.
    pub(crate) broken: usize,
    /// The longest time that connecting took.
    pub(crate) longest: Duration,
}

impl Attempts {
    pub(crate) fn start(net: &Article) -> Result<Self> {
        let client = Client::new(&net.client).timeout(PATIENCE);
        let to = net.vip(ASK);
        let broken = Arc::new(AtomicUsize::new(0));
        let longest = Arc::new(AtomicU64::new(0));
        let (count, time) = (Arc::clone(&broken), Arc::clone(&longest));
        let asking = client.clone();
        let stream = client.keep(PAUSE, move || {
            let start = Instant::now();
            let connected = asking.connect(to);
            let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
            time.fetch_max(took, Ordering::Relaxed);
            let mut answer = String::new();
            match connected?.read_to_string(&mut answer) {
                Ok(length) if length > 0 => {}
                _ => drop(count.fetch_add(1, Ordering::Relaxed)),
            }
            io::Result::Ok(answer)
        })?;
        Ok(Self {
            stream,
            broken,
            longest,
            resent_before: resent(net)?,
        })
    }

    pub(crate) fn stop(self, net: &Article) -> Result<Seen> {
        let record = self.stream.stop()?;
        Ok(Seen {
            attempts: record.answers.len(),
            lost: record.failures().count(),
            resent: resent(net)? - self.resent_before,
            broken: self.broken.load(Ordering::Relaxed),
            longest: Duration::from_micros(self.longest.load(Ordering::Relaxed)),
        })
    }
}

impl Seen {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            attempts: self.attempts + other.attempts,
            lost: self.lost + other.lost,
            resent: self.resent + other.resent,
            broken: self.broken + other.broken,
            longest: self.longest.max(other.longest),
        }
    }
}

fn resent(net: &Article) -> Result<u64> {
    net.client.counter("TcpExt", "TCPSynRetrans")
}
