//! Telling networks where addresses are: a queue of frames, sent a few at a time so that adverts between them are in
//! time.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_core::model::VrrpInstance;

use crate::frame_socket::FrameSocket;
use crate::frames::announcement;
use crate::links::Link;

/// Frames in one go: some 100 us.
const MAX_FRAMES: usize = 64;

/// Wait before going on when the interface takes no more.
const RETRY_DELAY: Duration = Duration::from_millis(1);

/// How long an interface may take none before the frames are dropped.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

/// The queue of frames.
#[derive(Default)]
pub(crate) struct Announcer {
    socket: Option<FrameSocket>,
    jobs: VecDeque<AnnounceJob>,
    /// When to go on; `None`: at once.
    paused_until: Option<Instant>,
}

/// All addresses of an instance, several times over.
struct AnnounceJob {
    instance: String,
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
pub(crate) struct Announced {
    /// Whose addresses.
    pub(crate) instance: String,
    /// What went wrong.
    pub(crate) problem: Option<String>,
}

impl Announcer {
    /// Has all addresses of an instance announced so often, after what is being announced already.
    pub(crate) fn announce(
        &mut self,
        instance: &VrrpInstance,
        links: &BTreeMap<String, Link>,
        rounds: u32,
    ) {
        let mut routers = BTreeMap::new();
        let frames: Vec<_> = instance
            .addresses
            .iter()
            .filter_map(|address| {
                let link = carrier(instance, &address.interface, links)?;
                let router = match address.addr {
                    IpAddr::V4(_) => false,
                    IpAddr::V6(_) => *routers
                        .entry(link.index)
                        .or_insert_with(|| forwards(&link.name)),
                };
                Some(Frame {
                    index: link.index,
                    interface: link.name.clone(),
                    // What is no Ethernet needs no frames.
                    bytes: announcement(address.addr, link.mac?, router),
                })
            })
            .collect();
        if !frames.is_empty() && rounds > 0 {
            self.jobs.push_back(AnnounceJob {
                instance: instance.name.clone(),
                frames,
                next: 0,
                rounds,
                stuck: None,
                failed: None,
            });
        }
    }

    /// Says nothing more about an instance's addresses.
    pub(crate) fn forget(&mut self, instance: &str) {
        self.jobs.retain(|job| job.instance != instance);
    }

    /// When to call [`Announcer::work`]; `None`: there is nothing to do.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        self.jobs.front().map(|_| self.paused_until.unwrap_or(now))
    }

    /// Sends some frames. Gives a job that came to its end.
    pub(crate) fn work(&mut self, now: Instant) -> Option<Announced> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        let job = self.jobs.front_mut()?;
        let socket = match open(&mut self.socket) {
            Ok(socket) => socket,
            Err(error) => {
                job.failed = Some(format!(
                    "cannot open a packet socket to announce addresses: {error}"
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
            instance: job.instance,
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

/// The interface that an instance's addresses on `interface` really are on.
fn carrier<'a>(
    instance: &VrrpInstance,
    interface: &str,
    links: &'a BTreeMap<String, Link>,
) -> Option<&'a Link> {
    let virtual_mac = instance.virtual_mac.as_ref();
    virtual_mac
        .filter(|_| interface == instance.interface)
        .and_then(|name| links.get(name))
        .or_else(|| links.get(interface))
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
