//! A daemon whose main loop hangs while its adverts go on.

use super::world::World;
use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// Without a sign of life for so long, it hangs.
const HANGS: Duration = Duration::from_secs(10);

/// Master, and its main loop gave a sign of life.
fn alive() -> Bench {
    let mut bench = Bench::master(instance(100));
    bench.give(Input::Alive);
    bench.outputs();
    bench
}

/// Master, and its main loop hangs: it has just handed over.
fn hanging() -> Bench {
    let mut bench = alive();
    bench.pass(HANGS - SECOND / 10);
    bench.outputs();
    bench.pass(SECOND / 10);
    bench
}

/// What was done, without the adverts and announcements of a master that goes on.
fn moves(bench: &mut Bench) -> Vec<String> {
    let mut deeds = bench.deeds();
    deeds.retain(|it| !it.starts_with("announce") && it != "send 100");
    deeds
}

#[test]
fn a_master_whose_main_loop_moves_stays_master() {
    let mut bench = alive();
    for _ in 0..100 {
        bench.pass(SECOND);
        bench.give(Input::Alive);
    }
    assert_eq!(moves(&mut bench), Vec::<String>::new());
}

#[test]
fn a_master_whose_main_loop_hangs_hands_over_and_keeps_its_addresses_until_another_is_heard() {
    let mut bench = alive();
    bench.pass(HANGS - MS);
    assert_eq!(moves(&mut bench), Vec::<String>::new());
    bench.pass(MS);
    assert_eq!(moves(&mut bench), ["send 0", "notify Backup"]);
    assert!(bench.holding());
    bench.hear("10.10.54.156", &advert(80));
    assert_eq!(moves(&mut bench), ["release"]);
    assert!(!bench.holding());
    // And leaves it alone, although its own priority is higher.
    for _ in 0..300 {
        bench.pass(SECOND / 10);
        bench.hear("10.10.54.156", &advert(80));
    }
    assert_eq!(moves(&mut bench), Vec::<String>::new());
}

#[test]
fn alone_it_goes_on_without_a_gap_and_tries_again_every_minute() {
    let mut bench = hanging();
    assert_eq!(moves(&mut bench), ["send 0", "notify Backup"]);
    bench.pass(SECOND);
    assert_eq!(moves(&mut bench), ["hold", "notify Master"]);
    bench.give(Input::Held { instance: "VI_1" });
    bench.pass(58 * SECOND);
    assert_eq!(moves(&mut bench), Vec::<String>::new());
    bench.pass(2 * SECOND);
    let again = ["send 0", "notify Backup", "hold", "notify Master"];
    assert_eq!(moves(&mut bench), again);
}

#[test]
fn one_that_goes_on_alone_yields_to_any_master_that_it_hears() {
    let mut bench = hanging();
    bench.pass(SECOND);
    bench.give(Input::Held { instance: "VI_1" });
    bench.outputs();
    bench.hear("10.10.54.156", &advert(1));
    // Not a last advert of 100: the other would yield to that.
    assert_eq!(bench.deeds(), ["send 0", "release", "notify Backup"]);
}

#[test]
fn once_it_moves_again_it_takes_part_in_the_election_again() {
    let mut bench = hanging();
    bench.hear("10.10.54.156", &advert(80));
    bench.pass(SECOND / 10);
    bench.hear("10.10.54.156", &advert(80));
    bench.outputs();
    bench.give(Input::Alive);
    for _ in 0..10 {
        bench.hear("10.10.54.156", &advert(80));
        bench.pass(SECOND / 10);
        bench.give(Input::Alive);
    }
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn a_backup_that_hangs_still_takes_over_where_there_is_no_master() {
    let mut bench = Bench::new(instance(100));
    bench.give(Input::Alive);
    for _ in 0..120 {
        bench.hear("10.10.54.156", &advert(200));
        bench.pass(SECOND / 10);
    }
    assert_eq!(bench.state(), State::Backup);
    bench.pass(SECOND);
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn a_process_that_was_stopped_as_a_whole_does_not_hang() {
    let mut bench = alive();
    bench.now += 100 * HANGS;
    bench.router.poll(bench.now);
    bench.give(Input::Alive);
    bench.pass(HANGS / 2);
    assert_eq!(moves(&mut bench), Vec::<String>::new());
}

#[test]
fn nobody_is_watched_over_before_the_first_sign_of_life_or_while_the_daemon_ends() {
    let mut bench = Bench::master(instance(100));
    bench.pass(10 * HANGS);
    assert_eq!(moves(&mut bench), Vec::<String>::new());
    bench.give(Input::Alive);
    bench.give(Input::Stop);
    bench.pass(10 * HANGS);
    assert_eq!(
        moves(&mut bench),
        ["send 0", "release", "notify Stop"],
        "as without"
    );
}

#[test]
fn of_a_pair_the_silent_backup_takes_over_without_a_gap() {
    let configs = [120, 80].map(|priority| config(instance(priority)));
    let mut world = World::new(configs.to_vec(), MS, 1);
    let live = |world: &mut World, which: &[usize], seconds: u32| {
        for _ in 0..seconds {
            which.iter().for_each(|at| world.alive(*at));
            world.pass(SECOND);
        }
    };
    live(&mut world, &[0, 1], 5);
    assert_eq!(world.holders("VI_1"), [0]);
    let begin = world.now;
    live(&mut world, &[1], 15);
    assert_eq!(world.holders("VI_1"), [1]);
    assert_eq!(world.longest(begin, |holders| holders == 0), Duration::ZERO);
    // It comes back, and nobody hears two masters for longer than it takes to yield.
    live(&mut world, &[0, 1], 5);
    assert_eq!(world.holders("VI_1"), [0]);
    assert_eq!(world.longest(begin, |holders| holders == 0), Duration::ZERO);
}
