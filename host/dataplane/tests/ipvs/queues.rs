//! The daemon is asked about new connections, and what it says is done; whatever becomes of it, connections go on.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use evenkeel_core::diff::diff;
use evenkeel_core::flow::Flow;
use evenkeel_core::mark;
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{Change, ServiceState, State};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::ipvs::Ipvs;
use evenkeel_queue::{Listener, QueueVerdict};

use crate::lab::{client, id, key, set_up, within};
use crate::scheduler::{InTurn, QUEUE, asking, heart, one};
use crate::traffic::counted;
use crate::{only, put};
use evenkeel_tests::{sh, with_ipvs};

/// Until the rules know that the daemon lives.
fn alive() {
    while sh("cat /proc/net/xt_recent/evenkeel").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// All kinds of services, with and without full NAT.
fn each(mut test: impl FnMut(&mut Ipvs, ServiceKey, bool)) {
    let mut plane = Ipvs::new().unwrap();
    for v6 in [false, true] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for snat in [false, true] {
                let key = key(v6, 80, protocol);
                plane.apply(&[put(key, &asking(v6, snat))]).unwrap();
                assert_eq!(plane.read().unwrap(), only(key, &asking(v6, snat)));
                test(&mut plane, key, snat);
                // A server that comes back while it has connections goes on counting, and what it had is in its
                // statistics by then.
                std::thread::sleep(Duration::from_millis(2_500));
                plane.clear().unwrap();
            }
        }
    }
}

with_ipvs! {
    fn what_is_picked_is_done() {
        set_up();
        let _heart = heart();
        each(|plane, key, snat| {
            let pick = |n| QueueVerdict::Mark(mark::verdict(Some(id(n)), snat));
            // The last one is of no server.
            let verdicts = InTurn::of(&[pick(1), pick(2), pick(3), QueueVerdict::Pass, pick(99)]);
            let listener = Listener::start(QUEUE, "test", verdicts.clone()).unwrap();
            alive();
            assert_eq!(client(10, key), [1, 2, 3, 4, 4, 1, 2, 3, 4, 4], "{key} {snat}");
            let asked = verdicts.asked();
            assert_eq!(asked.len(), 10, "each connection's first packet only: {asked:?}");
            let like = |flow: &Flow| flow.protocol == key.protocol && flow.destination == key.socket_addr();
            assert!(asked.iter().all(like), "{asked:?}");
            for (n, connections) in [(1, 2), (2, 2), (3, 2), (4, 4)] {
                counted(plane, n, connections);
            }
            // What was counted stays when nobody is asked any more.
            let plain = ServiceState { queue: None, ..asking(key.addr.is_ipv6(), snat) };
            plane.apply(&[put(key, &plain)]).unwrap();
            counted(plane, 1, 2);
            assert_eq!(client(2, key), [4, 4]);
            plane.apply(&[put(key, &asking(key.addr.is_ipv6(), snat))]).unwrap();
            alive();
            assert_eq!(client(2, key), [1, 2]);
            counted(plane, 1, 3);
            drop(listener);
            assert_eq!(client(2, key), [4, 4], "nobody listens");
        });
        assert_eq!(sh("ipvsadm -Sn"), "");
        assert!(!sh("iptables-legacy-save; ip6tables-legacy-save").contains("EVENKEEL"));
    }
}

with_ipvs! {
    fn what_is_refused_is_refused() {
        set_up();
        let _heart = heart();
        each(|_, key, snat| {
            let refuse = InTurn::of(&[QueueVerdict::Mark(mark::verdict(None, snat))]);
            let _listener = Listener::start(QUEUE, "test", refuse).unwrap();
            alive();
            let attempt = move || one(key.protocol, key.socket_addr());
            let error = within("client", attempt).join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{key} {snat}");
        });
    }
}

with_ipvs! {
    fn without_a_heartbeat_nobody_is_asked() {
        set_up();
        each(|_, key, snat| {
            let verdicts = InTurn::of(&[QueueVerdict::Mark(mark::verdict(Some(id(1)), snat))]);
            let _listener = Listener::start(QUEUE, "test", verdicts.clone()).unwrap();
            let heart = heart();
            alive();
            assert_eq!(client(2, key), [1, 1]);
            drop(heart);
            let died = Instant::now();
            while died.elapsed() < Duration::from_millis(1_200) {
                std::thread::sleep(Duration::from_millis(50));
            }
            assert_eq!(client(2, key), [4, 4]);
            assert_eq!(verdicts.times(), 2);
        });
    }
}

with_ipvs! {
    fn a_helper_that_is_removed_or_changed_comes_back() {
        let key = key(false, 80, Protocol::Tcp);
        let state = asking(false, false);
        let wanted = only(key, &state);
        let mut plane = Ipvs::new().unwrap();
        plane.apply(&diff(&State::default(), &wanted)).unwrap();
        let good = sh("ipvsadm -Sn | sort");
        // Of each of the four servers, and of refusals.
        assert_eq!(good.lines().filter(|line| line.starts_with("-A -f ")).count(), 5, "{good}");
        let mark = mark::verdict(Some(id(1)), false);
        for command in [
            format!("ipvsadm -D -f {mark}"),
            format!("ipvsadm -E -f {mark} -s wlc"),
            format!("ipvsadm -d -f {mark} -r 10.78.0.11:8000"),
            format!("ipvsadm -e -f {mark} -r 10.78.0.11:8000 -m -w 0"),
            format!("ipvsadm -D -f {}", 0x3000_0000),
            format!("ipvsadm -a -f {} -r 10.78.0.99:80 -m", 0x3000_0000),
            "iptables-legacy -t mangle -D EVENKEEL-ASK 1".to_owned(),
            "iptables-legacy -t mangle -D OUTPUT 1".to_owned(),
        ] {
            sh(&command);
            let found = plane.read().unwrap();
            assert_ne!(found, wanted, "{command}");
            plane.apply(&diff(&found, &wanted)).unwrap();
            assert_eq!(plane.read().unwrap(), wanted, "{command}");
            assert_eq!(sh("ipvsadm -Sn | sort"), good, "{command}");
        }
        plane.apply(&[Change::Remove(key)]).unwrap();
        assert_eq!(sh("ipvsadm -Sn"), "");
    }
}
