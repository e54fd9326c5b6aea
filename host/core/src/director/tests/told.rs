//! What schedulers are told.

use super::*;
use crate::scheduler::BackendHealth;

impl World {
    /// Each server that its scheduler knows: the last byte of its address, weight, health, and whether a plan may name it.
    fn known(&self) -> Vec<(String, u32, BackendHealth, bool)> {
        let told = self.plugin.told.lock();
        let known = |it: &SchedulerBackend| (it.name.clone(), it.weight, it.health, it.usable);
        told.backends.iter().map(known).collect()
    }

    fn roles(&self) -> Vec<DirectorRole> {
        std::mem::take(&mut self.plugin.told.lock().roles)
    }
}

#[test]
fn a_scheduler_knows_of_failed_and_degraded_servers_too() {
    let mut world = World::new(State::default());
    let mut spec = service(80, &[1, 2, 3]);
    for server in &mut spec.servers {
        server.weight = 10;
    }
    spec.servers[2].inhibit_on_failure = true;
    let names: Vec<String> = spec.servers.iter().map(|it| it.name.clone()).collect();
    world.configure(vec![spec], None);
    world.health(1, false);
    world.health(3, false);
    let health = ServerHealth {
        share: 50,
        ..world.health_of(true)
    };
    let input = Input::Health {
        service: key(80),
        server: address(2),
        health,
    };
    world.director.handle(input, world.now);
    world.settle();
    assert_eq!(
        world.known(),
        [
            (names[0].clone(), 0, BackendHealth::Failed, false),
            (names[1].clone(), 5, BackendHealth::Degraded(50), true),
            (names[2].clone(), 0, BackendHealth::Failed, true),
        ]
    );
    assert_eq!(world.slots(), [2]);
    let told = world.plugin.told.lock();
    assert!(told.backends.iter().all(|it| it.configured_weight == 10));
}

#[test]
fn a_scheduler_is_told_of_this_directors_role_once_for_each_change() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    assert_eq!(
        world.roles(),
        [DirectorRole::Alone],
        "it was made before that was known"
    );
    for role in [
        DirectorRole::Backup,
        DirectorRole::Backup,
        DirectorRole::Master,
    ] {
        world.director.set_roles([(key(80), role)].into());
        world.settle();
    }
    assert_eq!(world.roles(), [DirectorRole::Backup, DirectorRole::Master]);
    // A new instance is made with it.
    world.broken.store(true, Ordering::Relaxed);
    world.health(1, false);
    world.broken.store(false, Ordering::Relaxed);
    world.director.set_roles(BTreeMap::new());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.problem(), None);
    assert_eq!(world.roles(), []);
}
