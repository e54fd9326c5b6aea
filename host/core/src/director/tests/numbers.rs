//! Servers keep their numbers, and what they have by their number.

use super::*;
use crate::ids::{InUse, Numbers};

/// What a first daemon left in the kernel, and what it kept.
fn left_by(services: Vec<Service>, down: Option<u8>) -> (State, Numbers) {
    let mut first = World::new(State::default());
    first.configure(services, None);
    if let Some(server) = down {
        first.health(server, false);
    }
    let numbers = first.director.changed_numbers().unwrap();
    (first.kernel, numbers)
}

fn active(n: u32) -> Counts {
    Counts {
        active: n,
        inactive: 0,
        total: u64::from(n),
        ..Counts::default()
    }
}

#[test]
fn a_server_that_is_removed_and_added_again_has_its_number_and_its_connections() {
    let mut world = World::new(State::default());
    let services = |servers: &[u8]| {
        vec![Service {
            on_down: OnDown::Keep,
            ..service(80, servers)
        }]
    };
    world.configure(services(&[1, 2]), None);
    let id = world.id(2);
    let count = |world: &mut World, n| {
        let counted = Input::Counted(vec![(id, active(n))]);
        world.director.handle(counted, world.now);
        world.settle();
    };
    count(&mut world, 20);
    world.configure(services(&[1]), None);
    // Some of them end while it is away.
    count(&mut world, 17);
    world.configure(services(&[1, 3, 2]), None);
    assert_eq!(world.id(2), id);
    assert_ne!(world.id(3), id);
    let counts = |world: &World, n: usize| world.director.report()[0].servers[n].counts;
    assert_eq!(counts(&world, 2), active(17));
    assert_eq!(counts(&world, 1), Counts::default());
    world.configure(services(&[1]), None);
    count(&mut world, 0);
    world.configure(services(&[1, 2]), None);
    assert_eq!(counts(&world, 1), Counts::default());
}

#[test]
fn a_server_that_is_down_during_a_restart_keeps_its_number() {
    let (kernel, numbers) = left_by(vec![service(80, &[1, 2])], Some(2));
    let mut second = World::new(kernel.clone());
    second.director.recall(&numbers, &InUse::new());
    second.configure(vec![service(80, &[3, 1, 2])], Some(&kernel));
    assert_eq!([1, 2].map(|n| second.id(n).get()), [1, 2]);
    assert_eq!(second.id(3).get(), 3);
}

#[test]
fn numbers_are_to_be_kept_when_they_change_and_not_otherwise() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    let numbers = world.director.changed_numbers().unwrap();
    assert_eq!((numbers.last, numbers.servers.len()), (2, 2));
    world.configure(vec![service(80, &[2, 1])], None);
    assert_eq!(world.director.changed_numbers(), None);
    world.configure(vec![service(80, &[2])], None);
    assert_eq!(world.director.changed_numbers().unwrap().servers.len(), 2);
}

#[test]
fn what_the_kernel_held_and_is_configured_no_more_loses_its_flows_as_in_a_reload() {
    for on_down in [OnDown::Kill, OnDown::Keep] {
        let (kernel, _) = left_by(vec![service(80, &[1, 2]), service(81, &[1])], None);
        let gone = |port: u16, server: u8| {
            let backends = &kernel.services[&key(port)].backends;
            let found = backends
                .iter()
                .find(|(_, it)| it.address == address(server));
            *found.unwrap().0
        };
        let mut second = World::new(kernel.clone());
        let stays = Service {
            on_down,
            ..service(80, &[1, 3])
        };
        second.configure(vec![stays], Some(&kernel));
        // Of a service that is gone altogether nothing is known but its protocol, which is UDP.
        let mut expected = vec![gone(81, 1)];
        if on_down == OnDown::Kill {
            expected.push(gone(80, 2));
        }
        second.killed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(second.killed, expected, "{on_down:?}");
        assert_ne!(second.id(3), gone(80, 2));
    }
}

#[test]
fn a_restart_with_the_same_configuration_ends_no_flows() {
    let (kernel, _) = left_by(vec![service(80, &[1, 2])], None);
    let mut second = World::new(kernel.clone());
    second.configure(vec![service(80, &[1, 2])], Some(&kernel));
    assert_eq!(second.killed, []);
}
