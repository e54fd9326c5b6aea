//! Sync groups: two instances, one on each side, that are master together or not at all.

use proptest::prelude::*;

use super::super::{Command, Reading};
use super::world::{Act, World};
use super::*;
use crate::model::{SyncGroup, Track, Tracked};

fn pair(priority: u8) -> Vrrp {
    let outside = VrrpInstance {
        addresses: vec![address("10.10.54.151", "eth0")],
        ..instance(priority)
    };
    let inside = VrrpInstance {
        name: "VI_2".to_owned(),
        interface: "eth1".to_owned(),
        router_id: 52,
        addresses: vec![address("172.16.50.254", "eth1")],
        ..instance(priority)
    };
    let group = SyncGroup {
        name: "both".to_owned(),
        members: vec!["VI_1".to_owned(), "VI_2".to_owned()],
        notify: Notify::default(),
    };
    Vrrp {
        instances: vec![outside, inside],
        groups: vec![group],
        ..Vrrp::default()
    }
}

/// The sockets of both hear.
fn open_sockets(router: &mut Router, now: Instant) {
    for instance in ["VI_1", "VI_2"] {
        let hearing = Hearing::Works;
        router.handle(Input::Hearing { instance, hearing }, now);
    }
}

fn world(seed: u64) -> World {
    World::new(vec![pair(120), pair(80)], 10 * MS, seed)
}

fn holders(world: &World) -> [Vec<usize>; 2] {
    ["VI_1", "VI_2"].map(|name| world.holders(name))
}

/// How long the members were held by different machines.
fn divided(world: &World, since: Instant) -> Duration {
    let ends = world
        .history
        .iter()
        .skip(1)
        .map(|(at, _)| *at)
        .chain([world.now]);
    let times = world.history.iter().zip(ends);
    let apart = times.filter(|((_, holders), _)| holders["VI_1"] != holders["VI_2"]);
    apart
        .map(|((from, _), to)| to.saturating_duration_since(since.max(*from)))
        .sum()
}

#[test]
fn the_failure_of_either_side_moves_both() {
    for side in [0, 1] {
        let mut world = world(1);
        world.pass(1000 * MS);
        assert_eq!(holders(&world), [[0], [0]]);
        let begin = world.now;
        world.act(Act::Cut(0, side));
        world.pass(1000 * MS);
        assert_eq!(holders(&world), [[1], [1]], "side {side}");
        assert!(divided(&world, begin) < 400 * MS);
        world.act(Act::Mend(0, side));
        world.pass(3000 * MS);
        assert_eq!(holders(&world), [[0], [0]], "side {side}");
    }
}

#[test]
fn a_member_that_hears_no_master_alone_waits_for_the_other() {
    let mut router = Router::new(&pair(80), start());
    let begin = start();
    for (name, host) in [("eth0", "10.10.54.156"), ("eth1", "172.16.50.156")] {
        router.handle(
            Input::Interface {
                name,
                up: true,
                ipv4: Some(ip(host)),
                ipv6: None,
            },
            begin,
        );
    }
    open_sockets(&mut router, begin);
    router.handle(Input::Ready, begin);
    let advert = Advert {
        addresses: vec![ip("10.10.54.151")],
        ..advert(120)
    };
    let payload = advert.encode(ip("10.10.54.155"), GROUP, Checksum::PseudoHeader);
    for tenth in 0..30 {
        let now = begin + tenth * 100 * MS;
        router.poll(now);
        router.handle(
            Input::Received {
                interface: "eth0",
                source: ip("10.10.54.155"),
                destination: GROUP,
                ttl: 255,
                payload: &payload,
            },
            now,
        );
        assert!(
            router
                .report(now)
                .iter()
                .all(|it| it.state == State::Backup),
            "{tenth}"
        );
    }
    let now = begin + Duration::from_millis(3_300);
    router.poll(now);
    assert!(
        router
            .report(now)
            .iter()
            .all(|it| it.state == State::Master)
    );
    assert_eq!(router.groups()[0].state, State::Master);
}

#[test]
fn a_word_to_one_member_is_a_word_to_the_group() {
    let mut world = world(3);
    world.pass(1000 * MS);
    let begin = world.now;
    world.act(Act::Resign(0));
    world.pass(1000 * MS);
    assert_eq!(holders(&world), [[1], [1]]);
    assert_eq!(world.longest(begin, |holders| holders == 0), Duration::ZERO);
    world.act(Act::Take(0));
    world.pass(1000 * MS);
    assert_eq!(holders(&world), [[0], [0]]);
    assert_eq!(world.longest(begin, |holders| holders == 0), Duration::ZERO);
}

#[test]
fn resigning_to_nobody_keeps_the_addresses() {
    let mut world = World::new(vec![pair(120)], 10 * MS, 1);
    world.pass(1000 * MS);
    let begin = world.now;
    world.act(Act::Resign(0));
    world.pass(5000 * MS);
    assert_eq!(holders(&world), [[0], [0]]);
    assert_eq!(world.longest(begin, |holders| holders == 0), Duration::ZERO);
}

#[test]
fn the_group_is_told_after_its_members() {
    let begin = start();
    let mut router = Router::new(&pair(120), begin);
    for name in ["eth0", "eth1"] {
        let ipv4 = Some(ip("10.10.54.155"));
        router.handle(
            Input::Interface {
                name,
                up: true,
                ipv4,
                ipv6: None,
            },
            begin,
        );
    }
    open_sockets(&mut router, begin);
    router.handle(Input::Ready, begin);
    router.outputs();
    router.poll(begin + Duration::from_millis(400));
    let told: Vec<String> = router.outputs().iter().map(short).collect();
    let told: Vec<&str> = told
        .iter()
        .map(String::as_str)
        .filter(|it| it.starts_with("notify"))
        .collect();
    assert_eq!(
        told,
        ["notify Master", "notify Master", "notify group Master"]
    );
    let command = Command::Resign;
    router.handle(
        Input::Command {
            instance: Some("VI_2"),
            command,
        },
        begin + Duration::from_secs(2),
    );
    assert_eq!(router.groups()[0].state, State::Backup);
    assert!(router.report(begin).iter().all(|it| it.resigned));
}

#[test]
fn a_group_that_a_reload_makes_of_a_master_and_a_backup_comes_together() {
    // Each is master of one side.
    let apart = |outside: u8, inside: u8| {
        let mut config = pair(outside);
        config.instances[1].priority = inside;
        config.groups.clear();
        config
    };
    let configs = [apart(120, 80), apart(80, 120)];
    let mut world = World::new(configs.to_vec(), 10 * MS, 4);
    world.pass(1000 * MS);
    assert_eq!(holders(&world), [[0], [1]]);
    for (at, config) in configs.into_iter().enumerate() {
        let groups = pair(1).groups;
        world.reload(at, Vrrp { groups, ..config });
    }
    world.pass(3000 * MS);
    let [outside, inside] = holders(&world);
    assert_eq!(outside, inside);
    assert_eq!(outside.len(), 1);
}

#[test]
fn what_one_member_tracks_counts_for_all() {
    let script = Tracked::Script("web".to_owned());
    let mut config = pair(100);
    config.instances[1].track = vec![Track {
        what: script.clone(),
        weight: -30,
        reverse: false,
    }];
    let begin = start();
    let mut router = Router::new(&config, begin);
    router.handle(
        Input::Tracked {
            what: &script,
            reading: Reading::Down,
        },
        begin,
    );
    let priorities: Vec<u8> = router.report(begin).iter().map(|it| it.priority).collect();
    assert_eq!(priorities, [70, 70]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_on_either_side_the_two_end_up_together(
        trouble in prop::collection::vec((0..60u32, 0..2usize, 0..2usize, 0..8usize), 0..20),
        seed in any::<u64>(),
    ) {
        let mut world = world(seed);
        for (tenths, at, side, what) in trouble {
            world.pass(tenths * 10 * MS);
            world.act(match what {
                0 | 1 => Act::Cut(at, side),
                2 => Act::Mend(at, side),
                3 => Act::Crash(at),
                4 => Act::Start(at),
                5 => Act::Part(0, 1),
                6 => Act::Join(0, 1),
                _ => Act::Lose(40),
            });
        }
        world.act(Act::Lose(0));
        world.act(Act::Join(0, 1));
        for at in 0..2 {
            for side in 0..2 {
                world.act(Act::Mend(at, side));
            }
            world.act(Act::Start(at));
        }
        world.pass(5000 * MS);
        let settled = world.now;
        world.pass(5000 * MS);
        prop_assert_eq!(holders(&world), [[0], [0]], "{:#?}", &world.history);
        prop_assert_eq!(divided(&world, settled), Duration::ZERO);
    }
}
