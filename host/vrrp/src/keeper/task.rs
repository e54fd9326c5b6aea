//! The keeper's task: brings the machine in line with what is wanted, and tells what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use evenkeel_core::model::Vrrp;
use nix::errno::Errno;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::desired::{Desired, Standing, Wanted};
use super::events::Events;
use super::machine::{Machine, Origin, Present};
use super::netlink::Netlink;
use super::plan::{self, Change, Plan, Step, plan};
use super::{KeeperError, KeeperReport, macvlan};

/// Wait before another attempt at what could not be done.
const AGAIN: Duration = Duration::from_secs(3);

/// A look that nothing asked for.
const LOOK: Duration = Duration::from_secs(30);

/// The kernel may take more away than it was told to, and then it is put back; but not for ever.
const ROUNDS: usize = 3;

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

/// What a pass over the machine found out.
#[derive(Debug, Default)]
struct Outcome {
    /// Steps that failed; they are not tried again in the same pass.
    failed: Vec<(Step, Errno)>,
    /// By instance.
    problems: BTreeMap<String, Vec<String>>,
    /// For the log.
    notes: Vec<Note>,
}

#[derive(Debug)]
struct Note {
    warning: bool,
    instance: Option<String>,
    text: String,
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
                changed = self.events.changed() => {
                    if changed.is_err() {
                        // Without events, looks are all there is.
                        tokio::time::sleep(AGAIN).await;
                    }
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
        self.stale |= !self.configured;
        let first = !std::mem::replace(&mut self.configured, true);
        let routing = self.routing || self.config.instances.iter().any(has_routing);
        if first {
            // Another process may have left routes that are configured no longer.
            self.routing = true;
            self.look().await;
            self.find();
            self.routing = false;
        }
        let left = !self.machine.routes.is_empty() || !self.machine.rules.is_empty();
        if (routing || left) && !self.routing {
            self.routing = true;
            match Events::open(true) {
                Ok(events) => self.events = events,
                Err(error) => tracing::warn!(%error, "changes of routes will be noticed late"),
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

    /// Asks the kernel what is there.
    async fn look(&mut self) {
        match Machine::look(&self.netlink, self.routing).await {
            Ok(machine) => {
                self.machine = machine;
                self.stale = false;
            }
            Err(error) => {
                self.stale = true;
                tracing::warn!(%error, "cannot look after virtual addresses");
                match Netlink::open() {
                    Ok(netlink) => self.netlink = netlink,
                    Err(error) => tracing::warn!(%error, "cannot look after virtual addresses"),
                }
            }
        }
    }

    /// Brings the machine in line. What it is like is known from the last look as a rule, so that a change is on its way at
    /// once; then a look tells what came of it.
    async fn pass(&mut self) {
        if !self.configured {
            return;
        }
        if self.stale {
            self.look().await;
        }
        let desired = self.desired();
        let mut outcome = Outcome::default();
        let prepared = macvlan::prepare(&self.netlink, &self.machine, &desired.macvlans).await;
        if prepared.changed {
            self.look().await;
        }
        for _ in 0..ROUNDS {
            let plan = plan(&desired, &self.machine);
            outcome.problems.clear();
            for (instance, text) in prepared.problems.iter().chain(&plan.problems) {
                let texts = outcome.problems.entry(instance.clone()).or_default();
                texts.push(text.clone());
            }
            let steps = untried(plan, &outcome);
            if steps.is_empty() {
                self.tell_done(&outcome, &[]);
                break;
            }
            self.carry_out(steps, &mut outcome).await;
        }
        self.tell_rest(&desired, &mut outcome);
        log(outcome.notes);
    }

    async fn carry_out(&mut self, steps: Vec<Step>, outcome: &mut Outcome) {
        let requests = steps.iter().map(|step| step.change.request()).collect();
        let results = self.netlink.send(requests).await;
        for (step, result) in steps.iter().zip(results) {
            match result {
                Err(error) if !step.change.is_done_anyway(error) => {
                    outcome.failed.push((step.clone(), error));
                }
                _ => outcome.notes.extend(self.note(step)),
            }
        }
        self.tell_done(outcome, &steps);

        let before = std::mem::take(&mut self.machine);
        self.look().await;
        if self.stale {
            self.machine = before;
            return;
        }
        let removed: Vec<Present> = steps
            .into_iter()
            .filter_map(|step| match step.change {
                Change::RemoveAddress(present) => Some(*present),
                _ => None,
            })
            .collect();
        let lost = plan::collateral(&before, &removed, &self.machine);
        if !lost.is_empty() {
            let requests = lost.iter().map(|step| step.change.request()).collect();
            for (step, result) in lost.iter().zip(self.netlink.send(requests).await) {
                match result {
                    Err(error) if !step.change.is_done_anyway(error) => {
                        outcome.failed.push((step.clone(), error));
                    }
                    _ => outcome.notes.extend(self.note(step)),
                }
            }
            self.look().await;
        }
    }

    /// Answers, as soon as possible, what is done without a hitch; and tells of addresses that were put back.
    fn tell_done(&mut self, outcome: &Outcome, steps: &[Step]) {
        for (name, seat) in &mut self.seats {
            let failed = |(step, _): &(Step, Errno)| step.instance.as_deref() == Some(name);
            if outcome.failed.iter().any(failed) || outcome.problems.contains_key(name) {
                continue;
            }
            let new = |step: &Step| {
                let added = matches!(step.change, Change::AddAddress { .. });
                added && step.instance.as_deref() == Some(name)
            };
            let instance = name.clone();
            match seat.standing {
                Standing::Held if seat.asked || steps.iter().any(new) => {
                    (self.reports)(KeeperReport::Held { instance });
                }
                Standing::Absent if seat.asked => {
                    (self.reports)(KeeperReport::Released { instance });
                }
                _ => continue,
            }
            seat.asked = false;
        }
    }

    /// Answers what is done in part, and tells of problems and of what is here.
    fn tell_rest(&mut self, desired: &Desired, outcome: &mut Outcome) {
        for (step, error) in &outcome.failed {
            let text = format!("cannot {step}: {}", step.change.explain(*error));
            match &step.instance {
                Some(instance) => {
                    let texts = outcome.problems.entry(instance.clone()).or_default();
                    texts.push(text);
                }
                None => outcome.notes.push(Note {
                    warning: true,
                    instance: None,
                    text,
                }),
            }
        }
        let broken = outcome
            .failed
            .iter()
            .any(|(_, error)| *error == Errno::ENOTCONN);
        if broken && let Ok(netlink) = Netlink::open() {
            self.netlink = netlink;
            self.stale = true;
        }
        for (name, seat) in &mut self.seats {
            let problem = outcome.problems.get(name).map(|texts| texts.join("; "));
            let its = |wanted: &&Wanted<super::desired::Address>| wanted.instance == *name;
            let here =
                |wanted: &Wanted<super::desired::Address>| is_here(&self.machine, &wanted.what);
            let some = desired.addresses.iter().filter(its).any(here);
            if seat.asked
                && seat.standing == Standing::Held
                && (some || !desired.addresses.iter().any(|wanted| its(&wanted)))
            {
                seat.asked = false;
                (self.reports)(KeeperReport::Held {
                    instance: name.clone(),
                });
            }
            if problem != seat.problem {
                seat.problem.clone_from(&problem);
                (self.reports)(KeeperReport::Problem {
                    instance: name.clone(),
                    text: problem,
                });
            }
        }
        let pending = self.stale || !outcome.failed.is_empty() || !outcome.problems.is_empty();
        self.retry = pending.then(|| Instant::now() + AGAIN);
        let here: BTreeSet<IpAddr> = desired
            .addresses
            .iter()
            .filter(|wanted| is_here(&self.machine, &wanted.what))
            .map(|wanted| wanted.what.addr)
            .collect();
        if here != self.here {
            self.here.clone_from(&here);
            (self.reports)(KeeperReport::Here(here));
        }
    }

    /// What is worth a line in the log.
    fn note(&self, step: &Step) -> Option<Note> {
        let asked = |name: &String| self.seats.get(name).is_some_and(|seat| seat.asked);
        let (warning, text) = match &step.change {
            Change::RemoveAddress(present) if present.origin == Origin::Foreign => (
                true,
                format!(
                    "took {} away: a virtual address that this director does not hold, or not as configured",
                    step.about
                ),
            ),
            Change::RestoreAddress(_) => (
                true,
                format!(
                    "put back {}, which the kernel removed together with a virtual address (see promote_secondaries)",
                    step.about
                ),
            ),
            Change::AddAddress { .. } if !step.instance.as_ref().is_some_and(asked) => {
                (false, format!("added {}", step.about))
            }
            Change::RemoveAddress(_) if step.instance.is_none() => (
                false,
                format!("took {} away: no instance has it any more", step.about),
            ),
            _ => return None,
        };
        Some(Note {
            warning,
            instance: step.instance.clone(),
            text,
        })
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
        let absent = |name: &str| self.machine.index(name);
        let indices: BTreeSet<u32> = self
            .desired()
            .macvlans
            .iter()
            .filter(|macvlan| !macvlan.up)
            .filter_map(|macvlan| absent(&macvlan.name))
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

fn untried(plan: Plan, outcome: &Outcome) -> Vec<Step> {
    let failed = |step: &Step| outcome.failed.iter().any(|(failed, _)| failed == step);
    let mut steps = plan.steps;
    steps.retain(|step| !failed(step));
    steps
}

fn is_here(machine: &Machine, address: &super::desired::Address) -> bool {
    let index = machine.index(&address.device);
    index.is_some_and(|index| machine.at(index, address.addr).next().is_some())
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// On another thread: a log that stalls must not keep an address waiting.
fn log(notes: Vec<Note>) {
    if notes.is_empty() {
        return;
    }
    tokio::task::spawn_blocking(move || {
        for Note {
            warning,
            instance,
            text,
        } in notes
        {
            if warning {
                tracing::warn!(instance, "{text}");
            } else {
                tracing::info!(instance, "{text}");
            }
        }
    });
}
