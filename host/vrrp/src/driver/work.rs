//! What the driver does in a turn: messages, what is due, what came in; and what the routers want done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_addresses::VrrpReport;
use evenkeel_addresses::channel::Taken;
use evenkeel_core::model::{self, VrrpInstance};
use evenkeel_core::vrrp::{Input, Output};

use super::message::Message;
use super::problems::Source;
use super::state::{BUSY_DELAY, Driver, STATUS_INTERVAL};
use crate::announcer::announcements;
use crate::event::{Forwarded, VrrpEvent};
use crate::links::LinkReport;
use crate::sockets::{Incoming, Place};

/// Messages from one socket in one go, so that others and the rest of the turn get theirs. 255 routers that advertise
/// every 10 ms send 26 in a millisecond.
const MAX_BATCH: usize = 32;

/// Messages from one socket that are taken in before a timer that is late: more than its buffer holds.
const MAX_WAITING: usize = 1024;

/// A timer that is so late is late because this thread was not run: what waits in the sockets may be as old.
const LATE: Duration = Duration::from_millis(5);

/// Wait after a whole batch: a flood must not use up the time that the kernel grants to real-time threads (95 % of a
/// processor; after that it stops them for 50 ms).
const FLOOD_PAUSE: Duration = Duration::from_millis(1);

impl Driver {
    /// Tells the routers about the interfaces of the first look.
    pub(super) fn begin(&mut self, now: Instant) {
        self.update_sockets(now);
        let names: Vec<_> = self.interfaces.keys().cloned().collect();
        for name in names {
            self.tell_interface(&name, now);
        }
        self.act();
    }

    /// Takes in one message; `false`: it says to end.
    pub(super) fn read(&mut self, message: Message) -> bool {
        let now = Instant::now();
        match message {
            Message::Configure(config) => self.configure(config, now),
            Message::Ready => {
                self.ready.data_plane = true;
                self.get_ready(now);
            }
            Message::Alive => self.router.handle(Input::Alive, now),
            Message::Tracked(what, reading) => {
                let what = &what;
                self.router.handle(Input::Tracked { what, reading }, now);
            }
            Message::Command(instance, command) => {
                let instance = instance.as_deref();
                self.router
                    .handle(Input::Command { instance, command }, now);
            }
            Message::Stop(done) => {
                self.stopping.push(done);
                self.router.handle(Input::Stop, now);
            }
            Message::Quit => return false,
            Message::Link(report) => self.link(report, now),
            Message::Socket(opened) => {
                self.sockets.take(opened, now);
                self.tell_hearing(now);
            }
            Message::Addresses(report) => self.addresses_report(report, now),
        }
        self.act();
        self.stale = Some(now);
        true
    }

    /// Does what is due. What waits in the sockets comes first: where this thread was not run for a while, it is older
    /// than the timers, and says that the master is well.
    pub(super) fn on_time(&mut self) {
        let now = Instant::now();
        let Some(due) = self.router.poll_at().filter(|at| *at <= now) else {
            return;
        };
        let late = now >= due + LATE;
        let most = if late { MAX_WAITING } else { MAX_BATCH };
        let places: Vec<_> = self
            .sockets
            .listening(now)
            .map(|(place, _)| place)
            .collect();
        for place in places {
            self.take_in(place, most);
        }
        self.router.poll(Instant::now());
        self.act();
    }

    /// Takes in what came to a socket. Timers are not late because of it.
    pub(super) fn receive(&mut self, place: Place) {
        for _ in 0..MAX_BATCH {
            self.on_time();
            if !self.take_one(place) {
                return;
            }
        }
        self.sockets.pause(place, Instant::now() + FLOOD_PAUSE);
    }

    /// Takes in what waits in a socket, but no more than so much.
    fn take_in(&mut self, place: Place, most: usize) {
        for _ in 0..most {
            if !self.take_one(place) {
                return;
            }
        }
        self.sockets.pause(place, Instant::now() + FLOOD_PAUSE);
    }

    /// Takes in the next message of a socket; `false`: there is none.
    fn take_one(&mut self, place: Place) -> bool {
        let now = Instant::now();
        match self.sockets.receive(place, now) {
            Incoming::Message(interface, message) => {
                let source = Source::Receive(interface.to_owned());
                let input = Input::Received {
                    interface,
                    source: message.source,
                    destination: message.destination,
                    ttl: message.ttl,
                    payload: message.payload,
                };
                self.router.handle(input, now);
                if self.problems.has(&source) {
                    self.note(source, None);
                }
                self.act();
                true
            }
            Incoming::Other => true,
            Incoming::Nothing => false,
            Incoming::Failed(interface, error) => {
                let interface = interface.to_owned();
                let text = format!("cannot receive adverts on {interface}: {error}");
                // An interface that goes down says so once.
                if self.interfaces.get(&interface).is_some_and(|link| link.up) {
                    self.note(Source::Receive(interface), Some(text));
                }
                false
            }
        }
    }

    /// Sends some of the announcements.
    pub(super) fn announce(&mut self) {
        let now = Instant::now();
        if self.announcer.due(now).is_none_or(|due| now < due) {
            return;
        }
        if let Some(done) = self.announcer.work(now) {
            self.note(Source::Announce(done.owner), done.problem);
        }
    }

    /// Tries again to open what could not be opened.
    pub(super) fn look_after_sockets(&mut self) {
        let now = Instant::now();
        if self.sockets.retry_at().is_some_and(|at| at <= now) {
            self.update_sockets(now);
            self.act();
        }
    }

    /// Puts up how everything is, if that has changed and it is time.
    pub(super) fn publish(&mut self) {
        let now = Instant::now();
        if self.stale.is_none_or(|at| now < at) {
            return;
        }
        self.status.instances = self.router.report(now);
        self.status.groups = self.router.groups();
        self.status.problems = self.problems.texts();
        let put = self.snapshot.put(now, self.status.clone());
        self.stale = (!put).then(|| now + BUSY_DELAY);
    }

    /// When all is handed over: takes the addresses away and says that it is done; then this was all.
    pub(super) fn finish(&mut self) -> bool {
        if self.stopping.is_empty() || !self.router.stopped() {
            return false;
        }
        if let Some(addresses) = self.addresses.take() {
            addresses.stop();
        }
        // What the address manager had to say at the end is of no use to the routers, but the daemon wants to know
        // which addresses are left.
        if let Taken::Messages(messages) = self.messages.take() {
            for message in messages {
                if let Message::Addresses(VrrpReport::Here(addresses)) = message {
                    self.tell(VrrpEvent::Here(addresses));
                }
            }
        }
        self.stale = Some(Instant::now());
        self.publish();
        self.outgoing
            .extend(self.stopping.drain(..).map(Forwarded::Stopped));
        true
    }

    /// Instances that are gone say goodbye by their old configuration; the others begin by the new one.
    fn configure(&mut self, config: Arc<model::Vrrp>, now: Instant) {
        let gone = |old: &&VrrpInstance| !config.instances.iter().any(|new| new.name == old.name);
        let leaving: Vec<_> = self.config.instances.iter().filter(gone).cloned().collect();
        let mut both = model::Vrrp::clone(&config);
        both.instances.extend(leaving);
        self.config = Arc::new(both);
        self.links.configure(Arc::clone(&config));
        if let Some(addresses) = &mut self.addresses {
            addresses.configure(Arc::clone(&config));
        }
        self.update_sockets(now);
        self.router.configure(&config, now);
        self.act();
        self.config = config;
        self.problems.forget(&self.config);
        self.update_sockets(now);
    }

    fn get_ready(&mut self, now: Instant) {
        let ready = self.ready.data_plane && self.ready.looked;
        if ready && !std::mem::replace(&mut self.ready.told, true) {
            self.router.handle(Input::Ready, now);
        }
    }

    fn link(&mut self, report: LinkReport, now: Instant) {
        match report {
            LinkReport::Link(link) => {
                let (name, mac) = (link.name.clone(), link.mac);
                let before = self.interfaces.insert(name.clone(), link);
                // First the sockets: what the routers do at once goes out through them.
                self.update_sockets(now);
                self.tell_interface(&name, now);
                if before.is_some_and(|before| before.mac != mac) {
                    let interface = &name;
                    self.router.handle(Input::MacChanged { interface }, now);
                }
            }
            LinkReport::Gone(name) => {
                self.interfaces.remove(&name);
                self.tell_interface(&name, now);
                self.update_sockets(now);
            }
            LinkReport::Source(addr, present) => {
                self.router.handle(Input::Source { addr, present }, now);
            }
            LinkReport::Looked => {}
            LinkReport::Problem(problem) => self.note(Source::Links, problem),
        }
    }

    fn tell_interface(&mut self, name: &str, now: Instant) {
        let link = self.interfaces.get(name);
        let input = Input::Interface {
            name,
            up: link.is_some_and(|link| link.up),
            ipv4: link.and_then(|link| link.ipv4).map(Into::into),
            ipv6: link.and_then(|link| link.ipv6).map(Into::into),
        };
        self.router.handle(input, now);
    }

    fn addresses_report(&mut self, report: VrrpReport, now: Instant) {
        match report {
            VrrpReport::Found { instance } => {
                let instance = &instance;
                self.router.handle(Input::Found { instance }, now);
            }
            VrrpReport::Looked { here } => {
                self.tell(VrrpEvent::Here(here));
                self.ready.looked = true;
                self.get_ready(now);
            }
            VrrpReport::Held { instance } => {
                let instance = &instance;
                self.router.handle(Input::Held { instance }, now);
            }
            VrrpReport::Released { .. } => {}
            VrrpReport::Problem { instance, text } => self.note(Source::Keep(instance), text),
            VrrpReport::Here(addresses) => self.tell(VrrpEvent::Here(addresses)),
        }
    }

    /// Does what the routers want done.
    fn act(&mut self) {
        for output in self.router.outputs() {
            match output {
                Output::Send {
                    instance,
                    source,
                    messages,
                } => {
                    let config = Arc::clone(&self.config);
                    let Some(of) = config.instances.iter().find(|i| i.name == instance) else {
                        continue;
                    };
                    for (to, payload) in messages {
                        let links = &self.interfaces;
                        let sent = self.sockets.send(of, links, (source, to), &payload);
                        let source = Source::Send(instance.clone(), to);
                        if sent.is_err() || self.problems.has(&source) {
                            self.note(source, sent.err());
                        }
                    }
                }
                Output::Hold { instance } => {
                    if let Some(addresses) = &mut self.addresses {
                        addresses.hold(&instance);
                    }
                }
                Output::Release { instance } => {
                    self.announcer.forget(&instance);
                    if let Some(addresses) = &mut self.addresses {
                        addresses.release(&instance);
                    }
                }
                Output::Announce { instance, rounds } => {
                    let config = Arc::clone(&self.config);
                    if let Some(of) = config.instances.iter().find(|i| i.name == instance) {
                        let what = announcements(of, &self.interfaces);
                        self.announcer.push(&instance, what, rounds);
                    }
                }
                Output::Notify {
                    group,
                    name,
                    state,
                    priority,
                } => {
                    self.stale = Some(Instant::now());
                    self.tell(VrrpEvent::Notify {
                        group,
                        name,
                        state,
                        priority,
                    });
                }
                Output::Event(event) => self.tell(VrrpEvent::Log(event)),
            }
        }
        self.stale
            .get_or_insert_with(|| Instant::now() + STATUS_INTERVAL);
    }

    fn update_sockets(&mut self, now: Instant) {
        self.sockets.update(&self.config, &self.interfaces, now);
        self.tell_hearing(now);
    }

    /// Tells the routers, the log and `status` which sockets are there.
    fn tell_hearing(&mut self, now: Instant) {
        for instance in &self.config.instances {
            let input = Input::Hearing {
                instance: &instance.name,
                hearing: self.sockets.hearing(instance, &self.interfaces),
            };
            self.router.handle(input, now);
        }
        let problems = self.sockets.problems();
        for interface in self.problems.sockets() {
            if !problems.contains_key(&interface) {
                self.note(Source::Socket(interface), None);
            }
        }
        for (interface, text) in problems {
            self.note(Source::Socket(interface), Some(text));
        }
    }
}
