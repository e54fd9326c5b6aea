//! What the kernel is left with when the daemon ends.

use super::*;

/// Makes the plan of a scheduler that goes by counts uneven, as it is for the next moment, and has it put into the
/// kernel: with a step under way that is carried out later.
fn begin_momentary_plan(world: &mut World) -> Vec<Effect> {
    let momentary = Spread::Slots {
        selector: Selector::Sequence,
        slots: vec![world.id(2)],
    };
    let service = world.director.services.get_mut(&key(80)).unwrap();
    service.last_good = Some(momentary);
    world.director.want(key(80));
    let effects = world.director.effects(world.now);
    assert!(matches!(
        effects[..],
        [Effect::Kernel(KernelStep::Apply(_))]
    ));
    effects
}

/// As the daemon does: carries out what there is while a step is under way.
fn leave(world: &mut World, mut under_way: Vec<Effect>) {
    world.director.leave();
    loop {
        under_way.extend(world.director.effects(world.now));
        if !world.director.changes_kernel() {
            return;
        }
        for effect in std::mem::take(&mut under_way) {
            if let Some(input) = world.carry_out(effect) {
                world.director.handle(input, world.now);
            }
        }
    }
}

#[test]
fn a_step_that_is_under_way_at_the_end_is_followed_by_shares_that_hold_for_long() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    let under_way = begin_momentary_plan(&mut world);
    leave(&mut world, under_way);
    assert_eq!(world.slots(), [1, 2]);
}

#[test]
fn a_plan_that_comes_after_the_end_has_begun_is_not_followed() {
    let mut world = World::new(State::default());
    world.configure(vec![service(80, &[1, 2])], None);
    world.held = Some(Vec::new());
    world.health(1, false);
    let (service, job) = world.held.take().unwrap().remove(0);
    leave(&mut world, Vec::new());
    let (generation, result) = (job.generation(), job.run());
    let done = Input::SchedulerDone {
        service,
        generation,
        result,
        took: Duration::ZERO,
    };
    world.director.handle(done, world.now);
    world.health(1, true);
    assert!(world.director.effects(world.now).is_empty());
    assert_eq!(world.slots(), [2]);
}

#[test]
fn a_daemon_that_ends_before_it_has_begun_leaves_the_kernel_alone() {
    let mut first = World::new(State::default());
    first.configure(vec![service(80, &[1, 2])], None);
    let left = first.kernel.clone();
    for services in [vec![service(81, &[1])], Vec::new()] {
        let mut world = World::new(left.clone());
        world.held = Some(Vec::new());
        let config = world.config(services);
        world.director.configure(config, Some(&left), world.now);
        leave(&mut world, Vec::new());
        world.settle();
        assert_eq!(world.kernel, left);
    }
}
