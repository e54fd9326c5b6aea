//! One service that the kernel refuses holds up no other.

use super::*;

/// A kernel that refuses every batch in which one of these services is put.
#[derive(Default)]
struct Kernel {
    holds: State,
    refuses: BTreeSet<ServiceKey>,
    batches: usize,
    refused: usize,
    told: Vec<RefusedChange>,
}

impl Kernel {
    fn refusing(ports: impl IntoIterator<Item = u16>) -> Self {
        Self {
            refuses: ports.into_iter().map(key).collect(),
            ..Self::default()
        }
    }

    /// Carries out all that is to be done now.
    fn serve(&mut self, sync: &mut KernelSync, now: Instant) {
        while let Some(step) = sync.next(now) {
            match step {
                KernelStep::Read => {
                    sync.read_done(Some(self.holds.clone()), now);
                }
                KernelStep::Apply(changes) => {
                    self.batches += 1;
                    let bad = |it: &Change| matches!(it, Change::Put(key, _) if self.refuses.contains(key));
                    let outcome = if changes.iter().any(bad) {
                        self.refused += 1;
                        refused()
                    } else {
                        apply(&mut self.holds, &changes);
                        ApplyOutcome::Done
                    };
                    self.told.extend(sync.applied(outcome, now));
                }
            }
        }
    }

    fn ports(&self) -> Vec<u16> {
        self.holds.services.keys().map(|key| key.port).collect()
    }
}

#[test]
fn all_but_the_refused_service_are_in_the_kernel_at_once_and_it_is_named_with_the_reason() {
    let now = epoch();
    let mut sync = ready(now);
    for port in 1..=1000 {
        sync.want(key(port), Some(service(u32::from(port))));
    }
    let mut kernel = Kernel::refusing([700]);
    kernel.serve(&mut sync, now);
    let others: Vec<u16> = (1..=1000).filter(|port| *port != 700).collect();
    assert_eq!(kernel.ports(), others);
    // By halves: not one by one.
    assert!(kernel.batches < 25, "{} batches", kernel.batches);
    let subject = Subject::Service(key(700));
    assert_eq!(
        kernel.told,
        [RefusedChange {
            subject,
            why: "no such scheduler".to_owned(),
            wait: MIN_RETRY_DELAY
        }]
    );
    assert_eq!(sync.refusal(&subject), Some("no such scheduler"));
    assert_eq!(sync.refusals().count(), 1);
    assert!(sync.settled(), "nothing else is left to be done");
}

#[test]
fn only_the_refused_service_waits_longer_and_longer_and_a_change_of_another_goes_out_at_once() {
    let mut now = epoch();
    let mut sync = ready(now);
    sync.want(key(80), Some(service(1)));
    sync.want(key(81), Some(service(2)));
    let mut kernel = Kernel::refusing([80]);
    kernel.serve(&mut sync, now);
    let mut waits = Vec::new();
    for id in 10..22 {
        let refused = kernel.refused;
        sync.want(key(81), Some(service(id)));
        // It changes itself, too: as often as its scheduler likes.
        sync.want(key(80), Some(service(id + 100)));
        kernel.serve(&mut sync, now);
        assert_eq!(kernel.holds.services[&key(81)], service(id));
        assert_eq!(kernel.refused, refused, "it is left alone meanwhile");
        while kernel.refused == refused {
            now = sync.poll_at().unwrap();
            kernel.serve(&mut sync, now);
        }
        waits.push(kernel.told.last().unwrap().wait);
    }
    let doubled = (1..13).map(|n| (MIN_RETRY_DELAY * (1 << n)).min(MAX_RETRY_DELAY));
    assert_eq!(waits, doubled.collect::<Vec<_>>());
    // What was in its way has gone.
    kernel.refuses.clear();
    kernel.serve(&mut sync, now + MAX_RETRY_DELAY);
    assert_eq!(&kernel.holds, sync.wanted());
    assert_eq!(sync.refusals().count(), 0);
}

#[test]
fn a_reload_tries_it_at_once_and_its_waits_begin_anew() {
    let mut now = epoch();
    let mut sync = ready(now);
    sync.want(key(80), Some(service(1)));
    let mut kernel = Kernel::refusing([80]);
    for _ in 0..9 {
        kernel.serve(&mut sync, now);
        now += MAX_RETRY_DELAY;
    }
    assert_eq!(kernel.told.last().unwrap().wait, MAX_RETRY_DELAY);
    kernel.serve(&mut sync, now);
    let (before, now) = (kernel.refused, now + Duration::from_millis(1));
    sync.retry();
    kernel.serve(&mut sync, now);
    assert_eq!(kernel.refused, before + 1);
    assert_eq!(kernel.told.last().unwrap().wait, MIN_RETRY_DELAY);
    kernel.refuses.clear();
    sync.retry();
    kernel.serve(&mut sync, now);
    assert_eq!(&kernel.holds, sync.wanted());
}

#[test]
fn a_refused_service_that_is_wanted_no_more_is_removed_at_once_and_forgotten() {
    let now = epoch();
    let mut sync = ready(now);
    sync.want(key(80), Some(service(1)));
    let mut kernel = Kernel::default();
    kernel.serve(&mut sync, now);
    kernel.refuses.insert(key(80));
    sync.want(key(80), Some(service(2)));
    kernel.serve(&mut sync, now);
    assert_eq!(kernel.holds.services[&key(80)], service(1), "as it was");
    sync.want(key(80), None);
    kernel.serve(&mut sync, now);
    assert_eq!(kernel.ports(), []);
    assert_eq!(sync.refusals().count(), 0);
    assert_eq!(sync.poll_at(), Some(now + RESYNC));
}

#[test]
fn refused_hairpin_networks_hold_up_no_service() {
    let now = epoch();
    let mut sync = ready(now);
    let networks: BTreeSet<IpNet> = ["10.0.0.0/8".parse().unwrap()].into();
    sync.want(key(80), Some(service(1)));
    sync.want_hairpin(networks.clone());
    let mut holds = State::default();
    while let Some(step) = sync.next(now) {
        match step {
            KernelStep::Read => {
                sync.read_done(Some(holds.clone()), now);
            }
            KernelStep::Apply(changes) => {
                let ok = !changes.contains(&Change::Hairpin(networks.clone()));
                if ok {
                    apply(&mut holds, &changes);
                }
                let outcome = if ok { ApplyOutcome::Done } else { refused() };
                sync.applied(outcome, now);
            }
        }
    }
    assert_eq!(holds.services.len(), 1);
    assert!(sync.refusal(&Subject::Hairpin).is_some());
}

#[test]
fn a_kernel_that_takes_nothing_at_all_is_asked_seldom() {
    let start = epoch();
    let mut now = start;
    let mut sync = ready(now);
    for port in 1..=500 {
        sync.want(key(port), Some(service(u32::from(port))));
    }
    let mut kernel = Kernel::refusing(1..=500);
    while now < start + Duration::from_secs(600) {
        kernel.serve(&mut sync, now);
        now = sync.poll_at().unwrap();
    }
    let batches = kernel.batches;
    assert!(batches < 2_000, "{batches} batches in ten minutes");
    kernel.refuses.clear();
    let end = now + 3 * MAX_RETRY_DELAY;
    while now < end {
        kernel.serve(&mut sync, now);
        now = sync.poll_at().unwrap();
    }
    assert_eq!(&kernel.holds, sync.wanted());
}

proptest! {
    #[test]
    fn whatever_is_refused_all_else_is_taken_within_a_second(
        wanted in proptest::collection::btree_set(1u16..60, 0..40),
        refuses in proptest::collection::btree_set(1u16..60, 0..20),
        left in proptest::collection::btree_set(1u16..60, 0..20),
    ) {
        let mut now = epoch();
        let mut kernel = Kernel::refusing(refuses.clone());
        for port in &left {
            kernel.holds.services.insert(key(*port), service(1000 + u32::from(*port)));
        }
        let mut sync = KernelSync::new(kernel.holds.clone(), RESYNC, now);
        sync.release();
        for port in &wanted {
            sync.want(key(*port), Some(service(u32::from(*port))));
        }
        let end = now + Duration::from_secs(1);
        while now < end {
            kernel.serve(&mut sync, now);
            now = sync.poll_at().unwrap();
        }
        for port in 1..60 {
            let held = kernel.holds.services.get(&key(port));
            let bad = wanted.contains(&port) && refuses.contains(&port);
            if !bad {
                prop_assert_eq!(held, sync.wanted().services.get(&key(port)), "{}", port);
            }
            prop_assert_eq!(sync.refusal(&Subject::Service(key(port))).is_some(), bad, "{}", port);
        }
    }
}
