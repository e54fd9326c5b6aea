//! The director with a kernel in memory and a clock that is set by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::*;
use crate::connections::Counts;
use crate::flow::Flow;
use crate::health::ServerHealth;
use crate::manifest::{Abilities, Decision, Facts, Manifest, Setting};
use crate::model::{
    Check, CheckTiming, DataPlaneKind, Forward, IpvsTimeouts, OnDown, OnDrain, PluginRef,
    PluginUse, Protocol, Server, Service, ServiceKey,
};
use crate::plan::{Plan, Run};
use crate::plugin::{Failure, PluginError};
use crate::scheduler::{
    DirectorRole, Load, SavedState, Scheduler, SchedulerBackend, SchedulerPlugin, ServiceContext,
};
use crate::state::{BackendId, Queue, Selector, Spread, State};
use crate::sync::{ApplyOutcome, InKernel, KernelStep};

mod canary;
mod leaving;
mod load;
mod numbers;
mod pools;
mod presence;
mod quorums;
mod refused;
mod shadow;
mod swap;
mod told;
mod waits;
mod wakeups;

const RESYNC: Duration = Duration::from_secs(30);

/// A plugin that gives each server with weight a slot, or fails while told to.
struct Turns {
    manifest: Manifest,
    broken: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
}

/// What schedulers were told last.
#[derive(Default)]
struct Told {
    backends: Vec<SchedulerBackend>,
    roles: Vec<DirectorRole>,
}

struct TurnsInstance {
    broken: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    backends: Vec<SchedulerBackend>,
}

fn trap() -> PluginError {
    PluginError {
        plugin: "turns".into(),
        version: "1.2.3".into(),
        failure: Failure::Trap("on purpose".into()),
    }
}

impl SchedulerPlugin for Turns {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    fn scheduler(
        &self,
        _: &ServiceContext,
        _: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError> {
        Ok(Box::new(TurnsInstance {
            broken: Arc::clone(&self.broken),
            told: Arc::clone(&self.told),
            backends: Vec::new(),
        }))
    }
}

impl Scheduler for TurnsInstance {
    fn set_role(&mut self, role: DirectorRole) -> Result<(), PluginError> {
        self.told.lock().roles.push(role);
        Ok(())
    }
    fn set_backends(&mut self, backends: &[SchedulerBackend]) -> Result<(), PluginError> {
        self.told.lock().backends = backends.to_vec();
        self.backends = backends.to_vec();
        Ok(())
    }
    fn set_loads(&mut self, loads: &[Load]) -> Result<(), PluginError> {
        for load in loads {
            let known = self.backends.iter_mut().find(|it| it.id == load.id);
            known.unwrap().facts = load.facts.clone();
        }
        Ok(())
    }
    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(trap());
        }
        let slots = self
            .backends
            .iter()
            .filter(|backend| backend.weight > 0)
            .map(|backend| Run {
                id: backend.id,
                width: 1,
            })
            .collect();
        Ok(Plan::Table {
            slots,
            selector: Selector::Sequence,
            refresh_ms: None,
        })
    }
    fn pick(&mut self, _: &Flow) -> Result<Option<BackendId>, PluginError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(trap());
        }
        let taking = self.backends.iter().filter(|it| it.weight > 0);
        Ok(taking
            .min_by_key(|it| it.facts.counts.active)
            .map(|it| it.id))
    }
}

/// A director, a kernel in memory, and a clock.
struct World {
    director: Director,
    kernel: State,
    killed: Vec<BackendId>,
    /// What is to be kept for the next start, of which plugin.
    kept: Vec<(String, SavedState)>,
    plugin: Arc<Turns>,
    broken: Arc<AtomicBool>,
    now: Instant,
    /// Jobs are kept here instead of being run, while it is `Some`.
    held: Option<Vec<(ServiceKey, SchedulerJob)>>,
    quorums: Vec<(String, bool)>,
    /// What was run.
    ran: Vec<String>,
    /// What the first scheduler is to take over.
    saved: Option<SavedState>,
    in_kernel: BTreeMap<ServiceKey, InKernel>,
    served: BTreeMap<ServiceKey, VerdictRequest>,
    /// Queues that another program has.
    in_use: Vec<Queue>,
    /// Nobody says whether a queue is served.
    silent: bool,
    /// How long calls of schedulers take.
    took: Duration,
}

impl World {
    fn new(adopted: State) -> Self {
        Self::on(DataPlaneKind::Nftables, adopted)
    }

    fn on(kind: DataPlaneKind, adopted: State) -> Self {
        let now = epoch();
        let broken = Arc::new(AtomicBool::new(false));
        let manifest = Manifest {
            abilities: Some(Abilities {
                decisions: vec![Decision::Plan, Decision::PerConnection],
                facts: Facts {
                    connections: true,
                    latency: false,
                    signals: false,
                    traffic: false,
                },
                deterministic: false,
                stateless: false,
                labels: Vec::new(),
                delegates: Vec::new(),
            }),
            name: "turns".into(),
            version: "1.2.3".into(),
            summary: String::new(),
            settings: Vec::new(),
        };
        Self {
            director: Director::new(kind, adopted.clone(), RESYNC, now),
            kernel: adopted,
            killed: Vec::new(),
            kept: Vec::new(),
            plugin: Arc::new(Turns {
                manifest,
                broken: Arc::clone(&broken),
                told: Arc::default(),
            }),
            broken,
            now,
            held: None,
            quorums: Vec::new(),
            ran: Vec::new(),
            saved: None,
            in_kernel: BTreeMap::new(),
            served: BTreeMap::new(),
            in_use: Vec::new(),
            silent: false,
            took: Duration::ZERO,
        }
    }

    fn configure(&mut self, services: Vec<Service>, adopted: Option<&State>) {
        let config = self.config(services);
        self.director.configure(config, adopted, self.now);
        self.settle();
    }

    fn config(&self, services: Vec<Service>) -> DirectorConfig {
        let in_force = self.director.in_force();
        let schedulers = services
            .iter()
            .filter(|service| !in_force.contains_key(&service.key))
            .map(|service| {
                let plugin: Arc<dyn SchedulerPlugin> = Arc::clone(&self.plugin) as _;
                let scheduler = plugin
                    .scheduler(&ServiceContext::trial(&service.name), &[])
                    .unwrap();
                let new = NewScheduler {
                    plugin,
                    settings: Vec::new(),
                    scheduler,
                    saved: None,
                };
                (service.key, new)
            })
            .collect();
        DirectorConfig {
            services,
            schedulers,
            seconds: BTreeMap::new(),
            resync: RESYNC,
            ipvs_timeouts: IpvsTimeouts::default(),
        }
    }

    /// Does what the director says until it has nothing more to say.
    fn settle(&mut self) {
        loop {
            let effects = self.director.effects(self.now);
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                if let Some(input) = self.carry_out(effect) {
                    self.director.handle(input, self.now);
                }
            }
        }
    }

    /// What comes of an effect, if anything does at once.
    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::RunScheduler { service, job } => {
                if let Some(held) = &mut self.held {
                    held.push((service, job));
                    return None;
                }
                return Some(Input::SchedulerDone {
                    service,
                    generation: job.generation(),
                    result: job.run(),
                    took: self.took,
                });
            }
            Effect::Kernel(KernelStep::Read) => {
                return Some(Input::Read(Some(self.kernel.clone())));
            }
            Effect::Kernel(KernelStep::Apply(changes)) => {
                crate::diff::apply(&mut self.kernel, &changes);
                return Some(Input::Applied {
                    changes,
                    outcome: ApplyOutcome::Done,
                    took: Duration::ZERO,
                });
            }
            Effect::ServeQueue(request) => {
                let (service, generation) = (request.service, request.generation);
                let in_use = self.in_use.contains(&request.queue);
                self.served.insert(service, request);
                let outcome = if in_use {
                    Err(QueueError::InUse)
                } else {
                    Ok(())
                };
                return (!self.silent).then_some(Input::QueueServed {
                    service,
                    generation,
                    outcome,
                });
            }
            Effect::Quorum { service, reached } => self.quorums.push((service, reached)),
            Effect::Run { of, command } => self.ran.push(format!("{of}: {}", command.join(" "))),
            Effect::StopQueue { service, .. } => {
                self.served.remove(&service);
            }
            Effect::InKernel(services) => self.in_kernel = services,
            Effect::KillFlows(id) => self.killed.push(id),
            Effect::KeepState { plugin, state, .. } => self.kept.push((plugin, state)),
        }
        None
    }

    fn health_of(&self, up: bool) -> ServerHealth {
        ServerHealth {
            up,
            share: 100,
            reason: None,
            since: self.now,
            checks: Vec::new(),
        }
    }

    fn health(&mut self, server: u8, up: bool) {
        let health = self.health_of(up);
        self.director.handle(
            Input::Health {
                service: key(80),
                server: address(server),
                health,
            },
            self.now,
        );
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.settle();
    }

    /// The last bytes of the servers in the slots of port 80.
    fn slots(&self) -> Vec<u8> {
        let Some(state) = self.kernel.services.get(&key(80)) else {
            return Vec::new();
        };
        match &state.spread {
            Spread::Refuse | Spread::Groups(_) => Vec::new(),
            Spread::Slots { slots, .. } => slots
                .iter()
                .map(|id| match state.backends[id].address {
                    SocketAddr::V4(v4) => v4.ip().octets()[3],
                    SocketAddr::V6(_) => 0,
                })
                .collect(),
        }
    }

    fn id(&self, server: u8) -> BackendId {
        let state = &self.kernel.services[&key(80)];
        *state
            .backends
            .iter()
            .find(|(_, at)| at.address == address(server))
            .unwrap()
            .0
    }

    fn problem(&self) -> Option<String> {
        self.director.report()[0].scheduler_problem.clone()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some instant to count from"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn key(port: u16) -> ServiceKey {
    ServiceKey {
        addr: [10, 0, 0, 1].into(),
        port,
        protocol: Protocol::Udp,
    }
}

fn address(server: u8) -> SocketAddr {
    ([10, 1, 0, server], 80).into()
}

fn service(port: u16, servers: &[u8]) -> Service {
    let scheduler = PluginUse {
        plugin: PluginRef::Name("turns".into()),
        settings: Vec::new(),
    };
    let check = Check {
        shared: None,
        plugin: scheduler.clone(),
        target: address(1),
        timing: CheckTiming {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            retries: 0,
            retry_delay: Duration::from_secs(1),
            rise: 1,
            alpha: false,
            fast_interval: None,
            down_interval: None,
            warmup: None,
        },
    };
    Service {
        decision: Decision::Plan,
        persistence: None,
        name: format!("s{port}"),
        key: key(port),
        scheduler,
        snat: false,
        on_down: OnDown::Kill,
        on_drain: OnDrain::Keep,
        assign: None,
        quorum: 1,
        hysteresis: 0,
        second: None,
        max_moves: None,
        pool: Default::default(),
        notify: Default::default(),
        ha_suspend: false,
        servers: servers
            .iter()
            .map(|n| Server {
                lower_threshold: None,
                upper_threshold: None,
                required: Default::default(),
                notify: None,
                role: Default::default(),
                name: n.to_string(),
                address: address(*n),
                forward: Forward::Nat,
                inhibit_on_failure: false,
                weight: 1,
                labels: BTreeMap::new(),
                checks: vec![check.clone()],
            })
            .collect(),
    }
}

#[test]
fn connections_are_spread_by_the_plan_and_a_failed_server_is_taken_out_and_put_back() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2, 3])], None);
    assert_eq!(world.slots(), [1, 2, 3]);
    world.health(2, false);
    assert_eq!(world.slots(), [1, 3]);
    world.health(2, true);
    assert_eq!(world.slots(), [1, 2, 3]);
}

#[test]
fn nothing_in_the_kernel_changes_before_every_service_has_its_first_plan() {
    let mut left = State::default();
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1])], None);
    left.services.clone_from(&world.kernel.services);

    let mut world = World::new(left.clone());
    world.held = Some(Vec::new());
    world.configure(vec![service(80, &[1, 2]), service(81, &[1])], Some(&left));
    assert_eq!(world.kernel, left);
    for (service, job) in world.held.take().unwrap() {
        let generation = job.generation();
        let result = job.run();
        world.director.handle(
            Input::SchedulerDone {
                service,
                generation,
                result,
                took: Duration::ZERO,
            },
            world.now,
        );
    }
    world.settle();
    assert_eq!(world.slots(), [1, 2]);
    assert_eq!(world.kernel.services.len(), 2);
}

#[test]
fn a_restart_of_the_daemon_changes_nothing_in_the_kernel() {
    let mut first = World::new(State::default());
    first.configure(vec![service(80, &[1, 2, 3])], None);
    let left = first.kernel.clone();
    let mut second = World::new(left.clone());
    second.configure(vec![service(80, &[1, 2, 3])], Some(&left));
    assert_eq!(second.kernel, left);
    assert!(second.director.settled());
}

#[test]
fn a_failed_scheduler_leaves_its_last_plan_minus_failed_servers_and_is_restarted_with_growing_waits()
 {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2, 3])], None);
    world.broken.store(true, Ordering::Relaxed);
    world.health(1, false);
    assert_eq!(world.slots(), [2, 3]);
    assert_eq!(
        world.problem().unwrap(),
        "plugin turns 1.2.3: trapped: on purpose"
    );
    world.health(2, false);
    assert_eq!(world.slots(), [3]);
    world.health(1, true);
    assert_eq!(
        world.slots(),
        [1, 3],
        "back in its slot of the last good plan"
    );
    world.pass(Duration::from_millis(999));
    assert!(world.problem().is_some());
    world.broken.store(false, Ordering::Relaxed);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.problem(), None);
    assert_eq!(world.slots(), [1, 3]);
}

#[test]
fn a_scheduler_that_fails_after_a_restart_leaves_the_plan_that_the_kernel_held() {
    let mut first = World::new(State::default());
    first.configure(vec![service(80, &[3, 1, 2])], None);
    let left = first.kernel.clone();
    let mut second = World::new(left.clone());
    second.broken.store(true, Ordering::Relaxed);
    second.configure(vec![service(80, &[3, 1, 2])], Some(&left));
    assert_eq!(second.kernel, left);
    assert!(second.problem().is_some());
}

#[test]
fn a_dead_server_leaves_the_slots_while_the_scheduler_is_still_thinking() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2, 3])], None);
    world.held = Some(Vec::new());
    world.health(3, false);
    assert_eq!(world.slots(), [1, 2]);
}

#[test]
fn an_answer_to_a_scheduler_that_was_replaced_is_ignored() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1])], None);
    let result = Err(trap());
    world.director.handle(
        Input::SchedulerDone {
            service: key(80),
            generation: 999,
            result,
            took: Duration::ZERO,
        },
        world.now,
    );
    assert_eq!(world.problem(), None);
}

#[test]
fn flows_of_a_failed_server_are_flushed_after_the_kernel_has_stopped_sending_to_it() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    let id = world.id(1);
    world.health(1, false);
    assert_eq!(world.killed, [id]);
    world.health(1, true);
    world.health(2, true);
    assert_eq!(world.killed, [id]);
}

#[test]
fn a_reload_adds_changes_and_removes_services_and_servers_and_keeps_numbers() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2]), service(81, &[1])], None);
    let kept = world.id(2);
    world.health(2, false);
    world.configure(vec![service(80, &[2, 3])], None);
    assert_eq!(world.slots(), [3], "server 2 is down still");
    assert_eq!(world.kernel.services.len(), 1);
    world.health(2, true);
    assert_eq!(world.slots(), [2, 3]);
    assert_eq!(world.id(2), kept);
}

#[test]
fn rules_that_someone_else_changed_are_put_right() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    let right = world.kernel.clone();
    world.kernel.services.get_mut(&key(80)).unwrap().spread = Spread::Refuse;
    world.director.handle(Input::Touched, world.now);
    world.settle();
    assert_eq!(world.kernel, right);
    world.kernel = State::default();
    world.pass(RESYNC);
    assert_eq!(world.kernel, right, "found without being told, too");
}

#[test]
fn a_service_whose_servers_are_all_down_or_draining_refuses() {
    let mut world = World::new(State::default());
    let mut draining = service(80, &[1, 2]);
    draining.servers[0].weight = 0;
    world.configure(vec![draining], None);
    assert_eq!(world.slots(), [2]);
    world.health(2, false);
    assert_eq!(world.kernel.services[&key(80)].spread, Spread::Refuse);
    assert_eq!(
        world.kernel.services[&key(80)].backends.len(),
        1,
        "the draining server stays"
    );
}

#[test]
fn on_ipvs_clients_meet_servers_only_where_conntrack_is_needed_anyway() {
    let networks: BTreeSet<_> = ["10.1.0.0/24".parse().unwrap()].into();
    let held = |kind, snat| {
        let mut world = World::on(kind, State::default());
        let now = world.now;
        world.director.handle(Input::Hairpin(networks.clone()), now);
        let service = Service {
            snat,
            ..service(80, &[1, 2])
        };
        world.configure(vec![service], None);
        world.kernel.hairpin
    };
    assert_eq!(held(DataPlaneKind::Nftables, false), networks);
    assert_eq!(held(DataPlaneKind::Ipvs, false), BTreeSet::new());
    assert_eq!(held(DataPlaneKind::Ipvs, true), networks);
}

#[test]
fn the_offload_that_the_kernel_has_stays_until_the_interfaces_are_known() {
    let interfaces: BTreeSet<String> = ["eth0".to_owned()].into();
    let adopted = State {
        offload: interfaces.clone(),
        ..State::default()
    };
    let mut world = World::new(adopted.clone());
    world.configure(vec![service(80, &[1, 2])], Some(&adopted));
    assert_eq!(world.kernel.offload, interfaces);
    let now = world.now;
    world.director.handle(Input::Offload(BTreeSet::new()), now);
    world.settle();
    assert_eq!(world.kernel.offload, BTreeSet::new());
}

#[test]
fn a_failed_server_that_is_inhibited_stays_without_a_share() {
    let mut world = World::new(State::default());
    let mut inhibited = service(80, &[1, 2]);
    inhibited.servers[0].inhibit_on_failure = true;
    world.configure(vec![inhibited], None);
    let id = world.id(1);
    world.health(1, false);
    assert_eq!(world.slots(), [2]);
    assert!(world.kernel.services[&key(80)].backends.contains_key(&id));
}

#[test]
fn the_quorum_is_told_at_the_start_and_whenever_it_is_lost_or_reached() {
    let mut world = World::new(State::default());
    let mut spec = service(80, &[1, 2]);
    spec.quorum = 2;
    world.configure(vec![spec], None);
    let name = || "s80".to_owned();
    assert_eq!(world.quorums, [(name(), true)]);
    world.health(1, false);
    world.health(2, false);
    world.health(1, true);
    world.health(2, true);
    assert_eq!(world.quorums[1..], [(name(), false), (name(), true)]);
}
