//! The sockets that the instances need, opened and closed as interfaces come and go.

mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use evenkeel_core::model::{Family, Vrrp, VrrpInstance};

use crate::links::Link;
use crate::mailbox::Sender;
use crate::opener::{Delivery, Job, Order};
use crate::socket::{AdvertSocket, Received};
use words::{cannot_open, cannot_send};

/// Wait before another attempt at opening, and before reading again from a socket that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Adverts that wait for their socket; more than an instance sends while one is opened.
const UNSENT: usize = 64;

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
    /// Whether the multicast group is to be heard.
    group: bool,
}

struct Slot {
    wanted: Wanted,
    /// The socket in use. When another one is ordered, it stays until that comes.
    socket: Option<AdvertSocket>,
    /// It is left alone until then: it failed, or there was too much.
    rest: Option<Instant>,
    /// The socket that is being opened.
    ordered: Option<Order>,
    /// Whether the socket that is there, or is being opened, hears the multicast group.
    group: bool,
    /// When to try again to open it.
    again: Option<Instant>,
    /// What waits for the socket.
    unsent: VecDeque<Letter>,
}

/// An advert and its addresses.
struct Letter {
    source: IpAddr,
    to: IpAddr,
    payload: Vec<u8>,
}

/// What [`Sockets::receive`] found.
pub(crate) enum Incoming<'a> {
    /// A message, heard on this interface as the instances see it.
    Message(&'a str, Received<'a>),
    /// A message for nobody here.
    Other,
    /// Nothing more for now.
    Nothing,
    /// The socket on this interface failed. It is left alone for a while.
    Failed(&'a str, io::Error),
}

/// See the module's documentation.
pub(crate) struct Sockets {
    opener: Sender<Job>,
    /// What the opener has not taken yet.
    jobs: VecDeque<Job>,
    slots: BTreeMap<Place, Slot>,
    /// Orders until now.
    orders: u64,
    /// Why a socket is not there, by interface.
    problems: BTreeMap<String, String>,
}

impl Sockets {
    /// None yet.
    pub(crate) fn new(opener: Sender<Job>) -> Self {
        Self {
            opener,
            jobs: VecDeque::new(),
            slots: BTreeMap::new(),
            orders: 0,
            problems: BTreeMap::new(),
        }
    }

    /// Has opened what is missing, and closed what nobody needs.
    pub(crate) fn update(&mut self, config: &Vrrp, links: &BTreeMap<String, Link>, now: Instant) {
        let mut wanted = wanted(config, links);
        let gone = self
            .slots
            .extract_if(.., |place, _| !wanted.contains_key(place));
        self.jobs
            .extend(gone.filter_map(|(_, slot)| slot.socket.map(Job::Close)));
        for (place, slot) in &mut self.slots {
            if let Some(wanted) = wanted.remove(place) {
                slot.wanted = wanted;
            }
        }
        for (place, wanted) in wanted {
            self.slots.insert(place, Slot::new(wanted));
        }
        let devices: BTreeSet<_> = self.slots.values().map(|s| &s.wanted.device).collect();
        self.problems.retain(|device, _| devices.contains(device));
        for (place, slot) in &mut self.slots {
            if let Some(order) = slot.order(*place, self.orders, now) {
                self.orders += 1;
                self.jobs.push_back(Job::Open(order));
            }
        }
    }

    /// Takes a socket that was opened, or why it was not.
    pub(crate) fn deliver(&mut self, delivery: Delivery, now: Instant) {
        let Delivery { order, socket } = delivery;
        let place = Place {
            index: order.index,
            family: order.family,
        };
        let slot = self.slots.get_mut(&place);
        let Some(slot) = slot.filter(|slot| slot.ordered == Some(order)) else {
            self.jobs.extend(socket.ok().map(Job::Close));
            return;
        };
        slot.ordered = None;
        match socket {
            Ok(socket) => {
                self.problems.remove(&slot.wanted.device);
                for letter in slot.unsent.drain(..) {
                    // If it cannot be sent, the next one will tell.
                    let _ = socket.send(letter.source, letter.to, &letter.payload);
                }
                self.jobs
                    .extend(slot.socket.replace(socket).map(Job::Close));
            }
            Err(error) => {
                slot.again = Some(now + AGAIN);
                let device = &slot.wanted.device;
                self.problems
                    .insert(device.clone(), cannot_open(device, &error));
            }
        }
    }

    /// Hands the opener its orders; `false`: not now.
    pub(crate) fn send_orders(&mut self) -> bool {
        self.opener.try_send(&mut self.jobs)
    }

    /// Why sockets are missing, by interface.
    pub(crate) fn problems(&self) -> &BTreeMap<String, String> {
        &self.problems
    }

    /// When to call [`Sockets::update`] although nothing has changed.
    pub(crate) fn again(&self) -> Option<Instant> {
        self.slots.values().filter_map(|slot| slot.again).min()
    }

    /// The sockets to wait for, and their places.
    pub(crate) fn listening(&self, now: Instant) -> impl Iterator<Item = (Place, BorrowedFd<'_>)> {
        self.slots
            .iter()
            .filter(move |(_, slot)| slot.rest.is_none_or(|rest| rest <= now))
            .filter_map(|(place, slot)| Some((*place, slot.socket.as_ref()?.as_fd())))
    }

    /// When a socket that is left alone is to be listened to again.
    pub(crate) fn rested(&self, now: Instant) -> Option<Instant> {
        let rests = self.slots.values().filter_map(|slot| slot.rest);
        rests.filter(|rest| now < *rest).min()
    }

    /// The next message at a place.
    ///
    /// A macvlan hears what the interface below it hears: what is for instances there is left to them, or they would hear it
    /// twice. A message that is too short to tell is for all: someone has to count it.
    pub(crate) fn receive(&mut self, place: Place, now: Instant) -> Incoming<'_> {
        let Some(slot) = self.slots.get_mut(&place) else {
            return Incoming::Nothing;
        };
        let Some(socket) = &mut slot.socket else {
            return Incoming::Nothing;
        };
        let ids = &slot.wanted.router_ids;
        match socket.receive() {
            Ok(Some(message)) => {
                let id = message.payload.get(1);
                if id.is_none_or(|id| ids.contains(id)) {
                    Incoming::Message(&slot.wanted.interface, message)
                } else {
                    Incoming::Other
                }
            }
            Ok(None) => Incoming::Nothing,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Incoming::Other,
            Err(error) => {
                slot.rest = Some(now + AGAIN);
                Incoming::Failed(&slot.wanted.interface, error)
            }
        }
    }

    /// Leaves a place alone for a while.
    pub(crate) fn pause(&mut self, place: Place, until: Instant) {
        if let Some(slot) = self.slots.get_mut(&place) {
            slot.rest = Some(until);
        }
    }

    /// Sends an advert of an instance.
    ///
    /// # Errors
    /// In words, with what to do.
    pub(crate) fn send(
        &mut self,
        instance: &VrrpInstance,
        links: &BTreeMap<String, Link>,
        (source, to): (IpAddr, IpAddr),
        payload: &[u8],
    ) -> Result<(), String> {
        let Some(device) = device(instance, links) else {
            return Err(format!("there is no interface {}", instance.interface));
        };
        let place = Place {
            index: device.index,
            family: instance.family,
        };
        match self.slots.get_mut(&place) {
            Some(slot) => slot.send(device, source, to, payload),
            None => Ok(()),
        }
    }
}

impl Slot {
    fn new(wanted: Wanted) -> Self {
        Self {
            group: wanted.group,
            wanted,
            socket: None,
            rest: None,
            ordered: None,
            again: None,
            unsent: VecDeque::new(),
        }
    }

    /// Orders what is missing.
    fn order(&mut self, place: Place, number: u64, now: Instant) -> Option<Order> {
        let other = self.group != self.wanted.group;
        let missing = self.socket.is_none() && self.ordered.is_none();
        let waits = self.again.is_some_and(|again| now < again);
        if !other && (!missing || waits) {
            return None;
        }
        self.group = self.wanted.group;
        self.again = None;
        let order = Order {
            index: place.index,
            family: place.family,
            group: self.group,
            number,
        };
        self.ordered = Some(order);
        Some(order)
    }

    fn send(
        &mut self,
        device: &Link,
        source: IpAddr,
        to: IpAddr,
        payload: &[u8],
    ) -> Result<(), String> {
        let Some(socket) = &self.socket else {
            // It is being opened, or it is known why it is not there.
            if self.ordered.is_some() && self.unsent.len() < UNSENT {
                let payload = payload.to_vec();
                self.unsent.push_back(Letter {
                    source,
                    to,
                    payload,
                });
            }
            return Ok(());
        };
        match socket.send(source, to, payload) {
            // Of an interface that is down everyone knows.
            Err(error) if device.up => Err(cannot_send(&device.name, source, to, &error)),
            _ => Ok(()),
        }
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
            group: false,
        });
        wanted.router_ids.insert(instance.router_id);
        wanted.group |= instance.peers.is_empty();
    }
    all
}
