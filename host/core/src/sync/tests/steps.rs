//! Large changes are made in steps, and who changes much waits.

use super::*;
use crate::state::Backend;

const LARGE: u32 = 20_000;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

/// A service of these servers whose slots are theirs.
fn large(servers: &[u32], slots: impl Iterator<Item = u32>) -> ServiceState {
    let backend = |n: &u32| {
        let port = u16::try_from(*n).unwrap();
        (
            id(*n),
            Backend::from(std::net::SocketAddr::from(([10, 1, 0, 1], port))),
        )
    };
    ServiceState {
        backends: servers.iter().map(backend).collect(),
        spread: Spread::Slots {
            selector: Selector::HashSource,
            slots: slots.map(id).collect(),
        },
        ..service(1)
    }
}

/// In turn, beginning with a server.
fn rotated(by: u32) -> ServiceState {
    large(&[1, 2, 3], (0..LARGE).map(|slot| 1 + (slot + by) % 3))
}

fn slots(state: &ServiceState) -> &[BackendId] {
    match &state.spread {
        Spread::Slots { slots, .. } => slots,
        Spread::Refuse | Spread::Groups(_) => &[],
    }
}

/// A kernel in memory that takes its time.
struct Kernel {
    sync: KernelSync,
    held: State,
    now: Instant,
    /// For each changed slot.
    each: Duration,
    /// How many slots the last step changed, of each service.
    changed: BTreeMap<ServiceKey, usize>,
    took: Duration,
}

impl Kernel {
    /// That holds these.
    fn holding(services: &[(ServiceKey, ServiceState)]) -> Self {
        let held = State {
            services: services.iter().cloned().collect(),
            ..State::default()
        };
        let now = epoch();
        let mut sync = KernelSync::new(held.clone(), RESYNC, now);
        sync.make_steps();
        for (key, state) in services {
            sync.want(*key, Some(state.clone()));
        }
        sync.release();
        assert_eq!(sync.next(now), None);
        Self {
            sync,
            held,
            now,
            each: Duration::from_micros(6),
            changed: BTreeMap::new(),
            took: Duration::ZERO,
        }
    }

    /// Makes the next step, if there is one now. Each state in between is whole.
    fn step(&mut self) -> bool {
        let changes = match self.sync.next(self.now) {
            Some(KernelStep::Apply(changes)) => changes,
            Some(KernelStep::Read) => {
                self.sync.read_done(Some(self.held.clone()), self.now);
                return true;
            }
            None => return false,
        };
        self.changed.clear();
        for change in &changes {
            if let Change::Put(key, after) = change {
                assert!(
                    slots(after)
                        .iter()
                        .all(|id| after.backends.contains_key(id))
                );
                let before = self.held.services.get(key).map(slots).unwrap_or_default();
                let same = before
                    .iter()
                    .zip(slots(after))
                    .filter(|(a, b)| a == b)
                    .count();
                let changed = before.len().max(slots(after).len()) - same;
                self.changed.insert(*key, changed);
            }
        }
        apply(&mut self.held, &changes);
        let changed: usize = self.changed.values().sum();
        let took = self.each * u32::try_from(changed).unwrap();
        self.now += took;
        self.took += took;
        self.sync.charge(took, self.now);
        self.sync.applied(ApplyOutcome::Done, self.now);
        true
    }

    fn run_until_idle(&mut self) {
        while self.step() {}
    }
}

#[test]
fn a_large_change_is_made_in_steps_that_take_no_longer_than_they_should() {
    let mut kernel = Kernel::holding(&[(key(80), rotated(0))]);
    kernel.sync.want(key(80), Some(rotated(1)));
    let mut steps = 0;
    while kernel.step() {
        steps += 1;
        let took = kernel.each * u32::try_from(kernel.changed[&key(80)]).unwrap();
        assert!(took <= Duration::from_millis(21), "{took:?}");
    }
    assert!(steps > 5, "{steps}");
    assert_eq!(kernel.held.services[&key(80)], rotated(1));
}

#[test]
fn steps_become_smaller_where_the_kernel_is_slower() {
    let mut kernel = Kernel::holding(&[(key(80), rotated(0))]);
    kernel.each = Duration::from_micros(50);
    kernel.sync.want(key(80), Some(rotated(1)));
    assert!(kernel.step() && kernel.step());
    let took = kernel.each * u32::try_from(kernel.changed[&key(80)]).unwrap();
    assert!(took <= Duration::from_millis(21), "{took:?}");
}

#[test]
fn the_slots_of_a_dead_server_change_first_and_it_is_there_until_the_last_of_them_has() {
    let mut kernel = Kernel::holding(&[(key(80), rotated(0))]);
    let without = large(&[2, 3], (0..LARGE).map(|slot| 2 + (slot / 2) % 2));
    kernel.sync.want(key(80), Some(without.clone()));
    let dead = |kernel: &Kernel| {
        let all = slots(&kernel.held.services[&key(80)]).iter();
        all.filter(|it| **it == id(1)).count()
    };
    let mut before = dead(&kernel);
    while before > 0 {
        assert!(kernel.held.services[&key(80)].backends.contains_key(&id(1)));
        assert!(kernel.step());
        let now = dead(&kernel);
        assert!(now == 0 || before - now == kernel.changed[&key(80)]);
        before = now;
    }
    kernel.run_until_idle();
    assert_eq!(kernel.held.services[&key(80)], without);
}

#[test]
fn a_plan_of_another_length_or_selector_is_reached_in_steps_too() {
    let others = [
        large(&[1, 2, 3], (0..LARGE - 999).map(|slot| 1 + (slot + 1) % 3)),
        large(&[1, 2, 3], (0..LARGE + 999).map(|slot| 1 + (slot + 1) % 3)),
        ServiceState {
            spread: Spread::Slots {
                selector: Selector::Sequence,
                slots: slots(&rotated(1)).to_vec(),
            },
            ..rotated(1)
        },
    ];
    for other in others {
        let mut kernel = Kernel::holding(&[(key(80), rotated(0))]);
        kernel.sync.want(key(80), Some(other.clone()));
        let mut largest = 0;
        while kernel.step() {
            largest = largest.max(kernel.changed[&key(80)]);
        }
        assert_eq!(kernel.held.services[&key(80)], other);
        assert!(largest < 6_000, "{largest}");
    }
}

#[test]
fn a_service_whose_plan_changes_all_the_time_has_a_tenth_of_the_time_and_others_change_at_once() {
    let small = |n| large(&[7, 8], [7, 7 + n].into_iter());
    let mut kernel = Kernel::holding(&[(key(80), rotated(0)), (key(81), small(0))]);
    let start = kernel.now;
    let mut longest = Duration::ZERO;
    for turn in 0..750_u32 {
        kernel.sync.want(key(80), Some(rotated(turn)));
        kernel.step();
        if turn % 50 == 0 {
            let wanted = kernel.now;
            let state = small(u32::from(kernel.held.services[&key(81)] == small(0)));
            kernel.sync.want(key(81), Some(state.clone()));
            while kernel.held.services[&key(81)] != state {
                assert!(kernel.step());
            }
            longest = longest.max(kernel.now - wanted);
        }
        kernel.now += Duration::from_millis(40);
    }
    let share = kernel.took.as_secs_f64() / (kernel.now - start).as_secs_f64();
    assert!(share < 0.12, "{share}");
    assert!(longest < Duration::from_millis(50), "{longest:?}");
}

#[test]
fn a_dead_server_leaves_a_service_that_has_to_wait_and_the_rest_of_its_plan_waits() {
    let mut kernel = Kernel::holding(&[(key(80), rotated(0))]);
    for turn in 1..8 {
        kernel.sync.want(key(80), Some(rotated(turn)));
        kernel.run_until_idle();
    }
    kernel.sync.want(key(80), Some(rotated(8)));
    assert!(!kernel.step(), "it has to wait");
    assert!(kernel.sync.poll_at().unwrap() > kernel.now);
    assert!(kernel.sync.settled(), "it is there");
    let held = kernel.held.services[&key(80)].clone();
    let fewer = large(&[1, 2], (0..LARGE).map(|slot| 1 + slot % 2));
    kernel.sync.want(key(80), Some(fewer.clone()));
    kernel.run_until_idle();
    let now = &kernel.held.services[&key(80)];
    assert!(slots(now).iter().all(|it| *it != id(3)));
    let kept = slots(&held)
        .iter()
        .zip(slots(now))
        .filter(|(a, _)| **a != id(3));
    assert!(kept.clone().count() > 0 && kept.clone().all(|(a, b)| a == b));
    // In time all of it is made; or at once, at the end of the daemon.
    let mut other = kernel.sync.clone();
    other.hurry();
    assert!(matches!(other.next(kernel.now), Some(KernelStep::Apply(_))));
    while kernel.held.services[&key(80)] != fewer {
        kernel.now = kernel.sync.poll_at().unwrap().max(kernel.now);
        kernel.run_until_idle();
    }
}

#[test]
fn what_is_new_goes_in_as_a_whole_and_many_small_services_together() {
    let mut kernel = Kernel::holding(&[(key(80), rotated(0))]);
    for port in 1000..3000 {
        kernel.sync.want(key(port), Some(service(u32::from(port))));
    }
    assert!(kernel.step());
    assert_eq!(kernel.changed.len(), 2000);
    let new = large(&[9], (0..LARGE).map(|_| 9));
    kernel.sync.want(key(81), Some(new));
    assert!(kernel.step());
    assert_eq!(kernel.held.services.len(), 2002);
    assert!(!kernel.step());
}

#[test]
fn a_data_plane_without_slots_gets_every_plan_as_a_whole() {
    let now = epoch();
    let mut held = State::default();
    held.services.insert(key(80), rotated(0));
    let mut sync = KernelSync::new(held, RESYNC, now);
    sync.want(key(80), Some(rotated(1)));
    sync.release();
    let put = Change::Put(key(80), rotated(1));
    assert_eq!(sync.next(now), Some(KernelStep::Apply(vec![put])));
}
