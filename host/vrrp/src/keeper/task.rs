//! The keeper's task: what it is asked, when it looks.

mod pass;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use evenkeel_core::model::Vrrp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::desired::{Desired, Standing, Wanted};
use super::events::Events;
use super::machine::{Machine, Origin};
use super::netlink::Netlink;
use super::plan::{self, Change};
use super::{KeeperError, KeeperReport, macvlan};

/// Wait before another attempt at what could not be done.
const AGAIN: Duration = Duration::from_secs(3);

/// A look that nothing asked for.
const LOOK: Duration = Duration::from_secs(30);

/// Attempts at the first look, and the wait between them.
const LOOKS: usize = 20;
const SOON: Duration = Duration::from_millis(100);

/// What is asked of the keeper.
#[derive(Debug)]
pub(super) enum Command {
    Configure(Arc<Vrrp>),
    Hold(String),
    Release(String),
    /// Tells when all before it is done.
    Stop(SyncSender<()>),
}

/// An instance.
#[derive(Debug)]
struct Seat {
    standing: Standing,
    /// Not yet answered.
    asked: bool,
    /// As told.
    problem: Option<String>,
}

pub(super) struct Task {
    commands: mpsc::UnboundedReceiver<Command>,
    reports: Box<dyn Fn(KeeperReport) + Send>,
    netlink: Netlink,
    events: Events,
    config: Arc<Vrrp>,
    seats: BTreeMap<String, Seat>,
    /// As it was at the last look.
    machine: Machine,
    /// Whether the machine may be otherwise.
    stale: bool,
    /// Whether there is a configuration: before it nothing is done.
    configured: bool,
    /// Whether routes and rules are looked at: once some are configured, or were found.
    routing: bool,
    here: BTreeSet<IpAddr>,
    /// Problems that are no instance's, as told.
    orphans: Vec<String>,
    /// When lifetimes were last set anew.
    refreshed: Instant,
    retry: Option<Instant>,
}

impl Task {
    /// # Errors
    /// [`KeeperError::Socket`].
    pub(super) fn open(
        commands: mpsc::UnboundedReceiver<Command>,
        reports: Box<dyn Fn(KeeperReport) + Send>,
    ) -> Result<Self, KeeperError> {
        Ok(Self {
            commands,
            reports,
            netlink: Netlink::open()?,
            events: Events::open(false)?,
            config: Arc::default(),
            seats: BTreeMap::new(),
            machine: Machine::default(),
            stale: true,
            configured: false,
            routing: false,
            here: BTreeSet::new(),
            orphans: Vec::new(),
            refreshed: Instant::now(),
            retry: None,
        })
    }

    /// Ends with [`Command::Stop`], or when nobody can ask for anything any more; then nothing is changed.
    pub(super) async fn run(mut self) {
        loop {
            let look = self.retry.unwrap_or_else(|| Instant::now() + LOOK);
            let refresh = self.next_refresh();
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    let Some(command) = command else { return };
                    if let Some(done) = self.take(command).await {
                        self.leave().await;
                        // Nobody waits any more.
                        let _ = done.send(());
                        return;
                    }
                }
                () = self.events.changed() => {
                    self.stale = true;
                    self.pass().await;
                }
                () = tokio::time::sleep_until(look) => {
                    self.stale = true;
                    self.pass().await;
                }
                () = sleep_until(refresh) => self.refresh().await,
            }
        }
    }

    /// Does what is asked, and whatever else is asked by then, in one go: a sync group moves as one.
    async fn take(&mut self, first: Command) -> Option<SyncSender<()>> {
        let mut next = Some(first);
        let mut stop = None;
        while let Some(command) = next {
            match command {
                Command::Configure(config) => self.configure(config).await,
                Command::Hold(instance) => self.ask(&instance, Standing::Held),
                Command::Release(instance) => {
                    // There is time to see what goes with it, since another router has the addresses already.
                    self.stale = true;
                    self.ask(&instance, Standing::Absent);
                }
                Command::Stop(done) => {
                    stop = Some(done);
                    break;
                }
            }
            next = self.commands.try_recv().ok();
        }
        self.pass().await;
        stop
    }

    fn ask(&mut self, instance: &str, standing: Standing) {
        if let Some(seat) = self.seats.get_mut(instance) {
            seat.standing = standing;
            seat.asked = true;
        }
    }

    async fn configure(&mut self, config: Arc<Vrrp>) {
        self.config = config;
        let seats = std::mem::take(&mut self.seats);
        let mut seats: BTreeMap<String, Seat> = seats;
        for instance in &self.config.instances {
            let seat = seats.remove(&instance.name).unwrap_or(Seat {
                standing: Standing::Absent,
                asked: false,
                problem: None,
            });
            self.seats.insert(instance.name.clone(), seat);
        }
        let has_routing =
            |it: &evenkeel_core::model::VrrpInstance| !it.routes.is_empty() || !it.rules.is_empty();
        self.stale = true;
        let first = !std::mem::replace(&mut self.configured, true);
        let routing = self.routing || self.config.instances.iter().any(has_routing);
        if first {
            // Another process may have left routes that are configured no longer.
            self.routing = true;
            self.look_at_last().await;
            self.find();
            self.routing = false;
        }
        let left = !self.machine.routes.is_empty() || !self.machine.rules.is_empty();
        if (routing || left) && !self.routing {
            self.routing = true;
            match Events::open(true) {
                Ok(events) => self.events = events,
                Err(error) => {
                    pass::warn(format!("changes of routes will be noticed late: {error}"))
                }
            }
            self.stale = true;
        }
    }

    /// Tells whose addresses are all here, put there by an Evenkeel.
    fn find(&mut self) {
        let desired = self.desired();
        for (name, seat) in &mut self.seats {
            let mut addresses = desired.addresses.iter();
            let mut its = addresses
                .by_ref()
                .filter(|wanted| wanted.instance == *name)
                .peekable();
            let machine = &self.machine;
            let is_here = |wanted: &Wanted<super::desired::Address>| {
                let index = machine.index(&wanted.what.device)?;
                let mut there = machine.at(index, wanted.what.addr);
                there.find(|present| {
                    present.origin == Origin::Ours && plan::fits(&wanted.what, present)
                })
            };
            if its.peek().is_some() && its.all(|wanted| is_here(wanted).is_some()) {
                seat.standing = Standing::Kept;
                (self.reports)(KeeperReport::Found {
                    instance: name.clone(),
                });
            }
        }
        (self.reports)(KeeperReport::Looked);
    }

    fn desired(&self) -> Desired {
        let standing = |instance: &str| {
            let seat = self.seats.get(instance);
            seat.map_or(Standing::Absent, |seat| seat.standing)
        };
        Desired::new(&self.config, standing)
    }

    /// Looks until that succeeds: what is decided now is not decided again. But not for ever.
    async fn look_at_last(&mut self) {
        for _ in 0..LOOKS {
            self.look().await;
            if !self.stale {
                return;
            }
            tokio::time::sleep(SOON).await;
        }
    }

    /// Asks the kernel what is there.
    async fn look(&mut self) {
        match Machine::look(&self.netlink, self.routing).await {
            Ok(machine) => {
                self.machine = machine;
                self.stale = false;
            }
            Err(error) => {
                self.stale = true;
                pass::warn(format!("cannot look after virtual addresses: {error}"));
                if let Ok(netlink) = Netlink::open() {
                    self.netlink = netlink;
                }
            }
        }
    }

    /// When lifetimes have to be set anew: after a third of the shortest.
    fn next_refresh(&self) -> Option<Instant> {
        let lifetimes = self.config.instances.iter().filter_map(|instance| {
            let seat = self.seats.get(&instance.name)?;
            (seat.standing != Standing::Absent).then_some(instance.address_lifetime?)
        });
        lifetimes
            .min()
            .map(|shortest| self.refreshed + shortest / 3)
    }

    async fn refresh(&mut self) {
        self.refreshed = Instant::now();
        let requests = self
            .desired()
            .addresses
            .into_iter()
            .filter(|wanted| wanted.standing != Standing::Absent && wanted.what.lifetime.is_some())
            .filter_map(|wanted| {
                let address = wanted.what;
                let index = self.machine.index(&address.device)?;
                let mut there = self.machine.at(index, address.addr);
                there.find(|present| {
                    present.origin == Origin::Ours && plan::fits(&address, present)
                })?;
                Some(Change::AddAddress { index, address }.request())
            })
            .collect();
        if self.netlink.send(requests).await.iter().any(Result::is_err) {
            self.stale = true;
            self.pass().await;
        }
    }

    /// The last thing that is done.
    async fn leave(&mut self) {
        let indices: BTreeSet<u32> = self
            .desired()
            .macvlans
            .iter()
            .filter(|macvlan| !macvlan.up)
            .filter_map(|macvlan| self.machine.index(&macvlan.name))
            .filter(|index| {
                self.machine
                    .links
                    .get(index)
                    .is_some_and(super::machine::Link::ours)
            })
            .collect();
        for (interface, error) in macvlan::remove(&self.netlink, &self.machine, &indices).await {
            tracing::warn!(
                interface,
                error = error.desc(),
                "cannot remove a macvlan interface"
            );
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
