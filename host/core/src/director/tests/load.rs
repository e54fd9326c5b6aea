//! Counts, thresholds, and decisions about each connection.

use std::sync::atomic::AtomicU16;

use super::super::machine::update_interval;
use super::*;
use crate::model::Persistence;

fn counts(active: u32) -> Counts {
    Counts {
        active,
        inactive: 0,
        total: u64::from(active),
        ..Counts::default()
    }
}

/// Another one with each call.
fn flow() -> Flow {
    static PORT: AtomicU16 = AtomicU16::new(1);
    Flow {
        protocol: Protocol::Udp,
        source: ([192, 0, 2, 1], PORT.fetch_add(1, Ordering::Relaxed)).into(),
        destination: key(80).socket_addr(),
    }
}

/// One service with these servers, of which each connection is decided.
fn per_connection(servers: &[u8]) -> Vec<Service> {
    let decision = Decision::PerConnection;
    vec![Service {
        decision,
        ..service(80, servers)
    }]
}

impl World {
    fn count(&mut self, server: u8, active: u32) {
        let counted = vec![(self.id(server), counts(active))];
        self.director.handle(Input::Counted(counted), self.now);
        self.settle();
    }

    fn queued(&self) -> bool {
        self.kernel.services[&key(80)].queue.is_some()
    }

    /// The last byte of the server that the scheduler places a connection on.
    fn pick(&self) -> Result<u8, String> {
        self.pick_for(&flow())
    }

    fn pick_for(&self, flow: &Flow) -> Result<u8, String> {
        let instance = &self.served[&key(80)].instance;
        let id = instance.pick(flow, true, self.now)?.unwrap();
        let backends = &self.kernel.services[&key(80)].backends;
        let SocketAddr::V4(at) = backends[&id].address else {
            panic!("not IPv4");
        };
        Ok(at.ip().octets()[3])
    }

    /// The queue that was last wanted is served.
    fn served(&mut self) {
        let generation = self.director.services[&key(80)].supervisor.generation();
        self.tell_served(generation);
    }

    fn tell_served(&mut self, generation: u64) {
        let input = Input::QueueServed {
            service: key(80),
            generation,
            outcome: Ok(()),
        };
        self.director.handle(input, self.now);
        self.settle();
    }

    fn pick_fails(&mut self) {
        let request = &self.served[&key(80)];
        let (service, generation) = (request.service, request.generation);
        let problem = request.instance.pick(&flow(), true, self.now).unwrap_err();
        let input = Input::VerdictFailed {
            service,
            generation,
            problem,
        };
        self.director.handle(input, self.now);
        self.settle();
    }
}

#[test]
fn a_server_at_its_upper_threshold_leaves_the_slots_and_comes_back_below_its_lower_one() {
    let mut world = World::new(State::default());
    let mut limited = service(80, &[1, 2]);
    limited.servers[0].upper_threshold = Some(10);
    limited.servers[0].lower_threshold = Some(5);
    world.configure(vec![limited], None);
    assert!(world.director.wants_counts());
    world.count(1, 9);
    assert_eq!(world.slots(), [1, 2]);
    world.count(1, 10);
    assert_eq!(world.slots(), [2]);
    assert_eq!(
        world.director.report()[0].servers[0].state,
        ServerState::Full
    );
    assert_eq!(world.kernel.services[&key(80)].backends.len(), 2);
    world.count(1, 5);
    assert_eq!(world.slots(), [2]);
    world.count(1, 4);
    assert_eq!(world.slots(), [1, 2]);
}

#[test]
fn a_reload_with_other_thresholds_looks_at_the_counts_again() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    world.count(1, 7);
    let mut limited = service(80, &[1, 2]);
    limited.servers[0].upper_threshold = Some(7);
    world.configure(vec![limited], None);
    assert_eq!(world.slots(), [2]);
    world.configure(vec![service(80, &[1, 2])], None);
    assert_eq!(world.slots(), [1, 2]);
}

#[test]
fn a_scheduler_is_told_of_counts_no_more_often_than_its_pace() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    world.pass(Duration::from_secs(1));
    world.held = Some(Vec::new());
    world.count(1, 1);
    assert_eq!(world.held.as_ref().unwrap().len(), 1);
    let (service, job) = world.held.take().unwrap().remove(0);
    world.held = Some(Vec::new());
    let (generation, result) = (job.generation(), job.run());
    let done = Input::SchedulerDone {
        service,
        generation,
        result,
        took: Duration::ZERO,
    };
    world.director.handle(done, world.now);
    world.count(1, 2);
    world.count(1, 3);
    assert_eq!(world.held.as_ref().unwrap().len(), 0, "too soon");
    let at = world.director.poll_at().unwrap();
    assert!(at <= world.now + update_interval(1));
    world.pass(update_interval(1));
    assert_eq!(world.held.as_ref().unwrap().len(), 1);
}

#[test]
fn counts_that_a_scheduler_has_been_told_of_are_not_told_again() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    world.pass(Duration::from_secs(1));
    world.count(1, 5);
    world.pass(Duration::from_secs(1));
    world.held = Some(Vec::new());
    world.count(1, 5);
    assert_eq!(world.held.as_ref().unwrap().len(), 0);
}

#[test]
fn where_each_connection_is_decided_the_kernel_queues_and_has_a_plan_to_fall_back_to() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    assert!(world.queued());
    assert_eq!(world.slots(), [1, 2]);
    assert_eq!(
        [world.pick(), world.pick(), world.pick()],
        [Ok(1), Ok(1), Ok(1)]
    );
}

#[test]
fn what_was_placed_counts_until_the_kernel_has_counted_it() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    world.count(1, 1);
    world.count(2, 2);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.pick(), Ok(1));
    assert_eq!(
        world.pick(),
        Ok(1),
        "a scheduler that does not count for itself"
    );
    // The kernel has counted the first of the two, and not the second: 2 + 1 against 2.
    let counted = vec![(world.id(1), counts(2))];
    world.director.handle(Input::Counted(counted), world.now);
    world.pass(update_interval(1));
    assert_eq!(world.pick(), Ok(2));
    // Nothing came of the second, nor of that on the other server, and that does not count for ever.
    world.pass(Duration::from_secs(3));
    world.count(2, 3);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.pick(), Ok(1));
}

#[test]
fn packets_of_one_flow_that_wait_together_go_to_one_server_and_are_one_connection() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    world.count(1, 1);
    world.count(2, 2);
    world.pass(Duration::from_secs(1));
    let first = flow();
    assert_eq!(world.pick_for(&first), Ok(1));
    // Two more connections are counted meanwhile, so that the next goes elsewhere.
    world.count(1, 4);
    world.pass(update_interval(1));
    assert_eq!(world.pick(), Ok(2));
    assert_eq!(world.pick_for(&first), Ok(1));
    // A server that has failed gets it no more.
    world.health(1, false);
    assert_eq!(world.pick_for(&first), Ok(2));
    assert_eq!(world.pick_for(&first), Ok(2));
}

#[test]
fn a_flow_that_is_asked_about_again_is_not_counted_again() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    world.count(1, 0);
    world.count(2, 3);
    world.pass(Duration::from_secs(1));
    let again = flow();
    for _ in 0..5 {
        assert_eq!(world.pick_for(&again), Ok(1));
    }
    // Told anew of the first server: one connection was placed there, not five, so it has fewest.
    let counted = vec![(
        world.id(1),
        Counts {
            inactive: 1,
            ..counts(0)
        },
    )];
    world.director.handle(Input::Counted(counted), world.now);
    world.pass(update_interval(1));
    assert_eq!(world.pick(), Ok(1));
}

#[test]
fn after_a_failure_in_a_decision_the_kernel_queues_no_more_until_the_scheduler_is_back() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    world.broken.store(true, Ordering::Relaxed);
    world.pick_fails();
    assert!(!world.queued());
    assert!(world.served.is_empty());
    assert_eq!(world.slots(), [1, 2]);
    assert!(world.problem().unwrap().contains("on purpose"));
    world.broken.store(false, Ordering::Relaxed);
    world.pass(Duration::from_secs(2));
    assert!(world.queued());
    assert_eq!(world.pick(), Ok(1));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.problem(), None);
}

#[test]
fn a_failure_of_an_instance_that_has_been_replaced_is_of_no_interest() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    let generation = world.served[&key(80)].generation;
    world.broken.store(true, Ordering::Relaxed);
    world.pick_fails();
    world.broken.store(false, Ordering::Relaxed);
    world.pass(Duration::from_secs(2));
    let late = Input::VerdictFailed {
        service: key(80),
        generation,
        problem: "late".into(),
    };
    world.director.handle(late, world.now);
    world.settle();
    assert!(world.queued());
}

#[test]
fn a_verdict_for_a_server_that_takes_no_connections_breaks_the_instance() {
    struct Stubborn;
    impl Scheduler for Stubborn {
        fn set_backends(&mut self, _: &[SchedulerBackend]) -> Result<(), PluginError> {
            Ok(())
        }
        fn set_loads(&mut self, _: &[Load]) -> Result<(), PluginError> {
            Ok(())
        }
        fn make_plan(&mut self) -> Result<Plan, PluginError> {
            Ok(Plan::PerConnection)
        }
        fn pick(&mut self, _: &Flow) -> Result<Option<BackendId>, PluginError> {
            Ok(BackendId::new(7))
        }
    }
    let now = epoch();
    let instance = Instance::new(Box::new(Stubborn), Facts::default());
    let backend =
        |weight| SchedulerBackend::new(BackendId::new(7).unwrap(), "seven", address(7), weight);
    instance.set_backends(&[backend(1)]).unwrap();
    assert_eq!(instance.pick(&flow(), true, now), Ok(BackendId::new(7)));
    instance.set_backends(&[backend(0)]).unwrap();
    let problem = instance.pick(&flow(), true, now).unwrap_err();
    assert!(problem.contains("backend 7"), "{problem}");
    instance.set_backends(&[backend(1)]).unwrap();
    assert!(
        instance.pick(&flow(), true, now).is_err(),
        "it is of no more use"
    );
}

/// Makes plans that last, and decides at once.
struct SlowPlanner {
    /// Someone waits here for a plan to be under way, and it waits for that one.
    planning: Arc<(std::sync::Barrier, std::sync::Barrier)>,
    backends: Vec<SchedulerBackend>,
}

impl Scheduler for SlowPlanner {
    fn set_backends(&mut self, backends: &[SchedulerBackend]) -> Result<(), PluginError> {
        self.backends = backends.to_vec();
        Ok(())
    }
    fn set_loads(&mut self, _: &[Load]) -> Result<(), PluginError> {
        Ok(())
    }
    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        self.planning.0.wait();
        self.planning.1.wait();
        let slots = self.backends.iter().map(|it| Run {
            id: it.id,
            width: 1,
        });
        Ok(Plan::Table {
            slots: slots.collect(),
            selector: Selector::Sequence,
            refresh_ms: None,
        })
    }
    fn pick(&mut self, _: &Flow) -> Result<Option<BackendId>, PluginError> {
        Ok(self.backends.first().map(|it| it.id))
    }
}

#[test]
fn a_connection_is_decided_while_a_plan_is_being_made() {
    let planning = Arc::new((std::sync::Barrier::new(2), std::sync::Barrier::new(2)));
    let scheduler = || {
        Box::new(SlowPlanner {
            planning: Arc::clone(&planning),
            backends: Vec::new(),
        })
    };
    let instance = Instance::new(
        scheduler(),
        Facts {
            connections: true,
            latency: false,
            signals: false,
            traffic: false,
        },
    );
    assert!(!instance.plans_apart());
    instance.plan_by(Some(scheduler()));
    assert!(instance.plans_apart());
    let seven = SchedulerBackend::new(BackendId::new(7).unwrap(), "seven", address(7), 1);
    instance.set_backends(&[seven]).unwrap();
    std::thread::scope(|scope| {
        let plan = scope.spawn(|| instance.make_plan());
        planning.0.wait();
        // The plan waits for this.
        assert_eq!(instance.pick(&flow(), true, epoch()), Ok(BackendId::new(7)));
        planning.1.wait();
        assert!(plan.join().unwrap().is_ok());
    });
}

#[test]
fn only_a_scheduler_that_decides_each_connection_has_a_second_one_for_its_plans() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    let instance = world.served[&key(80)].instance.clone();
    assert!(instance.plans_apart());
    world.configure(vec![service(80, &[1, 2])], None);
    assert!(!instance.plans_apart(), "its memory is given back");
    world.configure(per_connection(&[1, 2]), None);
    assert!(instance.plans_apart());
    assert_eq!(world.slots(), [1, 2]);
}

#[test]
fn another_program_s_queue_is_left_to_it() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    let before = world.kernel.services[&key(80)].queue.unwrap();
    let mut world = World::new(State::default());
    world.in_use = vec![before];
    world.configure(per_connection(&[1, 2]), None);
    let after = world.kernel.services[&key(80)].queue.unwrap();
    assert_ne!(before, after);
    assert_eq!(world.served[&key(80)].queue, after);
}

#[test]
fn nothing_is_settled_before_the_queue_is_served_and_the_kernel_knows() {
    let mut world = World::new(State::default());
    world.silent = true;
    world.configure(per_connection(&[1, 2]), None);
    assert_eq!(
        world.slots(),
        [1, 2],
        "the plan is in force without waiting for the queue"
    );
    assert!(!world.queued() && !world.director.settled() && !world.director.serves_queue(&key(80)));
    world.served();
    assert!(world.queued() && world.director.settled() && world.director.serves_queue(&key(80)));
}

#[test]
fn word_of_a_queue_that_is_not_wanted_any_more_changes_nothing() {
    let mut world = World::new(State::default());
    world.silent = true;
    world.configure(per_connection(&[1, 2]), None);
    world.configure(vec![service(80, &[1, 2])], None);
    assert!(world.director.settled());
    world.served();
    assert!(!world.queued() && !world.director.serves_queue(&key(80)));
}

#[test]
fn a_scheduler_that_fails_before_its_queue_is_known_to_be_served_decides_nothing() {
    let mut world = World::new(State::default());
    world.silent = true;
    world.configure(per_connection(&[1, 2]), None);
    world.broken.store(true, Ordering::Relaxed);
    let generation = world.served[&key(80)].generation;
    world.pick_fails();
    world.tell_served(generation);
    assert!(!world.queued() && world.director.settled());
    assert!(world.problem().unwrap().contains("on purpose"));
}

#[test]
fn a_queue_s_number_in_the_kernel_stays_with_its_service_over_a_restart() {
    let mut world = World::new(State::default());
    let both = |first: u16, second: u16| {
        [first, second].map(|port| Service {
            decision: Decision::PerConnection,
            ..service(port, &[1])
        })
    };
    world.configure(both(80, 81).into(), None);
    let numbers = |world: &World| [80, 81].map(|port| world.kernel.services[&key(port)].queue);
    let before = numbers(&world);
    assert_ne!(before[0], before[1]);
    let kernel = world.kernel.clone();
    let mut world = World::new(kernel.clone());
    world.configure(both(81, 80).into(), Some(&kernel));
    assert_eq!(numbers(&world), before);
}

#[test]
fn a_reload_may_make_a_service_follow_plans_and_queue_again() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1, 2]), None);
    world.configure(vec![service(80, &[1, 2])], None);
    assert!(!world.queued());
    assert!(world.served.is_empty());
    world.configure(per_connection(&[1, 2]), None);
    assert!(world.queued());
}

#[test]
fn without_a_server_that_takes_connections_nothing_is_queued() {
    let mut world = World::new(State::default());
    world.configure(per_connection(&[1]), None);
    world.health(1, false);
    assert!(!world.queued());
    world.health(1, true);
    assert!(world.queued());
}

#[test]
fn persistence_reaches_the_kernel() {
    let mut world = World::new(State::default());
    let persistence = Some(Persistence {
        timeout: Duration::from_secs(300),
        prefix: 24,
    });
    let persistent = Service {
        persistence,
        ..service(80, &[1, 2])
    };
    world.configure(vec![persistent], None);
    assert_eq!(world.kernel.services[&key(80)].persistence, persistence);
}

#[test]
fn clients_of_a_draining_server_stay_or_go_elsewhere_as_configured() {
    let persistence = Some(Persistence {
        timeout: Duration::from_secs(300),
        prefix: 32,
    });
    let draining = |on_drain, persistence| {
        let mut service = Service {
            persistence,
            on_drain,
            ..service(80, &[1, 2])
        };
        service.servers[1].weight = 0;
        vec![service]
    };
    let held = |kind, on_drain, persistence| {
        let mut world = World::on(kind, State::default());
        world.configure(draining(on_drain, persistence), None);
        let backends = &world.kernel.services[&key(80)].backends;
        (backends.len(), world.kernel.timeouts.expire_quiescent)
    };
    let (nftables, ipvs) = (DataPlaneKind::Nftables, DataPlaneKind::Ipvs);
    assert_eq!(held(nftables, OnDrain::Keep, persistence), (2, None));
    assert_eq!(held(nftables, OnDrain::Move, persistence), (1, None));
    assert_eq!(held(nftables, OnDrain::Move, None), (2, None));
    assert_eq!(held(ipvs, OnDrain::Keep, persistence), (2, None));
    assert_eq!(held(ipvs, OnDrain::Move, persistence), (2, Some(true)));
    assert_eq!(held(ipvs, OnDrain::Move, None), (2, None));
    // IPVS's setting is everybody's: only who has switched it on switches it off.
    let mut world = World::on(ipvs, State::default());
    world.configure(draining(OnDrain::Move, persistence), None);
    world.configure(draining(OnDrain::Keep, persistence), None);
    assert_eq!(world.kernel.timeouts.expire_quiescent, Some(false));
}

#[test]
fn clients_of_a_server_that_has_failed_and_stays_for_its_connections_go_elsewhere() {
    let mut world = World::new(State::default());
    let mut moving = Service {
        persistence: Some(Persistence {
            timeout: Duration::from_secs(300),
            prefix: 32,
        }),
        on_drain: OnDrain::Move,
        ..service(80, &[1, 2])
    };
    moving.servers[0].inhibit_on_failure = true;
    world.configure(vec![moving], None);
    let backends = |world: &World| world.kernel.services[&key(80)].backends.len();
    assert_eq!(backends(&world), 2);
    world.health(1, false);
    assert_eq!(backends(&world), 1);
}

#[test]
fn a_daemon_that_ends_leaves_shares_that_hold_for_long_where_a_plan_went_by_counts() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    let unequal = Spread::Slots {
        selector: Selector::Sequence,
        slots: vec![world.id(2)],
    };
    world.director.services.get_mut(&key(80)).unwrap().last_good = Some(unequal);
    world.director.leave();
    world.settle();
    assert_eq!(world.slots(), [1, 2]);
}
