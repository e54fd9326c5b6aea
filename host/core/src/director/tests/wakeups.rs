//! The director is woken when there is something to do, and not before.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Health(u8, bool),
    Count(u8, u32),
    Broken(bool),
    /// The kernel can be read and changed, or cannot.
    Kernel(bool),
    Touched,
    Resync,
    Configure(Vec<u8>, bool),
    /// The effects that were held back are carried out.
    CarryOut,
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (1u8..4, any::<bool>()).prop_map(|(server, up)| Act::Health(server, up)),
        (1u8..4, 0u32..4).prop_map(|(server, active)| Act::Count(server, active)),
        any::<bool>().prop_map(Act::Broken),
        any::<bool>().prop_map(Act::Kernel),
        Just(Act::Touched),
        Just(Act::Resync),
        (
            proptest::sample::subsequence(vec![1, 2, 3], 1..4),
            any::<bool>()
        )
            .prop_map(|(servers, decides)| Act::Configure(servers, decides)),
        Just(Act::CarryOut),
        Just(Act::CarryOut),
        (0u64..100).prop_map(Act::Pass),
        (0u64..100_000).prop_map(Act::Pass),
    ]
}

fn configured(servers: &[u8], decides: bool) -> Vec<Service> {
    let decision = if decides {
        Decision::PerConnection
    } else {
        Decision::Plan
    };
    let first = Service {
        decision,
        ..service(80, servers)
    };
    vec![first, service(81, servers)]
}

/// As [`World::carry_out`], but a kernel that does not work refuses everything.
fn carry_out(world: &mut World, effect: Effect, works: bool) {
    let input = match effect {
        Effect::Kernel(KernelStep::Read) if !works => Some(Input::Read(None)),
        Effect::Kernel(KernelStep::Apply(changes)) if !works => Some(Input::Applied {
            changes,
            outcome: ApplyOutcome::Failed,
            took: Duration::ZERO,
        }),
        effect => world.carry_out(effect),
    };
    if let Some(input) = input {
        world.director.handle(input, world.now);
    }
}

proptest! {
    #[test]
    fn a_director_that_was_asked_what_to_do_is_not_to_be_woken_at_once(acts in proptest::collection::vec(act(), 0..80)) {
        let mut world = World::new(State::default());
        world.configure(configured(&[1, 2], true), None);
        let mut works = true;
        let mut under_way: Vec<Effect> = Vec::new();
        for act in acts {
            match act {
                Act::Health(server, up) => {
                    let health = world.health_of(up);
                    let (service, server) = (key(80), address(server));
                    world.director.handle(Input::Health { service, server, health }, world.now);
                }
                Act::Count(server, active) => {
                    let owned = world.kernel.services.get(&key(80)).into_iter().flat_map(|it| &it.backends);
                    let id = owned.filter(|(_, it)| it.address == address(server)).map(|(id, _)| *id).next();
                    let counts = Counts { active, inactive: 0, total: u64::from(active), ..Counts::default() };
                    world.director.handle(Input::Counted(id.map(|id| (id, counts)).into_iter().collect()), world.now);
                }
                Act::Broken(broken) => world.broken.store(broken, Ordering::Relaxed),
                Act::Kernel(now) => works = now,
                Act::Touched => world.director.handle(Input::Touched, world.now),
                Act::Resync => world.now += RESYNC,
                Act::Configure(servers, decides) => {
                    let config = world.config(configured(&servers, decides));
                    world.director.configure(config, None, world.now);
                }
                Act::CarryOut => {
                    for effect in std::mem::take(&mut under_way) {
                        carry_out(&mut world, effect, works);
                    }
                }
                Act::Pass(millis) => world.now += Duration::from_millis(millis),
            }
            under_way.extend(world.director.effects(world.now));
            let at = world.director.poll_at();
            prop_assert!(at.is_none_or(|at| at > world.now), "to be woken {:?} ago", at.map(|at| world.now - at));
        }
        // Whatever there was: with a kernel and a scheduler that work it ends where it should, in a bounded number of
        // wakeups.
        world.broken.store(false, Ordering::Relaxed);
        let end = world.now + Duration::from_secs(120);
        let mut wakeups = 0;
        loop {
            for effect in std::mem::take(&mut under_way) {
                carry_out(&mut world, effect, true);
            }
            under_way = world.director.effects(world.now);
            if under_way.is_empty() {
                world.now = world.director.poll_at().unwrap();
                wakeups += 1;
                if world.now > end {
                    break;
                }
            }
        }
        // The renewal of the fallback plan each second, the resync and one restart.
        prop_assert!(wakeups < 2 * 120 + 30, "{wakeups} wakeups in two minutes");
        prop_assert!(world.director.settled());
        prop_assert_eq!(&world.kernel, world.director.sync.wanted());
    }
}

#[test]
fn while_the_kernel_cannot_be_read_the_director_sleeps_between_the_retries() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    let end = world.now + Duration::from_secs(3600);
    let mut wakeups = 0;
    while world.now < end {
        for effect in world.director.effects(world.now) {
            carry_out(&mut world, effect, false);
        }
        assert!(world.director.effects(world.now).is_empty());
        let at = world.director.poll_at().unwrap();
        assert!(at > world.now, "awake again at once");
        world.now = at;
        wakeups += 1;
    }
    assert!(wakeups < 3600 / 30 + 20, "{wakeups} wakeups in an hour");
}
