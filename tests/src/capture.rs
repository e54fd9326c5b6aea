//! What is to be seen on a machine's cables.

use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::Node;

/// `ETH_P_ALL` of `linux/if_ether.h`: every protocol.
const EVERYTHING: u16 = 3;
/// How often a capture without frames looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(20);

/// Keeps all frames that a machine sends and receives, on all its interfaces.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    frames: Arc<Mutex<Vec<Frame>>>,
    thread: Option<JoinHandle<Result<io::Result<()>>>>,
}

impl Capture {
    /// Begins.
    ///
    /// # Errors
    /// When there is no packet socket.
    pub fn start(node: &Node) -> Result<Self> {
        let mut socket = node.enter(|| {
            let protocol = Protocol::from(i32::from(EVERYTHING.to_be()));
            Socket::new(Domain::PACKET, Type::RAW, Some(protocol))
        })??;
        socket.set_read_timeout(Some(IDLE))?;
        socket.set_recv_buffer_size(4 << 20)?;
        let stop = Arc::new(AtomicBool::new(false));
        let frames = Arc::new(Mutex::new(Vec::new()));
        let (told, kept) = (Arc::clone(&stop), Arc::clone(&frames));
        let thread = node.background(move || {
            let mut buffer = vec![0; 65_536];
            while !told.load(Ordering::Relaxed) {
                match socket.read(&mut buffer) {
                    Ok(length) => {
                        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                        let at = Instant::now();
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.push(Frame { at, bytes });
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // Says once that an interface went down, and goes on.
                    Err(error) if error.kind() == ErrorKind::NetworkDown => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })?;
        Ok(Self {
            stop,
            frames,
            thread: Some(thread),
        })
    }

    /// All frames until now.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.frames
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Ends it and hands over all frames.
    ///
    /// # Errors
    /// When capturing failed.
    pub fn stop(mut self) -> Result<Vec<Frame>> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread
                .join()
                .map_err(|_| anyhow!("the capture panicked"))???;
        }
        Ok(self.frames())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// An Ethernet frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// When it was read, soon after it came.
    pub at: Instant,
    /// All of it, from the destination MAC address on.
    pub bytes: Vec<u8>,
}

/// An ARP message for IPv4 (RFC 826).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// 1: request, 2: reply.
    pub operation: u16,
    /// The sender's MAC address.
    pub sender_mac: [u8; 6],
    /// The sender's address.
    pub sender: Ipv4Addr,
    /// The target's address.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Whether it tells everyone where its sender is.
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender == self.target
    }
}

/// An IPv4 packet's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4 {
    /// The source.
    pub source: Ipv4Addr,
    /// The destination.
    pub destination: Ipv4Addr,
    /// The protocol: 6 is TCP.
    pub protocol: u8,
}

/// A VRRP advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// The IP header's source.
    pub source: IpAddr,
    /// The IP header's destination.
    pub destination: IpAddr,
    /// The IP header's TTL or hop limit.
    pub ttl: u8,
    /// 2 or 3.
    pub version: u8,
    /// The virtual router ID.
    pub router_id: u8,
    /// 0: its sender gives up.
    pub priority: u8,
    /// The whole VRRP message.
    pub message: Vec<u8>,
}

impl Frame {
    /// Its source MAC address.
    #[must_use]
    pub fn source(&self) -> Option<[u8; 6]> {
        self.array(6)
    }

    /// Its ARP message, if it is one.
    #[must_use]
    pub fn arp(&self) -> Option<Arp> {
        // Ethernet and IPv4.
        let kind: [u8; 8] = self.array(12)?;
        if kind != [8, 6, 0, 1, 8, 0, 6, 4] {
            return None;
        }
        Some(Arp {
            operation: u16::from_be_bytes(self.array(20)?),
            sender_mac: self.array(22)?,
            sender: Ipv4Addr::from(self.array::<4>(28)?),
            target: Ipv4Addr::from(self.array::<4>(38)?),
        })
    }

    /// Its IPv4 header, if it has one.
    #[must_use]
    pub fn ipv4(&self) -> Option<Ipv4> {
        if self.array(12)? != [8, 0] {
            return None;
        }
        Some(Ipv4 {
            source: Ipv4Addr::from(self.array::<4>(26)?),
            destination: Ipv4Addr::from(self.array::<4>(30)?),
            protocol: self.byte(23)?,
        })
    }

    /// Its VRRP advertisement, if it is one.
    #[must_use]
    pub fn advert(&self) -> Option<Advert> {
        const VRRP: u8 = 112;
        let (source, destination, ttl, start, end);
        match self.array::<2>(12)? {
            [8, 0] if self.byte(23)? == VRRP => {
                source = IpAddr::from(self.array::<4>(26)?);
                destination = IpAddr::from(self.array::<4>(30)?);
                ttl = self.byte(22)?;
                start = 14 + usize::from(self.byte(14)? & 15) * 4;
                end = 14 + usize::from(u16::from_be_bytes(self.array(16)?));
            }
            [0x86, 0xdd] if self.byte(20)? == VRRP => {
                source = IpAddr::from(self.array::<16>(22)?);
                destination = IpAddr::from(self.array::<16>(38)?);
                ttl = self.byte(21)?;
                start = 54;
                end = 54 + usize::from(u16::from_be_bytes(self.array(18)?));
            }
            _ => return None,
        }
        let message = self.bytes.get(start..end)?;
        let [kind, router_id, priority, ..] = *message else {
            return None;
        };
        Some(Advert {
            source,
            destination,
            ttl,
            version: kind >> 4,
            router_id,
            priority,
            message: message.to_vec(),
        })
    }

    /// The address that a neighbour advertisement to all nodes (RFC 4861 section 7.2.6) is about, if it is one.
    #[must_use]
    pub fn announced6(&self) -> Option<Ipv6Addr> {
        const ICMP: u8 = 58;
        const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
        let everyone = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let is_one = self.array(12)? == [0x86, 0xdd]
            && self.byte(20)? == ICMP
            && self.byte(54)? == NEIGHBOUR_ADVERTISEMENT
            && Ipv6Addr::from(self.array::<16>(38)?) == everyone;
        is_one
            .then(|| self.array::<16>(62))
            .flatten()
            .map(Ipv6Addr::from)
    }

    /// The address that it tells everyone about: by gratuitous ARP or an unsolicited neighbour advertisement.
    #[must_use]
    pub fn announced(&self) -> Option<IpAddr> {
        let arp = self.arp().filter(Arp::is_gratuitous);
        arp.map(|it| IpAddr::V4(it.sender))
            .or_else(|| self.announced6().map(IpAddr::V6))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: &[u8]) -> Frame {
        Frame {
            at: Instant::now(),
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn a_gratuitous_arp_is_recognised() {
        let mut bytes = vec![0xff; 6];
        bytes.extend([2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        bytes.extend([2, 0, 0, 0, 0, 9, 10, 0, 0, 1]);
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 0, 0, 1]);
        let frame = frame(&bytes);
        assert_eq!(frame.announced(), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(frame.arp().map(|arp| arp.sender_mac), frame.source());
        assert_eq!(frame.advert(), None);
    }

    #[test]
    fn short_frames_are_nothing() {
        for length in 0..60 {
            let mut bytes = vec![0; length];
            if let Some(kind) = bytes.get_mut(12..14) {
                kind.copy_from_slice(&[0x86, 0xdd]);
            }
            let frame = frame(&bytes);
            assert_eq!(frame.arp(), None);
            assert_eq!(frame.advert(), None);
            assert_eq!(frame.announced(), None);
        }
    }
}
