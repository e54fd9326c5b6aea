//! Backup servers, the sorry server, servers that come back slowly, and commands that are run.

use super::*;
use crate::model::{ServerNotify, ServerRole, WhenAllDown};

fn with_roles(roles: &[ServerRole]) -> Service {
    let numbers: Vec<u8> = (1..).take(roles.len()).collect();
    let mut spec = service(80, &numbers);
    for (server, role) in spec.servers.iter_mut().zip(roles) {
        server.role = *role;
    }
    spec
}

#[test]
fn a_backup_server_is_in_the_kernel_as_soon_as_it_is_needed_and_no_longer() {
    use ServerRole::{Backup, Regular};
    let mut world = World::new(State::default());
    world.configure(vec![with_roles(&[Regular, Regular, Backup])], None);
    assert_eq!(world.slots(), [1, 2]);
    world.health(1, false);
    assert_eq!(world.slots(), [2], "one is enough for a quorum of 1");
    world.health(2, false);
    assert_eq!(world.slots(), [3]);
    assert!(
        world.director.report()[0].quorum,
        "it counts while it is used"
    );
    let states: Vec<_> = world.director.report()[0]
        .servers
        .iter()
        .map(|it| it.state)
        .collect();
    assert_eq!(
        states,
        [ServerState::Down, ServerState::Down, ServerState::Up]
    );
    world.health(2, true);
    assert_eq!(world.slots(), [2]);
    let standby = &world.director.report()[0].servers[2];
    assert_eq!(
        (standby.state, standby.effective_weight),
        (ServerState::Standby, 0)
    );
    // Over a reload, too.
    world.configure(vec![with_roles(&[Regular, Regular, Backup])], None);
    assert_eq!(world.slots(), [2]);
}

#[test]
fn the_sorry_server_counts_for_no_quorum() {
    use ServerRole::{Regular, Sorry};
    let mut world = World::new(State::default());
    world.configure(vec![with_roles(&[Regular, Sorry])], None);
    world.health(1, false);
    assert_eq!(world.slots(), [2]);
    assert!(!world.director.report()[0].quorum);
}

#[test]
fn when_all_are_down_those_that_were_up_last_are_used_if_that_is_wanted() {
    let mut spec = service(80, &[1, 2]);
    spec.pool.when_all_down = WhenAllDown::UseLast;
    let mut world = World::new(State::default());
    world.configure(vec![spec], None);
    world.health(1, false);
    world.health(2, false);
    assert_eq!(world.slots(), [2]);
    assert_eq!(
        world.director.report()[0].servers[1].state,
        ServerState::Forced
    );
    world.health(1, true);
    assert_eq!(world.slots(), [1]);
}

#[test]
fn a_server_that_comes_back_has_its_whole_weight_after_its_slow_start_and_not_before() {
    let mut spec = service(80, &[1, 2]);
    spec.pool.slow_start = Some(Duration::from_secs(20));
    let mut world = World::new(State::default());
    world.configure(vec![spec], None);
    let weights = |world: &World| -> Vec<u32> {
        let service = world.director.services.values().next().unwrap();
        service.servers.iter().map(|it| it.weight()).collect()
    };
    assert_eq!(weights(&world), [1, 1], "nobody has come back at the start");
    world.health(1, false);
    world.health(1, true);
    assert_eq!(weights(&world), [1, 20], "weights of 1 are multiplied");
    let report = &world.director.report()[0].servers;
    assert_eq!(
        (report[0].slow_start, report[0].effective_weight),
        (Some(5), 1)
    );
    let begin = world.now;
    let mut steps = Vec::new();
    while let Some(at) = world
        .director
        .poll_at()
        .filter(|at| *at <= begin + Duration::from_secs(20))
    {
        world.now = at;
        world.settle();
        steps.push(weights(&world)[0]);
    }
    steps.dedup();
    let growing: Vec<u32> = (2..=19).chain([1]).collect();
    assert!(steps.ends_with(&growing), "{steps:?}");
    assert_eq!(weights(&world), [1, 1]);
    assert_eq!(world.director.report()[0].servers[0].slow_start, None);
    // It fails again while it comes back: then it begins anew.
    world.health(1, false);
    world.health(1, true);
    world.now += Duration::from_secs(10);
    world.settle();
    assert_eq!(weights(&world), [10, 20]);
    world.health(1, false);
    assert_eq!(weights(&world)[0], 0);
    world.health(1, true);
    assert_eq!(weights(&world), [1, 20]);
}

#[test]
fn commands_run_when_servers_and_the_quorum_come_and_go() {
    let mut spec = service(80, &[1, 2]);
    spec.quorum = 2;
    let word = |word: &str| vec![word.to_owned()];
    spec.notify.quorum_up = word("quorum-up");
    spec.notify.quorum_down = word("quorum-down");
    spec.servers[0].notify = Some(Box::new(ServerNotify {
        up: word("up"),
        down: word("down"),
    }));
    let name = spec.name.clone();
    let server = format!("{name}/{}", spec.servers[0].name);
    let mut world = World::new(State::default());
    world.configure(vec![spec.clone()], None);
    // How a server is found is no news of it; the quorum is told in any case.
    world.health(1, true);
    assert_eq!(
        std::mem::take(&mut world.ran),
        [format!("{name}: quorum-up")]
    );
    world.health(1, false);
    let down = [format!("{server}: down"), format!("{name}: quorum-down")];
    assert_eq!(std::mem::take(&mut world.ran), down);
    world.health(1, true);
    let up = [format!("{server}: up"), format!("{name}: quorum-up")];
    assert_eq!(std::mem::take(&mut world.ran), up);
    world.health(2, false);
    assert_eq!(
        std::mem::take(&mut world.ran),
        [format!("{name}: quorum-down")]
    );

    assert!(world.director.last_commands().is_empty());
    spec.notify.omega = true;
    world.configure(vec![spec], None);
    world.health(2, true);
    let last: Vec<String> = world
        .director
        .last_commands()
        .into_iter()
        .map(|(of, command)| format!("{of}: {}", command.join(" ")))
        .collect();
    assert_eq!(last, down);
}
