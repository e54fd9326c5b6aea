//! New connections are queued for a verdict, and the verdict is carried out; whatever becomes of the daemon,
//! connections go on.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evenkeel_core::flow::Flow;
use evenkeel_core::mark::{self, HEARTBEAT};
use evenkeel_core::model::{Persistence, Protocol, ServiceKey};
use evenkeel_core::state::{Change, Queue, Selector, ServiceState};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::{Nftables, queue_support};
use evenkeel_queue::{Heartbeat, Listener, QueueVerdict, Verdicts};

use crate::lab::{client, connect, id, key, service, set_up, within};
use crate::scheduler::{InTurn, QUEUE, asking, heart, one};
use evenkeel_tests::{in_a_namespace, sh};

/// Whether the kernel believes the daemon to be alive.
fn alive() -> bool {
    sh("nft list set inet evenkeel alive").contains("expires")
}

/// Makes the kernel believe for longer than any test that the daemon is alive, in the table as it is now: a heart of
/// its own would stop for a moment wherever the machine does.
fn believe_alive() {
    sh("nft add element inet evenkeel alive '{ 0 timeout 1h }'");
}

/// Answers when it is told to.
struct Stuck(Arc<AtomicBool>);

impl Verdicts for Stuck {
    fn decide(&mut self, _: &Flow) -> QueueVerdict {
        while !self.0.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        QueueVerdict::Pass
    }
}

/// All kinds of services, with and without full NAT.
fn each(mut test: impl FnMut(&mut Nftables, ServiceKey, bool)) {
    let mut plane = Nftables::new("evenkeel").unwrap();
    for v6 in [false, true] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for snat in [false, true] {
                let key = key(v6, 80, protocol);
                plane.clear().unwrap();
                sh("conntrack -F 2>/dev/null; conntrack -F -f ipv6 2>/dev/null");
                plane.apply(&[Change::Put(key, asking(v6, snat))]).unwrap();
                test(&mut plane, key, snat);
            }
        }
    }
}

in_a_namespace! {
    fn what_is_picked_is_done() {
        set_up();
        eprintln!("the form here: {:?}", queue_support());
        each(|plane, key, snat| {
            let pick = |n| QueueVerdict::Mark(mark::verdict(Some(id(n)), snat));
            // The last one is of no server.
            let verdicts = InTurn::of(&[pick(1), pick(2), pick(3), QueueVerdict::Pass, pick(99)]);
            let listener = Listener::start(QUEUE, "test", verdicts.clone()).unwrap();
            believe_alive();
            assert_eq!(client(10, key), [1, 2, 3, 4, 4, 1, 2, 3, 4, 4], "{key} {snat}");
            let asked = verdicts.asked();
            assert_eq!(asked.len(), 10, "each connection's first packet only: {asked:?}");
            let like = |flow: &Flow| flow.protocol == key.protocol && flow.destination == key.socket_addr();
            assert!(asked.iter().all(like), "{asked:?}");
            assert_eq!(plane.counters().unwrap()[&id(1)].connections, 2);
            // A client on the director itself.
            let local = || one(key.protocol, key.socket_addr()).unwrap();
            assert_eq!([local(), local(), local(), local()], [1, 2, 3, 4], "{key} {snat}");
            drop(listener);
            assert_eq!(client(2, key), [4, 4], "nobody listens");
        });
    }
}

in_a_namespace! {
    fn what_is_refused_is_refused() {
        set_up();
        each(|_, key, snat| {
            let refuse = InTurn::of(&[QueueVerdict::Mark(mark::verdict(None, snat))]);
            let _listener = Listener::start(QUEUE, "test", refuse).unwrap();
            believe_alive();
            let attempt = move || one(key.protocol, key.socket_addr());
            let error = within("client", attempt).join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{key} {snat}");
        });
    }
}

in_a_namespace! {
    fn rules_that_have_just_come_hear_a_beat_that_is_sent_at_once() {
        set_up();
        let heart = Heartbeat::start(HEARTBEAT, Duration::from_secs(30), || true).unwrap();
        each(|_, key, snat| {
            let verdicts = InTurn::of(&[QueueVerdict::Mark(mark::verdict(Some(id(1)), snat))]);
            let _listener = Listener::start(QUEUE, "test", verdicts.clone()).unwrap();
            assert_eq!(client(1, key), [4], "the first beat was before there were rules");
            // Only these beats can be heard. A slow machine may take longer than one is remembered.
            let decided = (0..20).any(|_| {
                heart.beat();
                client(1, key) == [1]
            });
            assert!(decided, "{key} {snat}");
        });
    }
}

in_a_namespace! {
    fn without_a_heartbeat_nothing_is_queued() {
        set_up();
        each(|_, key, snat| {
            let verdicts = InTurn::of(&[QueueVerdict::Mark(mark::verdict(Some(id(1)), snat))]);
            let _listener = Listener::start(QUEUE, "test", verdicts.clone()).unwrap();
            assert_eq!(client(2, key), [4, 4]);
            let heart = heart();
            // Where the machine stops for a moment, so does the heart.
            assert!((0..100).any(|_| client(1, key) == [1]), "{key} {snat}");
            drop(heart);
            while alive() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let asked = verdicts.times();
            assert_eq!(client(2, key), [4, 4]);
            assert_eq!(verdicts.times(), asked);
        });
    }
}

in_a_namespace! {
    fn without_a_verdict_connections_are_held_only_until_the_heartbeat_stops() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Tcp);
        plane.apply(&[Change::Put(key, asking(false, false))]).unwrap();
        let answer = Arc::new(AtomicBool::new(false));
        let listener = Listener::start(QUEUE, "test", Stuck(answer.clone())).unwrap();
        believe_alive();
        let held = within("client", move || connect(key.socket_addr()));
        while !sh("cat /proc/net/netfilter/nfnetlink_queue").lines().any(|line| {
            let mut words = line.split_whitespace();
            // Waiting in the kernel, or given to the listener and not decided.
            words.next() == Some("7") && words.nth(1).is_some_and(|waiting| waiting != "0")
        }) {
            std::thread::sleep(Duration::from_millis(5));
        }
        sh("nft delete element inet evenkeel alive '{ 0 }'");
        assert_eq!(client(3, key), [4, 4, 4]);
        // It is sent again by the client, and not asked about then.
        assert_eq!(held.join().unwrap().unwrap(), 4);
        answer.store(true, Ordering::Relaxed);
        drop(listener);
    }
}

in_a_namespace! {
    fn a_remembered_client_is_not_queued() {
        set_up();
        each(|plane, key, snat| {
            let v6 = key.addr.is_ipv6();
            let persistence = Some(Persistence { timeout: Duration::from_secs(300), prefix: 32 });
            let state = ServiceState { persistence, ..asking(v6, snat) };
            plane.apply(&[Change::Put(key, state.clone())]).unwrap();
            let pick = |n| QueueVerdict::Mark(mark::verdict(Some(id(n)), snat));
            let verdicts = InTurn::of(&[pick(2), pick(3)]);
            let listener = Listener::start(QUEUE, "test", verdicts.clone()).unwrap();
            believe_alive();
            assert_eq!(client(5, key), [2; 5], "{key} {snat}");
            assert_eq!(verdicts.times(), 1, "{key} {snat}");
            // Its server goes: it is asked about again.
            let mut without = state.clone();
            without.backends.remove(&id(2));
            plane.apply(&[Change::Put(key, without)]).unwrap();
            assert_eq!(client(5, key), [3; 5], "{key} {snat}");
            assert_eq!(verdicts.times(), 2, "{key} {snat}");
            drop(listener);
            assert_eq!(client(2, key), [3; 2], "{key} {snat}");
            // Nobody listens, and its server goes: the plan's is remembered, too.
            let mut without = state.clone();
            without.backends.remove(&id(3));
            plane.apply(&[Change::Put(key, without)]).unwrap();
            assert_eq!(client(2, key), [4; 2], "{key} {snat}");
            // Refusals are not remembered.
            plane.clear().unwrap();
            plane.apply(&[Change::Put(key, state)]).unwrap();
            let refuse = InTurn::of(&[QueueVerdict::Mark(mark::verdict(None, snat)), pick(1)]);
            let _listener = Listener::start(QUEUE, "test", refuse).unwrap();
            believe_alive();
            let attempt = move || one(key.protocol, key.socket_addr());
            within("client", attempt).join().unwrap().unwrap_err();
            assert_eq!(client(2, key), [1; 2], "{key} {snat}");
        });
    }
}

in_a_namespace! {
    fn the_hooks_are_there_only_while_a_service_queues() {
        let mut plane = Nftables::new("evenkeel").unwrap();
        let hooks = || sh("nft list chains inet | grep -c ' queue_' || true").trim().to_owned();
        let (a, b) = (key(false, 80, Protocol::Tcp), key(false, 81, Protocol::Tcp));
        let plain = service(false, 0, Selector::Sequence, &[4]);
        let other = ServiceState { queue: Some(Queue(8)), ..service(false, 10, Selector::Sequence, &[4]) };
        plane.apply(&[Change::Put(a, plain.clone())]).unwrap();
        assert_eq!(hooks(), "0");
        plane.apply(&[Change::Put(a, asking(false, false))]).unwrap();
        assert_eq!(hooks(), "2");
        plane.apply(&[Change::Put(b, other), Change::Put(a, plain)]).unwrap();
        assert_eq!(hooks(), "2");
        let mut plane = Nftables::new("evenkeel").unwrap();
        plane.apply(&[Change::Remove(b)]).unwrap();
        assert_eq!(hooks(), "0");
    }
}
