//! The thread that sends and hears adverts.
//!
//! ```text
//!  Links (thread) ---interfaces---+                      +--> sockets (adverts), packet socket (announcements)
//!  Keeper (thread) ---reports-----+--> mailbox --> Router +--> Keeper: hold, release
//!  opener (thread) ----sockets----+                      +--> courier (thread) --> the daemon: events
//!  Vrrp (the daemon) --commands---+                      +--> board: status
//!  sockets ----------adverts----------------------^
//! ```
//!
//! One loop around `ppoll`, whose timeout the kernel keeps to the nanosecond (an async runtime's timers are rounded to
//! milliseconds). Nothing in it waits for anything else: no lock, no disk, no netlink, no log. What may wait is on other threads.

mod board;
mod problems;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::model::{self, Tracked};
use evenkeel_core::vrrp::router::Router;
use evenkeel_core::vrrp::{Command, Event, Reading};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use tokio::sync::oneshot;

use crate::announcer::Announcer;
use crate::courier::Parcel;
use crate::handle::{VrrpError, VrrpEvent, VrrpStatus};
use crate::keeper::{Keeper, KeeperReport};
use crate::links::{Link, LinkReport, Links};
use crate::mailbox::{Receiver, Sender, Taken};
use crate::opener::{self, Delivery};
use crate::realtime::{self, Priority};
use crate::sockets::{Place, Sockets};
pub(crate) use board::Board;
use problems::Problems;

/// How long the first look at the interfaces may take before the routers start without.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Wait before another attempt at something that someone else is at.
const BUSY: Duration = Duration::from_millis(1);

/// Counters on the board are not older.
const STALE: Duration = Duration::from_millis(100);

/// What the driver is told.
pub(crate) enum Message {
    Configure(Arc<model::Vrrp>),
    Ready,
    Tracked(Tracked, Reading),
    Command(Option<String>, Command),
    /// Hand over, then end.
    Stop(oneshot::Sender<()>),
    /// End.
    Quit,
    Link(LinkReport),
    Socket(Delivery),
    Keeper(KeeperReport),
}

/// What the driver works with, before it works.
pub(crate) struct Helpers {
    links: Links,
    sockets: Sockets,
    keeper: Keeper,
    mail: Receiver<Message>,
    post: Sender<Parcel>,
    board: Arc<Board>,
    status: VrrpStatus,
    log: Vec<Event>,
}

impl Helpers {
    /// Starts the helpers' threads. Call it on the driver's thread: they inherit its priority, and then it gets a higher one.
    ///
    /// # Errors
    /// [`VrrpError`].
    pub(crate) fn start(
        config: &Arc<model::Vrrp>,
        to_self: &Sender<Message>,
        mail: Receiver<Message>,
        post: Sender<Parcel>,
        board: Arc<Board>,
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
        let opener = opener::start(move |delivery| to_driver.send(Message::Socket(delivery)))
            .map_err(VrrpError::Thread)?;
        let to_driver = to_self.clone();
        let keeper = Keeper::start(move |report| to_driver.send(Message::Keeper(report)))?;
        keeper.configure(Arc::clone(config));
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
        Ok(Self {
            links,
            sockets: Sockets::new(opener),
            keeper,
            mail,
            post,
            board,
            status,
            log,
        })
    }

    /// Runs until it is told to end.
    pub(crate) fn drive(mut self, config: Arc<model::Vrrp>) {
        let (interfaces, stash) = self.first_look();
        let now = Instant::now();
        let mut driver = Driver {
            router: Router::new(&config, now),
            config,
            interfaces,
            keeper: Some(self.keeper),
            links: self.links,
            sockets: self.sockets,
            announcer: Announcer::default(),
            problems: Problems::default(),
            mail: self.mail,
            post: self.post,
            parcels: VecDeque::new(),
            board: self.board,
            status: self.status,
            stale: Some(now),
            ready: Ready::default(),
            stopping: Vec::new(),
        };
        driver.log(self.log);
        driver.begin(now);
        for message in stash {
            if !driver.read(message) {
                return;
            }
        }
        while driver.turn() {}
        driver.deliver(true);
    }

    /// Waits for the interfaces, so that no instance begins in fault only because they are not known yet. What else comes is
    /// kept.
    fn first_look(&mut self) -> (BTreeMap<String, Link>, VecDeque<Message>) {
        let end = Instant::now() + FIRST_LOOK;
        let (mut interfaces, mut stash) = (BTreeMap::new(), VecDeque::new());
        loop {
            if let Taken::Messages(messages) = self.mail.take() {
                let mut looked = false;
                for message in messages {
                    match message {
                        Message::Link(LinkReport::Link(link)) if !looked => {
                            interfaces.insert(link.name.clone(), link);
                        }
                        Message::Link(LinkReport::Looked) => looked = true,
                        Message::Quit => return (interfaces, [Message::Quit].into()),
                        other => stash.push_back(other),
                    }
                }
                if looked {
                    return (interfaces, stash);
                }
            }
            let now = Instant::now();
            if now >= end {
                return (interfaces, stash);
            }
            let mut bell = [PollFd::new(self.mail.as_fd(), PollFlags::POLLIN)];
            // Interrupted or not, it looks. A box in use rings later.
            let wait = (end - now).min(Duration::from_millis(10));
            let _ = ppoll(&mut bell, Some(TimeSpec::from(wait)), None);
        }
    }
}

/// Whether instances may become master.
#[derive(Debug, Default)]
struct Ready {
    /// The data plane holds what is configured.
    data_plane: bool,
    /// It is known which addresses are on this machine already.
    looked: bool,
    told: bool,
}

pub(crate) struct Driver {
    config: Arc<model::Vrrp>,
    router: Router,
    /// Those that instances have to do with and that exist.
    interfaces: BTreeMap<String, Link>,
    /// There until the end.
    keeper: Option<Keeper>,
    links: Links,
    sockets: Sockets,
    announcer: Announcer,
    problems: Problems,
    mail: Receiver<Message>,
    post: Sender<Parcel>,
    /// What the courier has not taken yet.
    parcels: VecDeque<Parcel>,
    board: Arc<Board>,
    /// What was put up last, and what does not change.
    status: VrrpStatus,
    /// When to put up something new.
    stale: Option<Instant>,
    ready: Ready,
    /// Who waits for the end.
    stopping: Vec<oneshot::Sender<()>>,
}

impl Driver {
    /// One turn of the loop; `false`: it was the last one.
    fn turn(&mut self) -> bool {
        let again = match self.mail.take() {
            Taken::Messages(messages) => {
                for message in messages {
                    self.on_time();
                    if !self.read(message) {
                        return false;
                    }
                }
                None
            }
            Taken::Busy => Some(Instant::now() + BUSY),
            Taken::Closed => return false,
        };
        self.on_time();
        self.announce();
        self.look_after_sockets();
        if self.finish() {
            return false;
        }
        self.publish();
        let delivered = self.sockets.send_orders() & self.deliver(false);
        let readable = self.wait(again, delivered);
        for place in readable {
            self.receive(place);
        }
        true
    }

    /// Waits until there is something to do. Gives the sockets that can be read.
    fn wait(&mut self, again: Option<Instant>, delivered: bool) -> Vec<Place> {
        let now = Instant::now();
        let deadlines = [
            again,
            (!delivered).then(|| now + BUSY),
            self.router.poll_at(),
            self.announcer.due(now),
            self.sockets.again(),
            self.sockets.rested(now),
            self.stale,
        ];
        let wait = deadlines.into_iter().flatten().min();
        let wait = wait.map(|at| TimeSpec::from(at.saturating_duration_since(now)));
        let (mut places, mut fds) = (Vec::new(), Vec::new());
        fds.push(PollFd::new(self.mail.as_fd(), PollFlags::POLLIN));
        for (place, fd) in self.sockets.listening(now) {
            places.push(place);
            fds.push(PollFd::new(fd, PollFlags::POLLIN));
        }
        // Interrupted or not, it looks.
        if ppoll(&mut fds, wait, None).is_err() {
            return Vec::new();
        }
        let ready = fds.iter().skip(1).map(|fd| fd.any().unwrap_or(true));
        let places = places.into_iter().zip(ready);
        places
            .filter_map(|(place, ready)| ready.then_some(place))
            .collect()
    }

    /// Hands the courier what it has not got yet. When this is the last time, it may wait.
    fn deliver(&mut self, last: bool) -> bool {
        while !self.post.try_send(&mut self.parcels) {
            if !last {
                return false;
            }
            std::thread::sleep(BUSY);
        }
        true
    }

    fn log(&mut self, events: impl IntoIterator<Item = Event>) {
        let parcels = events.into_iter().map(|e| Parcel::Event(VrrpEvent::Log(e)));
        self.parcels.extend(parcels);
    }
}
