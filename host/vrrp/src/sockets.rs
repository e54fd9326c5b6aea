//! The sockets that the instances need, opened and closed as interfaces come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use evenkeel_core::model::{Family, Vrrp, VrrpInstance};
use nix::errno::Errno;

use crate::links::Link;
use crate::socket::{AdvertSocket, GROUP_V4, GROUP_V6, Received};

/// Wait before another attempt at opening, and before reading again from a socket that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// One interface, one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    index: u32,
    family: Family,
}

/// What instances want at a [`Place`].
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// The interface that adverts are heard on as the instances see it: not their macvlan, but the one below it.
    interface: String,
    /// The interface that is opened.
    device: String,
    router_ids: BTreeSet<u8>,
    multicast: bool,
}

/// A socket in use.
pub(crate) struct Open {
    socket: AdvertSocket,
    wanted: Wanted,
    /// It failed: it is left alone until then.
    rest: Option<Instant>,
}

/// What [`Open::receive`] found.
pub(crate) enum Incoming<'a> {
    /// A message, heard on this interface as the instances see it.
    Message(&'a str, Received<'a>),
    /// A message for nobody here.
    Other,
    /// Nothing more for now.
    Nothing,
}

impl Open {
    /// The interface as the instances see it.
    pub(crate) fn interface(&self) -> &str {
        &self.wanted.interface
    }

    /// The next message.
    ///
    /// A macvlan hears what the interface below it hears: what is for instances there is left to them, or they would hear it
    /// twice. A message that is too short to tell is for all: someone has to count it.
    ///
    /// # Errors
    /// What the kernel says. The socket is left alone for a while then.
    pub(crate) fn receive(&mut self, now: Instant) -> io::Result<Incoming<'_>> {
        let ids = &self.wanted.router_ids;
        match self.socket.receive() {
            Ok(Some(message)) => {
                let id = message.payload.get(1);
                Ok(if id.is_none_or(|id| ids.contains(id)) {
                    Incoming::Message(&self.wanted.interface, message)
                } else {
                    Incoming::Other
                })
            }
            Ok(None) => Ok(Incoming::Nothing),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Incoming::Other),
            Err(error) => {
                self.rest = Some(now + AGAIN);
                Err(error)
            }
        }
    }
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Sockets {
    open: BTreeMap<Place, Open>,
    /// Why a socket is not there, by interface.
    problems: BTreeMap<String, String>,
    /// When to try again what failed.
    again: Option<Instant>,
}

impl Sockets {
    /// Opens what is missing and closes what nobody needs.
    pub(crate) fn update(&mut self, config: &Vrrp, links: &BTreeMap<String, Link>, now: Instant) {
        let mut wanted = wanted(config, links);
        self.open.retain(|place, _| wanted.contains_key(place));
        self.problems.clear();
        self.again = None;
        for (place, open) in &mut self.open {
            if let Some(wanted) = wanted.remove(place) {
                open.wanted = wanted;
            }
        }
        for (place, wanted) in wanted {
            match AdvertSocket::open(place.index, place.family) {
                Ok(socket) => {
                    let rest = None;
                    self.open.insert(
                        place,
                        Open {
                            socket,
                            wanted,
                            rest,
                        },
                    );
                }
                Err(error) => {
                    self.again = Some(now + AGAIN);
                    let text = cannot_open(&wanted.device, &error);
                    self.problems.insert(wanted.device, text);
                }
            }
        }
        for open in self.open.values_mut() {
            let (socket, wanted) = (&mut open.socket, &open.wanted);
            if let Err(error) = socket.listen_to_group(wanted.multicast) {
                self.again = Some(now + AGAIN);
                let text = format!(
                    "cannot listen to VRRP's multicast group on {}: {error}",
                    wanted.device
                );
                self.problems.insert(wanted.device.clone(), text);
            }
        }
    }

    /// Why sockets are missing, by interface.
    pub(crate) fn problems(&self) -> &BTreeMap<String, String> {
        &self.problems
    }

    /// When to call [`Sockets::update`] although nothing has changed.
    pub(crate) fn again(&self) -> Option<Instant> {
        self.again
    }

    /// The sockets to wait for, and their places.
    pub(crate) fn listening(&self, now: Instant) -> impl Iterator<Item = (Place, BorrowedFd<'_>)> {
        self.open
            .iter()
            .filter(move |(_, open)| open.rest.is_none_or(|rest| rest <= now))
            .map(|(place, open)| (*place, open.socket.as_fd()))
    }

    /// When a socket that failed is to be listened to again.
    pub(crate) fn rested(&self, now: Instant) -> Option<Instant> {
        let rests = self.open.values().filter_map(|open| open.rest);
        rests.filter(|rest| now < *rest).min()
    }

    /// The socket at a place.
    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Open> {
        self.open.get_mut(&place)
    }

    /// Sends an advert to the peers or the group of an instance: to all of them, even if one fails.
    ///
    /// # Errors
    /// In words, what failed first.
    pub(crate) fn send(
        &self,
        instance: &VrrpInstance,
        links: &BTreeMap<String, Link>,
        source: IpAddr,
        payload: &[u8],
    ) -> Result<(), String> {
        let Some(device) = device(instance, links) else {
            return Err(format!("there is no interface {}", instance.interface));
        };
        let place = Place {
            index: device.index,
            family: instance.family,
        };
        let Some(open) = self.open.get(&place) else {
            // Why there is none is told already.
            return Ok(());
        };
        let send = |to| {
            let sent = open.socket.send(source, to, payload);
            // Of an interface that is down everyone knows.
            sent.or_else(|error| if device.up { Err(error) } else { Ok(()) })
                .map_err(|error| cannot_send(&device.name, source, to, &error))
        };
        if instance.peers.is_empty() {
            return send(match instance.family {
                Family::V4 => GROUP_V4.into(),
                Family::V6 => GROUP_V6.into(),
            });
        }
        let failed = instance.peers.iter().filter_map(|peer| send(*peer).err());
        failed.reduce(|first, _| first).map_or(Ok(()), Err)
    }
}

/// The interface that an instance's adverts leave by and are heard on: the one with its virtual MAC if there is one. A frame
/// from another router with the same virtual MAC is not heard below it. Peers write to this machine's own MAC.
fn device<'a>(instance: &VrrpInstance, links: &'a BTreeMap<String, Link>) -> Option<&'a Link> {
    let virtual_mac = instance.virtual_mac.as_ref();
    virtual_mac
        .filter(|_| instance.peers.is_empty())
        .and_then(|name| links.get(name))
        .filter(|link| link.up)
        .or_else(|| links.get(&instance.interface))
}

fn wanted(config: &Vrrp, links: &BTreeMap<String, Link>) -> BTreeMap<Place, Wanted> {
    let mut all = BTreeMap::new();
    for instance in &config.instances {
        let Some(device) = device(instance, links) else {
            continue;
        };
        let place = Place {
            index: device.index,
            family: instance.family,
        };
        let wanted = all.entry(place).or_insert_with(|| Wanted {
            interface: instance.interface.clone(),
            device: device.name.clone(),
            router_ids: BTreeSet::new(),
            multicast: false,
        });
        wanted.router_ids.insert(instance.router_id);
        wanted.multicast |= instance.peers.is_empty();
    }
    all
}

fn cannot_open(device: &str, error: &io::Error) -> String {
    let advice = match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EPERM | Errno::EACCES => ": it takes the capability CAP_NET_RAW",
        Errno::EAFNOSUPPORT => ": IPv6 is disabled on this machine",
        _ => "",
    };
    format!("cannot open a socket for adverts on {device}: {error}{advice}")
}

fn cannot_send(device: &str, source: IpAddr, to: IpAddr, error: &io::Error) -> String {
    let advice = match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EPERM => {
            "; this machine's firewall drops it: let protocol 112 (vrrp) out, and in, too"
        }
        Errno::EINVAL | Errno::EADDRNOTAVAIL => "; is the source an address of this machine?",
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => "; no route leads there",
        _ => "",
    };
    format!("cannot send adverts from {source} to {to} on {device}: {error}{advice}")
}
