use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::delay::{MAX_RETRY_DELAY, MIN_RETRY_DELAY};
use super::*;
use crate::model::{IpvsTimeouts, Protocol};
use crate::state::{BackendId, Selector, Spread};

mod refused;
mod steps;

const RESYNC: Duration = Duration::from_secs(30);

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some instant to count from"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn key(port: u16) -> ServiceKey {
    ServiceKey {
        addr: [10, 0, 0, 1].into(),
        port,
        protocol: Protocol::Tcp,
    }
}

fn service(id: u32) -> ServiceState {
    let id = BackendId::new(id).unwrap();
    ServiceState {
        queue: None,
        persistence: None,
        snat: false,
        backends: [(id, std::net::SocketAddr::from(([10, 1, 0, 1], 80)).into())].into(),
        spread: Spread::Slots {
            selector: Selector::Sequence,
            slots: vec![id],
        },
    }
}

fn ready(now: Instant) -> KernelSync {
    let mut sync = KernelSync::new(State::default(), RESYNC, now);
    sync.release();
    assert_eq!(sync.next(now), None);
    sync
}

#[test]
fn nothing_is_done_before_the_start_is_complete() {
    let now = epoch();
    let mut sync = KernelSync::new(State::default(), RESYNC, now);
    sync.want(key(80), Some(service(1)));
    assert_eq!(sync.next(now), None);
    sync.release();
    assert_eq!(
        sync.next(now),
        Some(KernelStep::Apply(vec![Change::Put(key(80), service(1))]))
    );
}

#[test]
fn services_left_by_an_earlier_process_and_not_wanted_are_removed() {
    let now = epoch();
    let mut left = State::default();
    left.services.insert(key(80), service(1));
    left.services.insert(key(81), service(2));
    let mut sync = KernelSync::new(left, RESYNC, now);
    sync.want(key(80), Some(service(1)));
    sync.release();
    assert_eq!(
        sync.next(now),
        Some(KernelStep::Apply(vec![Change::Remove(key(81))]))
    );
}

#[test]
fn changes_that_arrive_during_a_step_go_out_together_in_the_next() {
    let now = epoch();
    let mut sync = ready(now);
    sync.want(key(80), Some(service(1)));
    assert!(sync.next(now).is_some());
    sync.want(key(81), Some(service(2)));
    sync.want(key(82), Some(service(3)));
    assert_eq!(sync.next(now), None);
    sync.applied(ApplyOutcome::Done, now);
    assert_eq!(
        sync.next(now),
        Some(KernelStep::Apply(vec![
            Change::Put(key(81), service(2)),
            Change::Put(key(82), service(3))
        ]))
    );
}

#[test]
fn a_batch_that_did_not_reach_the_kernel_is_tried_again_after_reading_with_growing_waits() {
    let mut now = epoch();
    let mut sync = ready(now);
    sync.want(key(80), Some(service(1)));
    let mut last = Duration::ZERO;
    for _ in 0..4 {
        assert!(matches!(sync.next(now), Some(KernelStep::Apply(_))));
        sync.applied(ApplyOutcome::Failed, now);
        assert_eq!(sync.next(now), None);
        let at = sync.poll_at().unwrap();
        assert!(at - now > last, "{:?} after {last:?}", at - now);
        last = at - now;
        now = at;
        assert_eq!(sync.next(now), Some(KernelStep::Read));
        sync.read_done(Some(State::default()), now);
    }
}

#[test]
fn what_others_changed_is_found_and_repaired() {
    let now = epoch();
    let mut sync = ready(now);
    sync.want(key(80), Some(service(1)));
    sync.want(key(81), Some(service(2)));
    assert!(sync.next(now).is_some());
    sync.applied(ApplyOutcome::Done, now);
    sync.mark_stale();
    assert_eq!(sync.next(now), Some(KernelStep::Read));
    let mut found = State::default();
    found.services.insert(key(80), service(9));
    found.services.insert(key(99), service(7));
    let damage = sync.read_done(Some(found), now);
    assert_eq!(
        damage,
        [
            (key(80), Damage::Changed),
            (key(81), Damage::Missing),
            (key(99), Damage::Foreign)
        ]
        .into()
    );
    let Some(KernelStep::Apply(changes)) = sync.next(now) else {
        panic!("no repair")
    };
    assert_eq!(
        changes,
        vec![
            Change::Remove(key(99)),
            Change::Put(key(80), service(1)),
            Change::Put(key(81), service(2))
        ]
    );
}

#[test]
fn the_kernel_is_read_unasked_from_time_to_time() {
    let now = epoch();
    let mut sync = ready(now);
    assert_eq!(sync.poll_at(), Some(now + RESYNC));
    assert_eq!(sync.next(now + RESYNC), Some(KernelStep::Read));
}

fn refused() -> ApplyOutcome {
    ApplyOutcome::Refused("no such scheduler".to_owned())
}

#[derive(Debug, Clone)]
enum Act {
    Want(u16, u32),
    Drop(u16),
    Stale,
    Vandal(u16),
    Fail,
    Refuse,
    Retry,
    Step,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (80u16..86, 1u32..5).prop_map(|(port, id)| Act::Want(port, id)),
        (80u16..86).prop_map(Act::Drop),
        Just(Act::Stale),
        (80u16..86).prop_map(Act::Vandal),
        Just(Act::Fail),
        Just(Act::Refuse),
        Just(Act::Retry),
        Just(Act::Step),
        Just(Act::Step),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_kernel_ends_at_what_is_wanted(acts in proptest::collection::vec(act(), 0..60)) {
        let mut now = epoch();
        let mut sync = ready(now);
        let mut kernel = State::default();
        let carry_out = |sync: &mut KernelSync, kernel: &mut State, now: Instant, outcome: ApplyOutcome| {
            let ok = outcome == ApplyOutcome::Done;
            match sync.next(now) {
                Some(KernelStep::Read) => { sync.read_done(ok.then(|| kernel.clone()), now); true }
                Some(KernelStep::Apply(changes)) => {
                    if ok { apply(kernel, &changes); }
                    sync.applied(outcome, now);
                    true
                }
                None => false,
            }
        };
        for act in acts {
            match act {
                Act::Want(port, id) => sync.want(key(port), Some(service(id))),
                Act::Drop(port) => sync.want(key(port), None),
                Act::Stale => sync.mark_stale(),
                Act::Vandal(port) => { kernel.services.remove(&key(port)); sync.mark_stale(); }
                Act::Fail => { carry_out(&mut sync, &mut kernel, now, ApplyOutcome::Failed); }
                Act::Refuse => { carry_out(&mut sync, &mut kernel, now, refused()); }
                Act::Retry => sync.retry(),
                Act::Step => { carry_out(&mut sync, &mut kernel, now, ApplyOutcome::Done); }
            }
            now += Duration::from_millis(10);
        }
        now += MAX_RETRY_DELAY;
        while carry_out(&mut sync, &mut kernel, now, ApplyOutcome::Done) {}
        prop_assert!(sync.settled());
        prop_assert_eq!(sync.refusals().count(), 0);
        prop_assert_eq!(&kernel, sync.wanted());
    }
}

#[test]
fn a_time_is_set_once_repaired_and_left_when_it_is_no_longer_wanted() {
    let now = epoch();
    let times = |tcp, udp| IpvsTimeouts {
        tcp: Option::map(tcp, Duration::from_secs),
        tcp_fin: None,
        udp: Option::map(udp, Duration::from_secs),
        expire_quiescent: None,
    };
    let mut sync = ready(now);
    sync.want_timeouts(times(Some(60), Some(5)));
    let set = |tcp, udp| Some(KernelStep::Apply(vec![Change::Timeouts(times(tcp, udp))]));
    assert_eq!(sync.next(now), set(Some(60), Some(5)));
    sync.applied(ApplyOutcome::Done, now);
    assert_eq!(sync.next(now), None);
    // Somebody changes one.
    sync.mark_stale();
    assert_eq!(sync.next(now), Some(KernelStep::Read));
    let read = State {
        timeouts: times(Some(900), Some(5)),
        ..State::default()
    };
    sync.read_done(Some(read), now);
    assert_eq!(sync.next(now), set(Some(60), None));
    sync.applied(ApplyOutcome::Done, now);
    sync.want_timeouts(times(None, Some(6)));
    assert_eq!(sync.next(now), set(None, Some(6)));
    sync.applied(ApplyOutcome::Done, now);
    sync.want_timeouts(times(None, None));
    assert_eq!(sync.next(now), None);
    assert!(sync.settled());
}

#[test]
fn while_the_kernel_cannot_be_read_it_is_tried_at_the_retry_times_and_nobody_is_woken_between() {
    let start = epoch();
    let mut now = start;
    let mut sync = ready(now);
    let mut wakes = 0;
    while now < start + Duration::from_secs(3600) {
        if sync.next(now) == Some(KernelStep::Read) {
            sync.read_done(None, now);
        }
        assert_eq!(sync.next(now), None);
        let at = sync.poll_at().unwrap();
        assert!(at > now, "awake again at once");
        now = at;
        wakes += 1;
    }
    assert!(wakes < 3600 / 30 + 20, "woken {wakes} times in an hour");
}

#[derive(Debug, Clone)]
enum Turn {
    Act(Act),
    Resync(u64),
    Pass(u64),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => act().prop_map(Turn::Act),
        1 => (1u64..60_000).prop_map(Turn::Resync),
        4 => (0u64..60_000).prop_map(Turn::Pass),
    ]
}

proptest! {
    #[test]
    fn a_machine_with_nothing_to_do_now_is_not_to_be_woken_now(turns in proptest::collection::vec(turn(), 0..80)) {
        let mut now = epoch();
        let mut sync = KernelSync::new(State::default(), RESYNC, now);
        sync.release();
        let mut under_way: Option<KernelStep> = None;
        for turn in turns {
            match turn {
                Turn::Act(Act::Want(port, id)) => sync.want(key(port), Some(service(id))),
                Turn::Act(Act::Drop(port)) => sync.want(key(port), None),
                Turn::Act(Act::Stale | Act::Vandal(_)) => sync.mark_stale(),
                Turn::Act(Act::Retry) => sync.retry(),
                Turn::Act(end @ (Act::Fail | Act::Refuse | Act::Step)) => {
                    let outcome = match end {
                        Act::Step => ApplyOutcome::Done,
                        Act::Refuse => refused(),
                        _ => ApplyOutcome::Failed,
                    };
                    let ok = outcome == ApplyOutcome::Done;
                    match under_way.take() {
                        Some(KernelStep::Read) => { sync.read_done(ok.then(State::default), now); }
                        Some(KernelStep::Apply(_)) => { sync.applied(outcome, now); }
                        None => {}
                    }
                }
                Turn::Resync(millis) => sync.set_resync(Duration::from_millis(millis), now),
                Turn::Pass(millis) => now += Duration::from_millis(millis),
            }
            let next = sync.next(now);
            if next.is_some() {
                prop_assert_eq!(&under_way, &None, "two steps at once");
                under_way = next;
            }
            let at = sync.poll_at();
            prop_assert!(at.is_none_or(|at| at > now), "to be woken {:?} ago", at.map(|at| now - at));
            prop_assert!(at.is_some() || under_way.is_some(), "nobody wakes it");
        }
    }
}

#[test]
fn nothing_is_settled_while_a_change_that_is_no_service_s_is_pending() {
    let now = epoch();
    type Want = fn(&mut KernelSync);
    let changes: [(&str, Want); 3] = [
        ("hairpin", |sync| {
            sync.want_hairpin(["10.1.0.0/24".parse().unwrap()].into());
        }),
        ("offload", |sync| {
            sync.want_offload(["eth0".to_owned()].into())
        }),
        ("timeouts", |sync| {
            sync.want_timeouts(IpvsTimeouts {
                udp: Some(Duration::from_secs(5)),
                ..IpvsTimeouts::default()
            });
        }),
    ];
    for (what, change) in changes {
        let mut sync = ready(now);
        assert!(sync.settled());
        change(&mut sync);
        assert!(!sync.settled(), "{what} is wanted");
        assert!(sync.next(now).is_some());
        assert!(!sync.settled(), "{what} is under way");
        sync.applied(ApplyOutcome::Failed, now);
        assert!(!sync.settled(), "{what} is not there");
        let later = now + MAX_RETRY_DELAY;
        assert_eq!(sync.next(later), Some(KernelStep::Read));
        sync.read_done(Some(State::default()), later);
        assert!(!sync.settled(), "{what} is wanted still");
        assert!(sync.next(later).is_some());
        sync.applied(ApplyOutcome::Done, later);
        assert_eq!(sync.next(later), None);
        assert!(sync.settled(), "{what} is there");
    }
}

#[derive(Debug, Clone)]
enum Presence {
    Want(u16, u32),
    Drop(u16),
    Begin,
    End(ApplyOutcome),
    Stale,
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![
        3 => (80u16..84, 1u32..5).prop_map(|(port, id)| Presence::Want(port, id)),
        2 => (80u16..84).prop_map(Presence::Drop),
        4 => Just(Presence::Begin),
        4 => Just(Presence::End(ApplyOutcome::Done)),
        2 => Just(Presence::End(ApplyOutcome::Refused("no such scheduler".to_owned()))),
        2 => Just(Presence::End(ApplyOutcome::Failed)),
        1 => Just(Presence::Stale),
    ]
}

proptest! {
    #[test]
    fn a_service_is_in_the_kernel_only_while_its_rules_are_and_whoever_asks_when_told_knows(
        acts in proptest::collection::vec(presence(), 0..80),
        left in proptest::collection::btree_set(80u16..84, 0..3),
    ) {
        let mut now = epoch();
        let mut kernel = State::default();
        kernel.services.extend(left.into_iter().map(|port| (key(port), service(9))));
        let mut sync = KernelSync::new(kernel.clone(), RESYNC, now);
        sync.release();
        let mut under_way: Option<KernelStep> = None;
        // What somebody knows who asks for the wanted services whenever that may have changed.
        let mut known: BTreeMap<ServiceKey, InKernel> = BTreeMap::new();
        for act in acts {
            now += MAX_RETRY_DELAY;
            match act {
                Presence::Want(port, id) => sync.want(key(port), Some(service(id))),
                Presence::Drop(port) => sync.want(key(port), None),
                Presence::Begin => under_way = sync.next(now).or(under_way),
                Presence::End(outcome) => match under_way.take() {
                    Some(KernelStep::Read) => {
                        let read = (outcome == ApplyOutcome::Done).then(|| kernel.clone());
                        sync.read_done(read, now);
                    }
                    Some(KernelStep::Apply(changes)) => {
                        if outcome == ApplyOutcome::Done { apply(&mut kernel, &changes); }
                        sync.applied(outcome, now);
                    }
                    None => {}
                },
                Presence::Stale => sync.mark_stale(),
            }
            if sync.take_presence_changed() {
                known = sync.wanted().services.keys().map(|key| (*key, sync.in_kernel(key))).collect();
            }
            let going = |key: &ServiceKey| match &under_way {
                Some(KernelStep::Apply(changes)) => changes.contains(&Change::Remove(*key)),
                _ => false,
            };
            for port in 80..84 {
                let key = key(port);
                let there = kernel.services.contains_key(&key) && !going(&key);
                let said = sync.in_kernel(&key);
                prop_assert!(there || said != InKernel::Yes, "{key} is not there");
                if sync.wanted().services.contains_key(&key) {
                    let known = known.get(&key).copied().unwrap_or(InKernel::NotYet);
                    prop_assert_eq!(known, said, "{} changed unsaid", key);
                }
            }
        }
        now += MAX_RETRY_DELAY;
        while let Some(step) = under_way.take().or_else(|| sync.next(now)) {
            match step {
                KernelStep::Read => { sync.read_done(Some(kernel.clone()), now); }
                KernelStep::Apply(changes) => {
                    apply(&mut kernel, &changes);
                    sync.applied(ApplyOutcome::Done, now);
                }
            }
        }
        for key in sync.wanted().services.keys() {
            prop_assert_eq!(sync.in_kernel(key), InKernel::Yes);
        }
    }
}
