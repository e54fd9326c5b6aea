//! A queue of frames, sent a few at a time: what else the thread has to do (adverts, addresses) is in time.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::frame_socket::FrameSocket;
use super::frames::{Mac, announcement};

/// Frames in one go: some 100 us.
const MAX_FRAMES: usize = 64;

/// Wait before going on when the interface takes no more.
const RETRY_DELAY: Duration = Duration::from_millis(1);

/// How long an interface may take none before the frames are dropped.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

/// Where an address is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The address.
    pub addr: IpAddr,
    /// The interface's number.
    pub index: u32,
    /// The interface's name.
    pub interface: String,
    /// The Ethernet address that answers for it.
    pub mac: Mac,
}

/// The queue of frames.
#[derive(Default)]
pub struct AnnounceQueue {
    socket: Option<FrameSocket>,
    jobs: VecDeque<AnnounceJob>,
    /// When to go on; `None`: at once.
    paused_until: Option<Instant>,
}

/// All addresses of an owner, several times over.
struct AnnounceJob {
    owner: String,
    frames: Vec<Frame>,
    next: usize,
    rounds: u32,
    /// Since when the interface takes no frames.
    stuck: Option<Instant>,
    /// The first failure.
    failed: Option<String>,
}

struct Frame {
    index: u32,
    interface: String,
    bytes: Vec<u8>,
}

/// How a job ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Announced {
    /// Whose addresses: the VRRP instance, for one.
    pub owner: String,
    /// What went wrong.
    pub problem: Option<String>,
}

impl AnnounceQueue {
    /// Has addresses of an owner announced so often, all of them each time, after what is being announced already.
    pub fn push(&mut self, owner: &str, what: Vec<Announcement>, rounds: u32) {
        let mut routers = BTreeMap::new();
        let frame = |it: Announcement| {
            let router = match it.addr {
                IpAddr::V4(_) => false,
                IpAddr::V6(_) => *routers
                    .entry(it.index)
                    .or_insert_with(|| forwards(&it.interface)),
            };
            Frame {
                index: it.index,
                bytes: announcement(it.addr, it.mac, router),
                interface: it.interface,
            }
        };
        let frames: Vec<_> = what.into_iter().map(frame).collect();
        if !frames.is_empty() && rounds > 0 {
            self.jobs.push_back(AnnounceJob {
                owner: owner.to_owned(),
                frames,
                next: 0,
                rounds,
                stuck: None,
                failed: None,
            });
        }
    }

    /// Says nothing more about an owner's addresses.
    pub fn forget(&mut self, owner: &str) {
        self.jobs.retain(|job| job.owner != owner);
    }

    /// When to call [`AnnounceQueue::work`]; `None`: there is nothing to do.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        self.jobs.front().map(|_| self.paused_until.unwrap_or(now))
    }

    /// Sends some frames. Gives a job that came to its end.
    pub fn work(&mut self, now: Instant) -> Option<Announced> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        let job = self.jobs.front_mut()?;
        let socket = match open(&mut self.socket) {
            Ok(socket) => socket,
            Err(error) => {
                job.failed = Some(format!(
                    "cannot open a packet socket to announce addresses (it takes the capability CAP_NET_RAW): {error}"
                ));
                return self.finish();
            }
        };
        for _ in 0..MAX_FRAMES {
            let Some(frame) = job.frames.get(job.next) else {
                job.next = 0;
                job.rounds -= 1;
                if job.rounds == 0 {
                    return self.finish();
                }
                continue;
            };
            match socket.send(frame.index, &frame.bytes) {
                Ok(()) => job.stuck = None,
                Err(error) if full(&error) => {
                    if now.duration_since(*job.stuck.get_or_insert(now)) < SEND_TIMEOUT {
                        self.paused_until = Some(now + RETRY_DELAY);
                        return None;
                    }
                    job.fail(&error);
                    return self.finish();
                }
                Err(error) => job.fail(&error),
            }
            job.next += 1;
        }
        None
    }

    fn finish(&mut self) -> Option<Announced> {
        self.jobs.pop_front().map(|job| Announced {
            owner: job.owner,
            problem: job.failed,
        })
    }
}

impl AnnounceJob {
    fn fail(&mut self, error: &io::Error) {
        let Some(frame) = self.frames.get(self.next) else {
            return;
        };
        self.failed.get_or_insert_with(|| {
            format!("cannot announce addresses on {}: {error}", frame.interface)
        });
    }
}

fn open(socket: &mut Option<FrameSocket>) -> io::Result<&FrameSocket> {
    Ok(match socket {
        Some(socket) => socket,
        None => socket.insert(FrameSocket::open()?),
    })
}

/// No room, for now.
fn full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether this machine is an IPv6 router on an interface.
fn forwards(interface: &str) -> bool {
    std::fs::read(format!("/proc/sys/net/ipv6/conf/{interface}/forwarding"))
        .is_ok_and(|text| text.first().is_some_and(|digit| *digit != b'0'))
}
