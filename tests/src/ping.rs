//! A client that pings at a steady pace, whether it gets answers or not: how long was an address away?

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::Node;

/// How long after the last question answers are waited for.
const LAST: Duration = Duration::from_millis(200);
/// How often the listener looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(20);

/// A stream of ICMP echo requests (RFC 792, RFC 4443).
#[derive(Debug)]
pub struct Ping {
    asking: Arc<AtomicBool>,
    listening: Arc<AtomicBool>,
    sender: JoinHandle<Result<Vec<Instant>>>,
    listener: JoinHandle<Result<BTreeMap<u64, Instant>>>,
}

impl Ping {
    /// Begins to ping `to` from a machine, `every` so often.
    ///
    /// # Errors
    /// When there is no raw socket.
    pub fn start(node: &Node, to: IpAddr, every: Duration) -> Result<Self> {
        let (domain, protocol) = if to.is_ipv4() {
            (Domain::IPV4, Protocol::ICMPV4)
        } else {
            (Domain::IPV6, Protocol::ICMPV6)
        };
        let socket = node.enter(|| Socket::new(domain, Type::RAW, Some(protocol)))??;
        socket.set_read_timeout(Some(IDLE))?;
        // It asks from one address all the time, whichever comes and goes.
        socket.connect(&SocketAddr::new(to, 0).into())?;
        let asking = Arc::new(AtomicBool::new(true));
        let listening = Arc::new(AtomicBool::new(true));
        let (ask, out) = (Arc::clone(&asking), socket.try_clone()?);
        let sender = node.background(move || {
            let mut asked = Vec::new();
            let mut next = Instant::now();
            while ask.load(Ordering::Relaxed) {
                asked.push(Instant::now());
                // While nobody has the address this may fail; that is what is measured.
                let _ = out.send(&echo(to, asked.len() as u64));
                next += every;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            asked
        })?;
        let (listen, mut back) = (Arc::clone(&listening), socket);
        let listener = node.background(move || {
            let mut answers = BTreeMap::new();
            let mut buffer = [0; 2048];
            while listen.load(Ordering::Relaxed) {
                match back.read(&mut buffer) {
                    Ok(length) => {
                        let bytes = buffer.get(..length).unwrap_or_default();
                        if let Some(number) = answered(to, bytes) {
                            answers.entry(number).or_insert_with(Instant::now);
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    // Such as the ICMP error for a question.
                    Err(_) => {}
                }
            }
            answers
        })?;
        Ok(Self {
            asking,
            listening,
            sender,
            listener,
        })
    }

    /// Ends it and hands over what was seen.
    ///
    /// # Errors
    /// When the client itself failed.
    pub fn stop(self) -> Result<Pings> {
        self.asking.store(false, Ordering::Relaxed);
        let asked = self
            .sender
            .join()
            .map_err(|_| anyhow!("the client panicked"))??;
        thread::sleep(LAST);
        self.listening.store(false, Ordering::Relaxed);
        let answers = self
            .listener
            .join()
            .map_err(|_| anyhow!("the client panicked"))??;
        let answered = (1..=asked.len() as u64)
            .map(|number| answers.get(&number).copied())
            .collect();
        Ok(Pings { asked, answered })
    }
}

/// What a [`Ping`] saw.
#[derive(Debug)]
pub struct Pings {
    /// When each question was asked.
    pub asked: Vec<Instant>,
    /// When each was answered, if it was.
    pub answered: Vec<Option<Instant>>,
}

impl Pings {
    /// The longest time without an answer: from an answer to the next one.
    #[must_use]
    pub fn gap(&self) -> Duration {
        let mut answers: Vec<Instant> = self.answered.iter().flatten().copied().collect();
        answers.sort_unstable();
        let ends = answers.iter().skip(1);
        ends.zip(&answers)
            .map(|(end, start)| end.duration_since(*start))
            .max()
            .unwrap_or_default()
    }

    /// How many questions in a row had no answer, at most. On a busy machine this says more of an address than
    /// [`Self::gap`]: who is late in asking is late with all of it.
    #[must_use]
    pub fn longest_loss(&self) -> usize {
        let runs = self.answered.split(Option::is_some);
        runs.map(<[_]>::len).max().unwrap_or(0)
    }

    /// How many questions had no answer.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.answered.iter().filter(|it| it.is_none()).count()
    }
}

/// An echo request that carries its number. For IPv6 the kernel makes the checksum.
fn echo(to: IpAddr, number: u64) -> Vec<u8> {
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let mut message = vec![kind, 0, 0, 0, b'E', b'K', 0, 0];
    message.extend(number.to_be_bytes());
    if to.is_ipv4() {
        let sum = message
            .chunks_exact(2)
            .map(|pair| {
                u32::from(pair.first().copied().unwrap_or(0)) * 256
                    + u32::from(pair.last().copied().unwrap_or(0))
            })
            .sum::<u32>();
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX);
        message.splice(2..4, checksum.to_be_bytes());
    }
    message
}

/// The number in an echo reply of ours. IPv4 sockets deliver the IP header, too.
fn answered(to: IpAddr, packet: &[u8]) -> Option<u64> {
    let (message, kind) = if to.is_ipv4() {
        let header = usize::from(packet.first()? & 15) * 4;
        (packet.get(header..)?, 0)
    } else {
        (packet, 129)
    };
    let ours = *message.first()? == kind && message.get(4..6)? == b"EK";
    let number = message.get(8..)?.first_chunk().copied()?;
    ours.then(|| u64::from_be_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_from_one_answer_to_the_next() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let pings = Pings {
            asked: [0, 5, 10, 15].map(at).to_vec(),
            answered: vec![Some(at(1)), None, Some(at(11)), Some(at(16))],
        };
        assert_eq!(pings.gap(), Duration::from_millis(10));
        assert_eq!(pings.lost(), 1);
        assert_eq!(pings.longest_loss(), 1);
    }

    #[test]
    fn an_echo_request_has_a_good_checksum() {
        let message = echo([10, 0, 0, 1].into(), 0x0102_0304_0506_fff8);
        let sum: u32 = message
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
            .sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }
}
