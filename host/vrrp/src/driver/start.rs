//! Starting the driver: its helpers' threads, and the first look at the interfaces.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_addresses::announce::AnnounceQueue;
use evenkeel_addresses::channel::{Receiver, Sender, Taken};
use evenkeel_addresses::{AddressManager, VrrpAddresses};
use evenkeel_core::model;
use evenkeel_core::vrrp::Event;
use evenkeel_core::vrrp::router::Router;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::message::Message;
use super::problems::Problems;
use super::state::{Driver, Ready};
use crate::error::VrrpError;
use crate::event::Forwarded;
use crate::links::{Link, LinkReport, Links};
use crate::realtime::{self, Priority};
use crate::socket_opener;
use crate::sockets::Sockets;
use crate::status::{StatusSnapshot, VrrpStatus};

/// How long the first look at the interfaces may take before the routers start without.
const FIRST_LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// What the driver works with, before it works.
pub(crate) struct Helpers {
    links: Links,
    sockets: Sockets,
    addresses: VrrpAddresses,
    messages: Receiver<Message>,
    forwarder: Sender<Forwarded>,
    snapshot: Arc<StatusSnapshot>,
    status: VrrpStatus,
    log: Vec<Event>,
}

impl Helpers {
    /// Starts the helpers' threads. Call it on the driver's thread: they inherit its priority, and then it gets a
    /// higher one.
    ///
    /// # Errors
    /// [`VrrpError`].
    pub(crate) fn start(
        config: &Arc<model::Vrrp>,
        addresses: &AddressManager,
        to_self: &Sender<Message>,
        messages: Receiver<Message>,
        forwarder: Sender<Forwarded>,
        snapshot: Arc<StatusSnapshot>,
    ) -> Result<Self, VrrpError> {
        let mut log = Vec::new();
        let mut note = |text: String| {
            log.push(Event {
                instance: String::new(),
                warning: false,
                text,
            });
        };
        let locked = realtime::lock_memory();
        if let Err(error) = locked {
            note(format!(
                "memory is not locked ({error}): a machine that swaps may delay adverts; \
                 the capability CAP_IPC_LOCK or LimitMEMLOCK=infinity would allow it"
            ));
        }
        let helped = realtime::prefer(Priority::Helpers);
        let to_driver = to_self.clone();
        let links = Links::start(Arc::clone(config), move |report| {
            to_driver.send(Message::Link(report));
        })
        .map_err(VrrpError::Thread)?;
        let to_driver = to_self.clone();
        let opener = socket_opener::start(move |opened| to_driver.send(Message::Socket(opened)))
            .map_err(VrrpError::Thread)?;
        let to_driver = to_self.clone();
        let mut addresses = addresses.attach_vrrp(
            move |report| to_driver.send(Message::Addresses(report)),
            || {
                // What the helpers were allowed, it is allowed as well.
                let _ = realtime::prefer(Priority::Helpers);
            },
        )?;
        addresses.configure(Arc::clone(config));
        let realtime = helped.and_then(|()| realtime::prefer(Priority::Adverts));
        if let Err(error) = realtime {
            note(format!(
                "no real-time priority ({error}): a busy machine may delay adverts; \
                 the capability CAP_SYS_NICE or LimitRTPRIO=10 would allow it"
            ));
        }
        let status = VrrpStatus {
            realtime: realtime.is_ok(),
            locked: locked.is_ok(),
            ..VrrpStatus::default()
        };
        // Whoever asks before the first look at the interfaces sees the instances as well. Nobody reads it yet.
        let now = Instant::now();
        let router = Router::new(config, now);
        let first = VrrpStatus {
            instances: router.report(now),
            groups: router.groups(),
            ..status.clone()
        };
        snapshot.put(now, first);
        Ok(Self {
            links,
            sockets: Sockets::new(opener),
            addresses,
            messages,
            forwarder,
            snapshot,
            status,
            log,
        })
    }

    /// Runs until it is told to end.
    pub(crate) fn drive(mut self, config: Arc<model::Vrrp>) {
        let (interfaces, later) = self.first_look();
        let now = Instant::now();
        let mut driver = Driver {
            router: Router::new(&config, now),
            config,
            interfaces,
            addresses: Some(self.addresses),
            links: self.links,
            sockets: self.sockets,
            announcer: AnnounceQueue::default(),
            problems: Problems::default(),
            messages: self.messages,
            forwarder: self.forwarder,
            outgoing: VecDeque::new(),
            snapshot: self.snapshot,
            status: self.status,
            stale: Some(now),
            ready: Ready::default(),
            stopping: Vec::new(),
        };
        driver.log(self.log);
        driver.begin(now);
        for message in later {
            if !driver.read(message) {
                return;
            }
        }
        while driver.turn() {}
        driver.deliver(true);
    }

    /// Waits for the interfaces, so that no instance begins in fault only because they are not known yet. What else
    /// comes is kept.
    fn first_look(&mut self) -> (BTreeMap<String, Link>, VecDeque<Message>) {
        let end = Instant::now() + FIRST_LOOK_TIMEOUT;
        let (mut interfaces, mut later) = (BTreeMap::new(), VecDeque::new());
        loop {
            if let Taken::Messages(messages) = self.messages.take() {
                let mut looked = false;
                for message in messages {
                    match message {
                        Message::Link(LinkReport::Link(link)) if !looked => {
                            interfaces.insert(link.name.clone(), link);
                        }
                        Message::Link(LinkReport::Looked) => looked = true,
                        Message::Quit => return (interfaces, [Message::Quit].into()),
                        other => later.push_back(other),
                    }
                }
                if looked {
                    return (interfaces, later);
                }
            }
            let now = Instant::now();
            if now >= end {
                return (interfaces, later);
            }
            let mut wakeup = [PollFd::new(self.messages.as_fd(), PollFlags::POLLIN)];
            // Interrupted or not, it looks. A channel in use wakes it later.
            let wait = (end - now).min(Duration::from_millis(10));
            let _ = ppoll(&mut wakeup, Some(TimeSpec::from(wait)), None);
        }
    }
}
