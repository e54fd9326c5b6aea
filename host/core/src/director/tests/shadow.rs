//! A second scheduler that nobody follows.

use proptest::prelude::*;

use super::*;
use crate::comparison::{Compared, Difference};
use crate::model::{Second, SecondRole, Share};

/// What a second scheduler of these tests does.
#[derive(Debug, Clone)]
pub(super) enum Does {
    /// These servers have the slots, as far as they take connections.
    Slots(&'static [u8]),
    /// As the first scheduler does.
    Turns,
    /// It refuses connections.
    Refuse,
    /// It has no plan.
    NoPlan,
    /// It names a server that it was not given.
    Foreign,
    Trap,
    /// It fails when it is configured.
    TrapAtStart,
}

/// A plugin whose behaviour can be changed while it runs.
#[derive(Clone)]
pub(super) struct Beside {
    manifest: Manifest,
    pub(super) does: Arc<Mutex<Does>>,
    pub(super) selector: Arc<Mutex<Selector>>,
    pub(super) told: Arc<Mutex<Told>>,
    /// How many plans it was asked for.
    pub(super) asked: Arc<Mutex<u32>>,
}

struct BesideInstance {
    plugin: Beside,
    backends: Vec<SchedulerBackend>,
}

impl Beside {
    pub(super) fn new(does: Does) -> Arc<Self> {
        let abilities = Abilities {
            decisions: vec![Decision::Plan],
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
        };
        Arc::new(Self {
            manifest: Manifest {
                abilities: Some(abilities),
                name: "mine".into(),
                version: "0.1.0".into(),
                summary: String::new(),
                settings: Vec::new(),
            },
            does: Arc::new(Mutex::new(does)),
            selector: Arc::new(Mutex::new(Selector::Sequence)),
            told: Arc::default(),
            asked: Arc::default(),
        })
    }

    pub(super) fn now(&self, does: Does) {
        *self.does.lock() = does;
    }
}

fn failed() -> PluginError {
    PluginError {
        plugin: "mine".into(),
        version: "0.1.0".into(),
        failure: Failure::Trap("on purpose".into()),
    }
}

impl SchedulerPlugin for Beside {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    fn scheduler(
        &self,
        context: &ServiceContext,
        _: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError> {
        if matches!(*self.does.lock(), Does::TrapAtStart) {
            return Err(failed());
        }
        self.told.lock().roles.push(context.role);
        Ok(Box::new(BesideInstance {
            plugin: self.clone(),
            backends: Vec::new(),
        }))
    }
}

impl Scheduler for BesideInstance {
    fn set_role(&mut self, role: DirectorRole) -> Result<(), PluginError> {
        self.plugin.told.lock().roles.push(role);
        Ok(())
    }
    fn set_backends(&mut self, backends: &[SchedulerBackend]) -> Result<(), PluginError> {
        self.plugin.told.lock().backends = backends.to_vec();
        self.backends = backends.to_vec();
        Ok(())
    }
    fn set_loads(&mut self, loads: &[Load]) -> Result<(), PluginError> {
        for load in loads {
            for known in self.backends.iter_mut().filter(|it| it.id == load.id) {
                known.facts = load.facts.clone();
            }
        }
        self.plugin.told.lock().backends.clone_from(&self.backends);
        Ok(())
    }
    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        *self.plugin.asked.lock() += 1;
        let taking = |it: &&SchedulerBackend| it.usable && it.weight > 0;
        let taking = self.backends.iter().filter(taking);
        let run = |id| Run { id, width: 1 };
        let slots: Vec<Run> = match &*self.plugin.does.lock() {
            Does::Slots(slots) => {
                let taking: Vec<_> = taking.collect();
                let of = |n: &u8| taking.iter().find(|it| it.address == address(*n));
                slots.iter().filter_map(of).map(|it| run(it.id)).collect()
            }
            Does::Turns => taking.map(|it| run(it.id)).collect(),
            Does::Refuse => return Ok(Plan::None),
            Does::NoPlan => return Ok(Plan::PerConnection),
            Does::Foreign => vec![run(BackendId::new(999).unwrap())],
            Does::Trap | Does::TrapAtStart => return Err(failed()),
        };
        Ok(Plan::Table {
            slots,
            selector: *self.plugin.selector.lock(),
            refresh_ms: None,
        })
    }
    fn pick(&mut self, _: &Flow) -> Result<Option<BackendId>, PluginError> {
        Ok(None)
    }
}

/// A service with a second scheduler.
pub(super) fn with_second(service: Service, role: SecondRole) -> Service {
    let scheduler = PluginUse {
        plugin: PluginRef::Name("mine".into()),
        settings: Vec::new(),
    };
    Service {
        second: Some(Second { scheduler, role }),
        ..service
    }
}

impl World {
    /// A configuration in which the service has this second scheduler.
    pub(super) fn configure_beside(
        &mut self,
        spec: Service,
        plugin: &Arc<Beside>,
        adopted: Option<&State>,
    ) {
        let new = NewSecond {
            plugin: Arc::clone(plugin) as _,
            settings: Vec::new(),
        };
        let key = spec.key;
        let mut config = self.config(vec![spec]);
        config.seconds.insert(key, new);
        self.director.configure(config, adopted, self.now);
        self.settle();
    }

    pub(super) fn second(&self) -> SecondReport {
        self.director.report()[0].second.clone().unwrap()
    }

    /// How many connections each server has, by its last byte.
    pub(super) fn count_of(&mut self, server: u8, active: u32) {
        let id = self.id(server);
        let counts = Counts {
            active,
            inactive: 0,
            total: u64::from(active),
            ..Counts::default()
        };
        let counted = Input::Counted(vec![(id, counts)]);
        self.director.handle(counted, self.now);
        self.settle();
    }
}

fn shadowed(servers: &[u8]) -> Service {
    with_second(service(80, servers), SecondRole::Shadow)
}

#[test]
fn a_shadow_is_compared_with_the_first_and_changes_nothing() {
    let cases = [
        (Does::Turns, 0, 0),
        (Does::Slots(&[3, 2, 1]), 0, 0),
        (Does::Slots(&[1]), 6_667, 6_667),
        (Does::Slots(&[1, 1, 2]), 3_334, 3_334),
        (Does::Slots(&[1, 2, 3, 3]), 1_667, 1_667),
    ];
    for (does, share, uneven) in cases {
        let mut world = World::new(State::default());
        let shadow = Beside::new(does.clone());
        world.configure_beside(shadowed(&[1, 2, 3]), &shadow, None);
        assert_eq!(world.slots(), [1, 2, 3]);
        let report = world.second();
        let difference = Difference {
            share: Share::new(share).unwrap(),
            of: Compared::Connections,
        };
        assert_eq!(report.difference, Some(difference), "{does:?}");
        let uneven = Uneven {
            first: Share::NONE,
            second: Share::new(uneven).unwrap(),
        };
        assert_eq!(report.uneven, Some(uneven), "{does:?}");
        assert_eq!((report.problem, report.plans), (None, 1));
    }
}

#[test]
fn a_shadow_that_refuses_connections_would_send_all_elsewhere() {
    let mut world = World::new(State::default());
    world.configure_beside(shadowed(&[1, 2]), &Beside::new(Does::Refuse), None);
    assert_eq!(world.slots(), [1, 2]);
    assert_eq!(world.second().difference.unwrap().share, Share::ALL);
    assert_eq!(world.second().uneven, None);
}

#[test]
fn whatever_fails_in_a_shadow_the_service_goes_on_and_the_report_says_why() {
    let trapped = "plugin mine 0.1.0: trapped: on purpose";
    let cases = [
        (Does::Trap, trapped, true),
        (Does::TrapAtStart, trapped, true),
        (
            Does::Foreign,
            "plugin mine 0.1.0: the plan names backend 999",
            true,
        ),
        (
            Does::Slots(&[]),
            "plugin mine 0.1.0: the plan has no slots",
            true,
        ),
        (Does::NoPlan, "plugin mine 0.1.0: it has no plan", false),
    ];
    for (does, why, restarts) in cases {
        let mut world = World::new(State::default());
        let shadow = Beside::new(does.clone());
        world.configure_beside(shadowed(&[1, 2]), &shadow, None);
        let problem = world.second().problem.unwrap();
        assert!(problem.starts_with(why), "{problem}");
        assert_eq!(world.second().difference, None);
        assert_eq!((world.slots(), world.problem()), (vec![1, 2], None));
        shadow.now(Does::Turns);
        if restarts {
            world.pass(Duration::from_millis(999));
            assert!(world.second().problem.is_some(), "it waits");
            world.pass(Duration::from_millis(1));
        } else {
            world.health(2, false);
        }
        assert_eq!(world.second().problem, None, "{does:?}");
        assert_eq!(world.second().difference.unwrap().share, Share::NONE);
    }
}

#[test]
fn a_shadow_is_told_what_the_first_is_told_and_plans_when_that_does() {
    let mut world = World::new(State::default());
    let shadow = Beside::new(Does::Turns);
    world
        .director
        .set_roles([(key(80), DirectorRole::Master)].into());
    world.configure_beside(shadowed(&[1, 2]), &shadow, None);
    let same = |world: &World| {
        let (first, second) = (world.plugin.told.lock(), shadow.told.lock());
        assert_eq!(first.backends.len(), 2);
        assert_eq!(first.backends, second.backends);
    };
    same(&world);
    assert_eq!(shadow.told.lock().roles, [DirectorRole::Master]);
    world.health(1, false);
    same(&world);
    world.health(1, true);
    let before = *shadow.asked.lock();
    world.pass(Duration::from_secs(1));
    world.count_of(1, 7);
    assert_eq!(*shadow.asked.lock(), before + 1, "facts have changed");
    assert_eq!(shadow.told.lock().backends[0].facts.counts.active, 7);
    world
        .director
        .set_roles([(key(80), DirectorRole::Backup)].into());
    world.settle();
    assert_eq!(shadow.told.lock().roles.last(), Some(&DirectorRole::Backup));
}

#[test]
fn a_shadow_that_is_still_thinking_holds_nothing_up() {
    let mut world = World::new(State::default());
    let shadow = Beside::new(Does::Turns);
    world.configure_beside(shadowed(&[1, 2, 3]), &shadow, None);
    world.held = Some(Vec::new());
    world.health(1, false);
    let held = world.held.take().unwrap();
    assert_eq!(held.len(), 2);
    for (service, job) in held.into_iter().filter(|(_, job)| !job.is_second()) {
        let done = Input::SchedulerDone {
            service,
            generation: job.generation(),
            result: job.run(),
            took: Duration::ZERO,
        };
        world.director.handle(done, world.now);
    }
    world.settle();
    assert_eq!(world.slots(), [2, 3]);
    world.health(2, false);
    assert_eq!(world.slots(), [3]);
}

#[test]
fn another_plugin_takes_a_shadows_place_and_the_configuration_may_take_it_away() {
    let mut world = World::new(State::default());
    let (one, other) = (Beside::new(Does::Turns), Beside::new(Does::Slots(&[1])));
    world.configure_beside(shadowed(&[1, 2]), &one, None);
    let asked = *one.asked.lock();
    world.configure_beside(shadowed(&[1, 2]), &other, None);
    assert_eq!(world.second().difference.unwrap().share, Share::percent(50));
    world.health(1, false);
    assert_eq!(*one.asked.lock(), asked, "it is asked no more");
    world.configure(vec![service(80, &[1, 2])], None);
    assert_eq!(world.director.report()[0].second, None);
    assert!(world.director.second_plugin(&key(80)).is_none());
}

#[derive(Debug, Clone)]
enum Act {
    Health(u8, bool),
    Count(u8, u32),
    Does(Does),
    Broken(bool),
    Reload(Vec<u8>),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let does = prop_oneof![
        Just(Does::Turns),
        Just(Does::Slots(&[1])),
        Just(Does::Slots(&[2, 3])),
        Just(Does::Refuse),
        Just(Does::NoPlan),
        Just(Does::Foreign),
        Just(Does::Trap),
        Just(Does::TrapAtStart),
    ];
    prop_oneof![
        (1_u8..4, any::<bool>()).prop_map(|(server, up)| Act::Health(server, up)),
        (1_u8..4, 0_u32..9).prop_map(|(server, active)| Act::Count(server, active)),
        does.prop_map(Act::Does),
        any::<bool>().prop_map(Act::Broken),
        proptest::sample::subsequence(vec![1, 2, 3], 1..4).prop_map(Act::Reload),
        (0_u64..3_000).prop_map(Act::Pass),
    ]
}

proptest! {
    #[test]
    fn a_shadow_never_changes_what_the_kernel_holds(acts in proptest::collection::vec(act(), 0..40)) {
        let (mut with, mut without) = (World::new(State::default()), World::new(State::default()));
        let shadow = Beside::new(Does::Turns);
        with.configure_beside(shadowed(&[1, 2]), &shadow, None);
        without.configure(vec![service(80, &[1, 2])], None);
        for act in acts {
            if let Act::Does(does) = &act {
                shadow.now(does.clone());
            }
            for world in [&mut with, &mut without] {
                match &act {
                    Act::Health(server, up) => world.health(*server, *up),
                    Act::Count(server, active) => {
                        let mut known = world.kernel.services[&key(80)].backends.values();
                        if known.any(|it| it.address == address(*server)) {
                            world.count_of(*server, *active);
                        }
                    }
                    Act::Does(_) => {}
                    Act::Broken(broken) => world.broken.store(*broken, Ordering::Relaxed),
                    Act::Reload(_) => {}
                    Act::Pass(millis) => world.pass(Duration::from_millis(*millis)),
                }
            }
            if let Act::Reload(servers) = &act {
                with.configure_beside(shadowed(servers), &shadow, None);
                without.configure(vec![service(80, servers)], None);
            }
            prop_assert_eq!(&with.kernel, &without.kernel);
            prop_assert_eq!(with.problem(), without.problem());
            let at = with.director.poll_at();
            prop_assert!(at.is_none_or(|at| at > with.now), "woken at once");
        }
    }
}
