//! The sockets that the instances need, opened and closed as interfaces come and go.

mod messages;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use evenkeel_addresses::channel::Sender;
use evenkeel_core::model::{Family, Vrrp, VrrpInstance};
use evenkeel_core::vrrp::Hearing;

use crate::links::Link;
use crate::socket::{AdvertSocket, Received};
use crate::socket_opener::{OpenedSocket, SocketJob, SocketOrder};
use messages::{cannot_open, cannot_send};

/// Wait before another attempt at opening, and before reading again from a socket that failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Adverts that wait for their socket; more than an instance sends while one is opened.
const MAX_UNSENT: usize = 64;

/// One interface, one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    index: u32,
    family: Family,
}

/// What instances want at a [`Place`].
#[derive(Debug, PartialEq, Eq)]
struct SocketSpec {
    /// The interface that adverts are received on as the instances see it: not their macvlan, but the one below it.
    interface: String,
    /// The interface that is opened.
    device: String,
    router_ids: BTreeSet<u8>,
    /// Whether the multicast group is to be joined.
    group: bool,
}

struct Slot {
    wanted: SocketSpec,
    /// The socket in use. When another one is ordered, it stays until that comes.
    socket: Option<AdvertSocket>,
    /// It is left alone until then: it failed, or there was too much.
    paused_until: Option<Instant>,
    /// The socket that is being opened.
    ordered: Option<SocketOrder>,
    /// Whether the socket that is there, or is being opened, is in the multicast group.
    group: bool,
    /// When to try again to open it.
    retry_at: Option<Instant>,
    /// Why it could not be opened.
    problem: Option<String>,
    /// What waits for the socket.
    unsent: VecDeque<UnsentAdvert>,
}

/// An advert and its addresses.
struct UnsentAdvert {
    source: IpAddr,
    to: IpAddr,
    payload: Vec<u8>,
}

/// What [`Sockets::receive`] found.
pub(crate) enum Incoming<'a> {
    /// A message, received on this interface as the instances see it.
    Message(&'a str, Received<'a>),
    /// A message for nobody here.
    Other,
    /// Nothing more for now.
    Nothing,
    /// The socket on this interface failed. It is left alone for a while.
    Failed(&'a str, io::Error),
}

/// The sockets of all instances.
pub(crate) struct Sockets {
    opener: Sender<SocketJob>,
    /// What the opener has not taken yet.
    jobs: VecDeque<SocketJob>,
    slots: BTreeMap<Place, Slot>,
    /// Orders until now.
    orders: u64,
}

impl Sockets {
    /// None yet.
    pub(crate) fn new(opener: Sender<SocketJob>) -> Self {
        Self {
            opener,
            jobs: VecDeque::new(),
            slots: BTreeMap::new(),
            orders: 0,
        }
    }

    /// Has opened what is missing, and closed what nobody needs.
    pub(crate) fn update(&mut self, config: &Vrrp, links: &BTreeMap<String, Link>, now: Instant) {
        let mut wanted = wanted(config, links);
        let gone = self
            .slots
            .extract_if(.., |place, _| !wanted.contains_key(place));
        self.jobs
            .extend(gone.filter_map(|(_, slot)| slot.socket.map(SocketJob::Close)));
        for (place, slot) in &mut self.slots {
            if let Some(wanted) = wanted.remove(place) {
                slot.wanted = wanted;
            }
        }
        for (place, wanted) in wanted {
            self.slots.insert(place, Slot::new(wanted));
        }
        for (place, slot) in &mut self.slots {
            if let Some(order) = slot.order(*place, self.orders, now) {
                self.orders += 1;
                self.jobs.push_back(SocketJob::Open(order));
            }
        }
    }

    /// Takes a socket that was opened, or why it was not.
    pub(crate) fn take(&mut self, opened: OpenedSocket, now: Instant) {
        let OpenedSocket { order, socket } = opened;
        let place = Place {
            index: order.index,
            family: order.family,
        };
        let slot = self.slots.get_mut(&place);
        let Some(slot) = slot.filter(|slot| slot.ordered == Some(order)) else {
            self.jobs.extend(socket.ok().map(SocketJob::Close));
            return;
        };
        slot.ordered = None;
        match socket {
            Ok(socket) => {
                slot.problem = None;
                for advert in slot.unsent.drain(..) {
                    // If it cannot be sent, the next one will tell.
                    let _ = socket.send(advert.source, advert.to, &advert.payload);
                }
                self.jobs
                    .extend(slot.socket.replace(socket).map(SocketJob::Close));
            }
            Err(error) => {
                slot.retry_at = Some(now + RETRY_DELAY);
                slot.problem = Some(cannot_open(&slot.wanted.device, &error));
                // It is not what is wanted, and is not to keep another from being opened.
                self.jobs.extend(slot.socket.take().map(SocketJob::Close));
            }
        }
    }

    /// Hands the opener its orders; `false`: not now.
    pub(crate) fn send_orders(&mut self) -> bool {
        self.opener.try_send(&mut self.jobs)
    }

    /// Why sockets are missing, by interface.
    pub(crate) fn problems(&self) -> BTreeMap<String, String> {
        let problem = |slot: &Slot| Some((slot.wanted.device.clone(), slot.problem.clone()?));
        self.slots.values().filter_map(problem).collect()
    }

    /// Whether an instance's adverts can be received.
    pub(crate) fn hearing(
        &self,
        instance: &VrrpInstance,
        links: &BTreeMap<String, Link>,
    ) -> Hearing<'_> {
        let slot = device(instance, links).and_then(|device| {
            let place = Place {
                index: device.index,
                family: instance.family,
            };
            self.slots.get(&place)
        });
        match slot {
            Some(Slot {
                problem: Some(why), ..
            }) => Hearing::Fails(why),
            Some(slot) if slot.socket.is_some() => Hearing::Works,
            _ => Hearing::Awaited,
        }
    }

    /// When to call [`Sockets::update`] although nothing has changed.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.slots.values().filter_map(|slot| slot.retry_at).min()
    }

    /// The sockets to wait for, and their places.
    pub(crate) fn listening(&self, now: Instant) -> impl Iterator<Item = (Place, BorrowedFd<'_>)> {
        self.slots
            .iter()
            .filter(move |(_, slot)| slot.paused_until.is_none_or(|until| until <= now))
            .filter_map(|(place, slot)| Some((*place, slot.socket.as_ref()?.as_fd())))
    }

    /// When a socket that is left alone is to be listened to again.
    pub(crate) fn resume_at(&self, now: Instant) -> Option<Instant> {
        let pauses = self.slots.values().filter_map(|slot| slot.paused_until);
        pauses.filter(|until| now < *until).min()
    }

    /// The next message at a place.
    ///
    /// A macvlan receives what the interface below it receives: what is for instances there is left to them, or they
    /// would get it twice. A message that is too short to tell is for all: someone has to count it.
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
                slot.paused_until = Some(now + RETRY_DELAY);
                Incoming::Failed(&slot.wanted.interface, error)
            }
        }
    }

    /// Leaves a place alone for a while.
    pub(crate) fn pause(&mut self, place: Place, until: Instant) {
        if let Some(slot) = self.slots.get_mut(&place) {
            slot.paused_until = Some(until);
        }
    }

    /// Sends an advert of an instance.
    ///
    /// # Errors
    /// As text, with what to do.
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
    fn new(wanted: SocketSpec) -> Self {
        Self {
            group: wanted.group,
            wanted,
            socket: None,
            paused_until: None,
            ordered: None,
            retry_at: None,
            problem: None,
            unsent: VecDeque::new(),
        }
    }

    /// Orders what is missing.
    fn order(&mut self, place: Place, number: u64, now: Instant) -> Option<SocketOrder> {
        let other = self.group != self.wanted.group;
        let missing = self.socket.is_none() && self.ordered.is_none();
        let waits = self.retry_at.is_some_and(|at| now < at);
        if !other && (!missing || waits) {
            return None;
        }
        self.group = self.wanted.group;
        self.retry_at = None;
        let order = SocketOrder {
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
            if self.ordered.is_some() && self.unsent.len() < MAX_UNSENT {
                let payload = payload.to_vec();
                self.unsent.push_back(UnsentAdvert {
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

/// The interface that an instance's adverts are sent and received on: the one with its virtual MAC if there is one. A
/// frame from another router with the same virtual MAC is not received below it. Peers send to this machine's own MAC.
fn device<'a>(instance: &VrrpInstance, links: &'a BTreeMap<String, Link>) -> Option<&'a Link> {
    let virtual_mac = instance.virtual_mac.as_ref();
    virtual_mac
        .filter(|_| instance.peers.is_empty())
        .and_then(|name| links.get(name))
        .filter(|link| link.up)
        .or_else(|| links.get(&instance.interface))
}

fn wanted(config: &Vrrp, links: &BTreeMap<String, Link>) -> BTreeMap<Place, SocketSpec> {
    let mut all = BTreeMap::new();
    for instance in &config.instances {
        let Some(device) = device(instance, links) else {
            continue;
        };
        let place = Place {
            index: device.index,
            family: instance.family,
        };
        let wanted = all.entry(place).or_insert_with(|| SocketSpec {
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
