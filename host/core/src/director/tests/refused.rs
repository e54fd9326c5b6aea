//! A service that the kernel refuses is told of, and holds up no other.

use super::*;
use crate::state::Change;

/// Does what the director says; a kernel that takes no service of this port.
fn settle_without(world: &mut World, port: Option<u16>) {
    loop {
        let effects = world.director.effects(world.now);
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            let refused =
                |change: &Change| matches!(change, Change::Put(key, _) if Some(key.port) == port);
            let input = match effect {
                Effect::Kernel(KernelStep::Apply(changes)) if changes.iter().any(refused) => {
                    Some(Input::Applied {
                        changes,
                        outcome: ApplyOutcome::Refused("no such scheduler".to_owned()),
                        took: Duration::ZERO,
                    })
                }
                effect => world.carry_out(effect),
            };
            if let Some(input) = input {
                world.director.handle(input, world.now);
            }
        }
    }
}

fn problems(world: &World) -> Vec<Option<String>> {
    let reports = world.director.report().into_iter();
    reports.map(|it| it.kernel_problem).collect()
}

#[test]
fn a_start_with_a_service_that_the_kernel_refuses_serves_the_others_and_a_reload_tries_it_again() {
    let mut world = World::new(State::default());
    let services = || vec![service(80, &[1, 2]), service(81, &[3])];
    let config = world.config(services());
    world.director.configure(config, None, world.now);
    settle_without(&mut world, Some(81));
    assert_eq!(world.slots(), [1, 2]);
    assert!(world.director.settled(), "nothing else is to be done");
    assert!(world.director.is_refused());
    assert_eq!(
        problems(&world),
        [None, Some("no such scheduler".to_owned())]
    );
    // A server of the other service fails.
    let health = world.health_of(false);
    let (service, server) = (key(80), address(1));
    let input = Input::Health {
        service,
        server,
        health,
    };
    world.director.handle(input, world.now);
    settle_without(&mut world, Some(81));
    assert_eq!(world.slots(), [2]);
    // A reload in the same instant: what stood in its way has gone.
    let config = world.config(services());
    world.director.configure(config, None, world.now);
    settle_without(&mut world, None);
    assert!(world.kernel.services.contains_key(&key(81)));
    assert!(!world.director.is_refused());
    assert_eq!(problems(&world), [None, None]);
}

#[test]
fn a_refused_service_that_leaves_the_configuration_is_forgotten_at_once() {
    let mut world = World::new(State::default());
    let config = world.config(vec![service(80, &[1]), service(81, &[3])]);
    world.director.configure(config, None, world.now);
    settle_without(&mut world, Some(81));
    let config = world.config(vec![service(80, &[1])]);
    world.director.configure(config, None, world.now);
    settle_without(&mut world, Some(81));
    assert!(!world.director.is_refused());
    assert_eq!(problems(&world), [None]);
    assert_eq!(&world.kernel, world.director.sync.wanted());
}
