//! Quorums: what counts, and when they are told.

use super::*;

/// Two servers, of which the first takes no more than one connection; both are wanted.
fn limited() -> Service {
    let mut spec = service(80, &[1, 2]);
    spec.quorum = 2;
    spec.servers[0].upper_threshold = Some(1);
    spec
}

impl World {
    fn fill(&mut self, server: u8, active: u32) {
        let counts = Counts {
            active,
            inactive: 0,
            total: 9,
            ..Counts::default()
        };
        let input = Input::Counted(vec![(self.id(server), counts)]);
        self.director.handle(input, self.now);
        self.settle();
    }

    fn told(&mut self) -> Vec<bool> {
        let told = std::mem::take(&mut self.quorums);
        told.into_iter().map(|(_, reached)| reached).collect()
    }

    fn has_quorum(&self) -> bool {
        self.director.report()[0].quorum
    }
}

#[test]
fn a_full_server_counts_for_the_quorum_also_after_a_reload() {
    let mut world = World::new(State::default());
    world.configure(vec![limited()], None);
    world.fill(1, 5);
    assert_eq!(world.slots(), [2], "it is full");
    for _ in 0..2 {
        world.configure(vec![limited()], None);
        assert!(world.has_quorum());
    }
    world.fill(1, 0);
    assert_eq!(world.told(), [true]);
}

#[test]
fn a_full_server_that_fails_or_gets_another_weight_is_seen() {
    let mut world = World::new(State::default());
    world.configure(vec![limited()], None);
    world.health(1, true);
    world.fill(1, 5);
    world.health(1, false);
    assert_eq!(world.told(), [true, false]);
    world.health(1, true);
    assert_eq!(world.told(), [true]);
    let half = ServerHealth {
        share: 0,
        ..world.health_of(true)
    };
    let input = Input::Health {
        service: key(80),
        server: address(1),
        health: half,
    };
    world.director.handle(input, world.now);
    world.settle();
    assert_eq!(world.told(), [false]);
}

#[test]
fn a_reload_with_another_scheduler_keeps_the_quorum_s_history() {
    let mut world = World::new(State::default());
    let mut spec = service(80, &[1, 2, 3, 4]);
    (spec.quorum, spec.hysteresis) = (3, 1);
    world.configure(vec![spec.clone()], None);
    for server in [1, 2, 3] {
        world.health(server, false);
    }
    for server in [1, 2] {
        world.health(server, true);
    }
    assert_eq!(world.told(), [true, false], "three are not enough again");
    let mut config = world.config(vec![spec]);
    let plugin: Arc<dyn SchedulerPlugin> = Arc::clone(&world.plugin) as _;
    let new = NewScheduler {
        scheduler: plugin
            .scheduler(&ServiceContext::trial("s80"), &[])
            .unwrap(),
        plugin,
        settings: Vec::new(),
        saved: None,
    };
    config.schedulers.insert(key(80), new);
    world.director.configure(config, None, world.now);
    world.settle();
    assert_eq!((world.told(), world.has_quorum()), (vec![], false));
}

#[test]
fn a_new_server_whose_first_word_is_that_it_is_down_does_not_bring_the_quorum_back_for_a_moment() {
    let mut world = World::new(State::default());
    let mut spec = service(80, &[1, 2]);
    (spec.quorum, spec.hysteresis) = (2, 0);
    world.configure(vec![spec.clone()], None);
    world.health(1, false);
    assert_eq!(world.told(), [true, false]);
    let mut more = service(80, &[1, 2, 3]);
    (more.quorum, more.hysteresis) = (2, 0);
    let config = world.config(vec![more]);
    world.director.configure(config, None, world.now);
    // In the same turn, as the daemon does.
    world.health(3, false);
    assert_eq!(world.told(), []);
}

#[test]
fn a_quorum_is_told_again_under_another_name() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1])], None);
    let mut renamed = service(80, &[1]);
    "web".clone_into(&mut renamed.name);
    world.configure(vec![renamed], None);
    let names: Vec<&str> = world
        .quorums
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["s80", "web"]);
}
