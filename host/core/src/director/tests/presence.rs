//! Which services the kernel has, and where their addresses are.

use super::*;

impl World {
    fn is_in_kernel(&self, port: u16) -> bool {
        self.in_kernel.get(&key(port)) == Some(&InKernel::Yes)
    }

    /// Begins what the director wants done; the steps for the kernel are kept back.
    fn begin(&mut self) -> Vec<KernelStep> {
        let mut steps = Vec::new();
        for effect in self.director.effects(self.now) {
            match effect {
                Effect::Kernel(step) => steps.push(step),
                effect => {
                    if let Some(input) = self.carry_out(effect) {
                        self.director.handle(input, self.now);
                    }
                }
            }
        }
        steps
    }
}

#[test]
fn a_service_that_a_reload_adds_is_told_to_be_in_the_kernel_when_its_rules_are_and_not_before() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1])], None);
    assert!(world.is_in_kernel(80));
    let config = world.config(vec![service(80, &[1]), service(81, &[1])]);
    world.director.configure(config, None, world.now);
    let mut steps = Vec::new();
    while steps.is_empty() {
        steps = world.begin();
        assert!(world.is_in_kernel(80) && !world.is_in_kernel(81));
    }
    assert_eq!(world.begin(), []);
    assert!(!world.is_in_kernel(81), "the step is under way");
    for step in steps {
        let input = world.carry_out(Effect::Kernel(step)).unwrap();
        world.director.handle(input, world.now);
    }
    world.settle();
    assert!(world.is_in_kernel(80) && world.is_in_kernel(81));
}

#[test]
fn a_service_that_the_kernel_refuses_is_told_to_be_refused_until_it_is_there() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1])], None);
    let config = world.config(vec![service(80, &[1]), service(81, &[1])]);
    world.director.configure(config, None, world.now);
    let mut steps = Vec::new();
    while steps.is_empty() {
        steps = world.begin();
    }
    let outcome = ApplyOutcome::Refused("no such scheduler".to_owned());
    let refused = Input::Applied {
        changes: Vec::new(),
        outcome,
        took: Duration::ZERO,
    };
    world.director.handle(refused, world.now);
    world.settle();
    assert_eq!(world.in_kernel[&key(81)], InKernel::Refused);
    assert!(world.is_in_kernel(80), "it is there as before");
    world.pass(Duration::from_secs(1));
    assert!(world.is_in_kernel(81));
}

#[test]
fn nothing_is_told_of_services_before_all_have_their_first_plan() {
    let mut world = World::new(State::default());
    world.held = Some(Vec::new());
    world.configure(vec![service(80, &[1])], None);
    assert!(world.in_kernel.is_empty());
}

#[test]
fn a_server_whose_address_went_to_another_director_has_no_connections_and_is_not_full() {
    let mut world = World::new(State::default());
    let mut limited = service(80, &[1, 2]);
    limited.servers[0].upper_threshold = Some(5);
    world.configure(vec![limited, service(81, &[1])], None);
    let counts = Counts {
        active: 5,
        inactive: 2,
        total: 90,
        ..Counts::default()
    };
    let id = world.id(1);
    world
        .director
        .handle(Input::Counted(vec![(id, counts)]), world.now);
    world.settle();
    assert_eq!(world.slots(), [2]);

    world.director.set_elsewhere([key(80)].into(), world.now);
    world.settle();
    assert_eq!(world.slots(), [1, 2]);
    assert_eq!(world.director.servers_elsewhere(), [id, world.id(2)].into());
    let reported = |world: &World| world.director.report()[0].servers[0].counts;
    let none = Counts {
        active: 0,
        inactive: 0,
        total: 90,
        ..Counts::default()
    };
    assert_eq!(reported(&world), none, "the total never goes back");
    let config = world.config(vec![service(80, &[1, 2])]);
    world.director.configure(config, None, world.now);
    assert_eq!(reported(&world), none, "a reload does not bring them back");

    world.director.set_elsewhere(BTreeSet::new(), world.now);
    assert_eq!(reported(&world), counts);
}

#[test]
fn flows_of_a_failed_server_that_stays_in_the_kernel_are_flushed_once_it_has_no_share() {
    let mut world = World::new(State::default());
    let mut inhibited = service(80, &[1, 2]);
    inhibited.servers[0].inhibit_on_failure = true;
    world.configure(vec![inhibited.clone()], None);
    world.health(1, true);
    let id = world.id(1);
    world.health(1, false);
    assert_eq!(world.killed, [id]);
    world.health(1, true);
    assert_eq!(world.slots(), [1, 2]);
    // One that gets no new connections anyway: nothing changes in the kernel when it fails.
    inhibited.servers[0].weight = 0;
    world.configure(vec![inhibited], None);
    assert_eq!(world.slots(), [2]);
    world.health(1, false);
    assert_eq!(world.killed, [id, id]);
}

#[test]
fn flows_of_a_server_that_was_found_without_a_share_are_left_alone() {
    let mut inhibited = service(80, &[1, 2]);
    inhibited.servers[0].inhibit_on_failure = true;
    inhibited.servers[0].upper_threshold = Some(1);
    let mut world = World::new(State::default());
    world.configure(vec![inhibited.clone()], None);
    world.health(1, true);
    let full = Counts {
        active: 1,
        inactive: 0,
        total: 1,
        ..Counts::default()
    };
    let counted = vec![(world.id(1), full)];
    world.director.handle(Input::Counted(counted), world.now);
    world.settle();
    let left = world.kernel.clone();
    let mut world = World::new(left.clone());
    world.configure(vec![inhibited], Some(&left));
    world.health(1, false);
    assert_eq!(world.killed, []);
}
