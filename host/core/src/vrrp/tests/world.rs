//! Several routers on one simulated clock, on networks that lose, delay and reorder, and are cut and mended.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Command;
use super::*;

/// How long the address manager takes.
const ADDRESS_MANAGER: Duration = Duration::from_micros(400);
/// From a start to being ready.
const READY: Duration = Duration::from_millis(5);

/// What happens to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The daemon dies, and what it held stays.
    Crash(usize),
    /// It is started again.
    Start(usize),
    /// It hangs.
    Pause(usize),
    /// It goes on, with what has come meanwhile.
    Resume(usize),
    /// It goes on, and the packets that have come meanwhile are lost.
    ResumeDeaf(usize),
    /// A machine's interface loses its carrier, and notices.
    Cut(usize, usize),
    /// It is back.
    Mend(usize, usize),
    /// Two machines do not hear each other on any network, and do not notice.
    Part(usize, usize),
    /// They hear each other again.
    Join(usize, usize),
    /// So many of a hundred packets are lost.
    Lose(u64),
    Resign(usize),
    Take(usize),
    Stop(usize),
}

pub(super) struct Machine {
    pub(super) config: Vrrp,
    router: Option<Router>,
    paused: bool,
    /// What came while it was paused.
    inbox: Vec<Happening>,
    /// What the kernel has, by instance.
    pub(super) held: BTreeSet<String>,
    up: [bool; 2],
}

#[derive(Debug, Clone)]
enum Happening {
    Packet {
        interface: usize,
        from: IpAddr,
        bytes: Vec<u8>,
    },
    /// The address manager has done it.
    Kept {
        instance: String,
        hold: bool,
    },
    Ready,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) machines: Vec<Machine>,
    parted: BTreeSet<(usize, usize)>,
    queue: BTreeMap<(Instant, u64), (usize, Happening)>,
    count: u64,
    random: u64,
    loss: u64,
    pub(super) delay: Duration,
    /// From when to when exactly these machines held everything, in order.
    pub(super) history: Vec<(Instant, BTreeMap<String, Vec<usize>>)>,
}

const NAMES: [&str; 2] = ["eth0", "eth1"];

impl World {
    /// All machines run.
    pub(super) fn new(configs: Vec<Vrrp>, delay: Duration, seed: u64) -> Self {
        let begin = start();
        let count = configs.len();
        let machine = |config| Machine {
            config,
            router: None,
            paused: false,
            inbox: Vec::new(),
            held: BTreeSet::new(),
            up: [true; 2],
        };
        let mut world = Self {
            now: begin,
            machines: configs.into_iter().map(machine).collect(),
            parted: BTreeSet::new(),
            queue: BTreeMap::new(),
            count: 0,
            random: seed,
            loss: 0,
            delay,
            history: Vec::new(),
        };
        world.note();
        for at in 0..count {
            world.act(Act::Start(at));
        }
        world
    }

    /// splitmix64
    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    pub(super) fn source(at: usize, interface: usize) -> IpAddr {
        let host = u8::try_from(155 + at).unwrap();
        IpAddr::from([10, 10, 54 + u8::try_from(interface).unwrap(), host])
    }

    pub(super) fn runs(&self, at: usize) -> bool {
        self.machines[at].router.is_some() && !self.machines[at].paused
    }

    pub(super) fn state(&self, at: usize, instance: usize) -> Option<State> {
        let router = self.machines[at].router.as_ref()?;
        Some(router.report(self.now)[instance].state)
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Crash(at) => {
                self.machines[at].router = None;
                self.machines[at].paused = false;
                self.machines[at].inbox.clear();
                // What the address manager was asked for is done or not.
                self.queue.retain(|_, (to, _)| *to != at);
            }
            Act::Start(at) => self.start(at),
            Act::Pause(at) => self.machines[at].paused = true,
            Act::Resume(at) => {
                self.machines[at].paused = false;
                for happening in std::mem::take(&mut self.machines[at].inbox) {
                    self.happen(at, happening);
                }
            }
            Act::ResumeDeaf(at) => {
                let inbox = &mut self.machines[at].inbox;
                inbox.retain(|it| !matches!(it, Happening::Packet { .. }));
                self.act(Act::Resume(at));
            }
            Act::Cut(at, interface) => self.set_link(at, interface, false),
            Act::Mend(at, interface) => self.set_link(at, interface, true),
            Act::Part(a, b) => {
                self.parted.insert((a.min(b), a.max(b)));
            }
            Act::Join(a, b) => {
                self.parted.remove(&(a.min(b), a.max(b)));
            }
            Act::Lose(percent) => self.loss = percent,
            Act::Resign(at) => self.command(at, Command::Resign),
            Act::Take(at) => self.command(at, Command::Resume),
            Act::Stop(at) => self.give(at, Input::Stop),
        }
        self.note();
    }

    /// SIGHUP.
    pub(super) fn reload(&mut self, at: usize, config: Vrrp) {
        self.machines[at].config = config;
        let (now, machine) = (self.now, &mut self.machines[at]);
        if let Some(router) = &mut machine.router {
            router.configure(&machine.config, now);
            self.carry_out(at);
            self.open_sockets(at);
        }
    }

    /// Its main loop moves.
    pub(super) fn alive(&mut self, at: usize) {
        self.give(at, Input::Alive);
    }

    fn command(&mut self, at: usize, command: Command) {
        let instance = None;
        self.give(at, Input::Command { instance, command });
    }

    fn start(&mut self, at: usize) {
        if self.machines[at].router.is_some() {
            return;
        }
        let router = Router::new(&self.machines[at].config, self.now);
        self.machines[at].router = Some(router);
        for interface in [0, 1] {
            self.tell_link(at, interface);
        }
        let found: Vec<String> = self.machines[at].held.iter().cloned().collect();
        for instance in &found {
            self.give(at, Input::Found { instance });
        }
        self.schedule(at, READY, Happening::Ready);
    }

    fn set_link(&mut self, at: usize, interface: usize, up: bool) {
        if self.machines[at].up[interface] != up {
            self.machines[at].up[interface] = up;
            self.tell_link(at, interface);
        }
    }

    fn tell_link(&mut self, at: usize, interface: usize) {
        let up = self.machines[at].up[interface];
        let ipv4 = Some(Self::source(at, interface));
        let name = NAMES[interface];
        self.give(
            at,
            Input::Interface {
                name,
                up,
                ipv4,
                ipv6: None,
            },
        );
        self.open_sockets(at);
    }

    /// Every instance's socket hears.
    fn open_sockets(&mut self, at: usize) {
        for spec in self.machines[at].config.instances.clone() {
            let (instance, hearing) = (&*spec.name, Hearing::Works);
            self.give(at, Input::Hearing { instance, hearing });
        }
    }

    fn give(&mut self, at: usize, input: Input<'_>) {
        let now = self.now;
        if let Some(router) = &mut self.machines[at].router {
            router.handle(input, now);
            self.carry_out(at);
        }
    }

    fn schedule(&mut self, to: usize, after: Duration, happening: Happening) {
        self.count += 1;
        self.queue
            .insert((self.now + after, self.count), (to, happening));
    }

    fn carry_out(&mut self, at: usize) {
        let Some(router) = &mut self.machines[at].router else {
            return;
        };
        for output in router.outputs() {
            match output {
                Output::Send {
                    instance,
                    source,
                    messages,
                } => {
                    let mut specs = self.machines[at].config.instances.iter();
                    let spec = specs.find(|it| it.name == instance).unwrap();
                    let interface = NAMES.iter().position(|it| *it == spec.interface).unwrap();
                    self.broadcast(at, interface, source, &messages[0].1);
                }
                Output::Hold { instance } => {
                    self.schedule(
                        at,
                        ADDRESS_MANAGER,
                        Happening::Kept {
                            instance,
                            hold: true,
                        },
                    );
                }
                Output::Release { instance } => {
                    self.schedule(
                        at,
                        ADDRESS_MANAGER,
                        Happening::Kept {
                            instance,
                            hold: false,
                        },
                    );
                }
                Output::Announce { instance, .. } => {
                    assert!(
                        self.machines[at].held.contains(&instance),
                        "announced, and not there"
                    );
                }
                Output::Notify { .. } | Output::Event(_) => {}
            }
        }
    }

    fn broadcast(&mut self, at: usize, interface: usize, from: IpAddr, bytes: &[u8]) {
        for to in 0..self.machines.len() {
            let parted = self.parted.contains(&(at.min(to), at.max(to)));
            let up = self.machines[at].up[interface] && self.machines[to].up[interface];
            if to == at || parted || !up || self.random(100) < self.loss {
                continue;
            }
            let most = u64::try_from(self.delay.as_nanos()).unwrap();
            let delay = Duration::from_nanos(self.random(most + 1));
            let bytes = bytes.to_vec();
            self.schedule(
                to,
                delay,
                Happening::Packet {
                    interface,
                    from,
                    bytes,
                },
            );
        }
    }

    fn happen(&mut self, at: usize, happening: Happening) {
        if self.machines[at].paused {
            self.machines[at].inbox.push(happening);
            return;
        }
        match happening {
            Happening::Packet {
                interface,
                from,
                bytes,
            } => {
                if self.machines[at].up[interface] {
                    self.give(
                        at,
                        Input::Received {
                            interface: NAMES[interface],
                            source: from,
                            destination: GROUP,
                            ttl: 255,
                            payload: &bytes,
                        },
                    );
                }
            }
            Happening::Ready => self.give(at, Input::Ready),
            Happening::Kept {
                instance,
                hold: true,
            } => {
                self.machines[at].held.insert(instance.clone());
                self.give(
                    at,
                    Input::Held {
                        instance: &instance,
                    },
                );
            }
            Happening::Kept {
                instance,
                hold: false,
            } => {
                self.machines[at].held.remove(&instance);
            }
        }
        self.note();
    }

    /// Writes down who holds what, where that has changed.
    fn note(&mut self) {
        let mut holders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for instance in &self.machines[0].config.instances {
            let who = (0..self.machines.len())
                .filter(|at| self.machines[*at].held.contains(&instance.name));
            holders.insert(instance.name.clone(), who.collect());
        }
        if self.history.last().map(|(_, last)| last) != Some(&holders) {
            self.history.push((self.now, holders));
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let mut next = end;
            let mut who = None;
            for at in 0..self.machines.len() {
                if !self.runs(at) {
                    continue;
                }
                let due = self.machines[at].router.as_ref().and_then(Router::poll_at);
                if let Some(due) = due
                    && due < next
                {
                    next = due;
                    who = Some(at);
                }
            }
            if let Some(entry) = self.queue.first_entry()
                && entry.key().0 <= next
            {
                let ((at, _), (to, happening)) = entry.remove_entry();
                self.now = self.now.max(at);
                self.happen(to, happening);
                continue;
            }
            self.now = self.now.max(next);
            let Some(at) = who else { return };
            let now = self.now;
            if let Some(router) = &mut self.machines[at].router {
                router.poll(now);
                self.carry_out(at);
                self.note();
            }
        }
    }

    /// The longest time, from `since` on, in which an instance was held by so many as `wrong` says.
    pub(super) fn longest(&self, since: Instant, wrong: impl Fn(usize) -> bool) -> Duration {
        let mut longest = Duration::ZERO;
        for instance in &self.machines[0].config.instances {
            let mut began = None;
            for (at, holders) in &self.history {
                match (wrong(holders[&instance.name].len()), began) {
                    (true, None) => began = Some(*at),
                    (false, Some(from)) => {
                        longest = longest.max(at.saturating_duration_since(since.max(from)));
                        began = None;
                    }
                    _ => {}
                }
            }
            if let Some(from) = began {
                longest = longest.max(self.now.saturating_duration_since(since.max(from)));
            }
        }
        longest
    }

    /// Who holds an instance now.
    pub(super) fn holders(&self, instance: &str) -> Vec<usize> {
        (0..self.machines.len())
            .filter(|at| self.machines[*at].held.contains(instance))
            .collect()
    }
}

/// What the address manager needs, and a packet, and some more.
pub(super) fn moment(delay: Duration) -> Duration {
    delay + 2 * ADDRESS_MANAGER
}
