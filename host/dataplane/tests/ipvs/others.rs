//! Others' services are left alone, and what others do to ours is repaired.

use std::fs::File;
use std::time::Duration;

use evenkeel_core::diff::diff;
use evenkeel_core::model::Protocol;
use evenkeel_core::state::{Change, Selector, ServiceState, State};
use evenkeel_dataplane::ipvs::Ipvs;
use evenkeel_dataplane::{DataPlane, Error};
use nix::fcntl::{Flock, FlockArg};

use crate::lab::{id, key, service};
use crate::{as_held, only, put};
use evenkeel_tests::{sh, with_ipvs};

/// What `ipvsadm` shows, in order.
fn saved() -> Vec<String> {
    let mut lines: Vec<String> = sh("ipvsadm -Sn")
        .lines()
        .map(|it| it.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

with_ipvs! {
    fn others_services_are_neither_seen_nor_touched() {
        sh("ipvsadm -A -t 192.0.2.9:80 -s wlc -p 60; ipvsadm -a -t 192.0.2.9:80 -r 10.0.0.1:80 -g -w 3; ipvsadm -A -f 5 -s rr");
        let before = saved();
        let mut plane = Ipvs::new().unwrap();
        assert_eq!(plane.read().unwrap(), State::default());
        let key = key(false, 80, Protocol::Tcp);
        let state = service(false, 0, Selector::Sequence, &[1, 2]);
        plane.apply(&[put(key, &state)]).unwrap();
        assert_eq!(plane.read().unwrap(), only(key, &state));
        assert_eq!(plane.counters().unwrap().len(), 4);
        plane.clear().unwrap();
        assert_eq!(saved(), before);
    }
}

with_ipvs! {
    fn an_address_that_another_has_is_refused_and_nothing_is_changed() {
        let (free, theirs) = (key(false, 79, Protocol::Tcp), key(false, 80, Protocol::Tcp));
        let state = service(false, 0, Selector::Sequence, &[1, 2]);
        let other = service(false, 10, Selector::Sequence, &[1, 2]);
        for known in [true, false] {
            let mut plane = Ipvs::new().unwrap();
            plane.clear().unwrap();
            let make = "ipvsadm -A -t 10.77.255.1:80 -s wlc";
            if known {
                sh(make);
            }
            plane.read().unwrap();
            if !known {
                // Behind our back: the first service is made, and taken back.
                sh(make);
            }
            let error = plane.apply(&[put(free, &state), put(theirs, &other)]).unwrap_err();
            assert!(matches!(&error, Error::Invalid(text) if text.contains("another program's IPVS service")), "{error}");
            assert_eq!(plane.read().unwrap(), State::default());
            assert_eq!(saved(), ["-A -t 10.77.255.1:80 -s wlc"]);
            sh("ipvsadm -D -t 10.77.255.1:80");
        }
    }
}

with_ipvs! {
    fn what_others_do_to_our_services_is_seen_and_repaired() {
        let web = key(false, 80, Protocol::Tcp);
        let dns = key(true, 53, Protocol::Udp);
        let at = "-t 10.77.255.1:80";
        let weighted = service(false, 0, Selector::Sequence, &[1, 1, 2, 3, 4]);
        let hash = service(true, 10, Selector::HashSource, &[1, 2, 3]);
        let hash = ServiceState { snat: true, ..hash };
        let wanted = State {
            services: [(web, as_held(&weighted)), (dns, as_held(&hash))].into(),
            hairpin: ["10.0.0.0/24".parse().unwrap()].into(),
            ..State::default()
        };
        let mut plane = Ipvs::new().unwrap();
        plane.apply(&diff(&State::default(), &wanted)).unwrap();
        let good = saved();
        let damage = [
            "ipvsadm -C".to_owned(),
            format!("ipvsadm -D {at}"),
            format!("ipvsadm -d {at} -r 10.78.0.11:8000"),
            format!("ipvsadm -e {at} -r 10.78.0.11:8000 -m -w 7"),
            // The same, except for the number.
            format!("ipvsadm -e {at} -r 10.78.0.12:8000 -m -w 1"),
            format!("ipvsadm -e {at} -r 10.78.0.11:8000 -m -w 2 -x 10"),
            format!("ipvsadm -a {at} -r 10.78.0.99:8000 -m -w 0"),
            format!("ipvsadm -E {at} -s wlc"),
            format!("ipvsadm -E {at} -s wrr -p 60"),
            "ipvsadm -E -u [fd77:1::ff01]:53 -s mh -b mh-port".to_owned(),
            "ip6tables-legacy -t nat -F EVENKEEL-POST".to_owned(),
            "ip6tables-legacy -t nat -D POSTROUTING -j EVENKEEL-POST".to_owned(),
            "iptables-legacy -t nat -I EVENKEEL-POST -j ACCEPT".to_owned(),
            "iptables-legacy -t nat -F".to_owned(),
            "ip6tables-legacy -t nat -F; ip6tables-legacy -t nat -X".to_owned(),
        ];
        for command in damage {
            sh(&command);
            let found = plane.read().unwrap();
            assert_ne!(found, wanted, "{command}");
            plane.apply(&diff(&found, &wanted)).unwrap();
            assert_eq!(plane.read().unwrap(), wanted, "{command}");
            assert_eq!(Ipvs::new().unwrap().read().unwrap(), wanted, "{command}");
            assert_eq!(saved(), good, "{command}");

            // And without having been seen, on the way to something else.
            sh(&command);
            let mut more = weighted.clone();
            more.backends.remove(&id(4));
            more.spread = service(false, 0, Selector::Sequence, &[1, 2, 2, 3]).spread;
            match plane.apply(&[put(web, &more)]) {
                Ok(()) | Err(Error::Refused { .. }) => {}
                Err(error) => unreachable!("{command}: {error}"),
            }
            let found = plane.read().unwrap();
            plane.apply(&diff(&found, &wanted)).unwrap();
            assert_eq!(plane.read().unwrap(), wanted, "{command}");
            assert_eq!(saved(), good, "{command}");
        }
        // A service of ours that nobody wants any more goes, damaged or not.
        sh(&format!("ipvsadm -E {at} -s wlc"));
        let found = plane.read().unwrap();
        plane.apply(&diff(&found, &State::default())).unwrap();
        assert_eq!(sh("ipvsadm -Sn"), "");
        assert_eq!(plane.read().unwrap(), State::default());
    }
}

with_ipvs! {
    fn this_kernel_offers_all_that_is_needed() {
        let mut plane = Ipvs::new().unwrap();
        let probe = plane.probe().unwrap();
        assert_eq!(probe.problems, [], "{}", probe.summary);
        assert!(probe.summary.contains("IPVS 1.2."), "{}", probe.summary);
        assert!(probe.summary.contains("schedulers rr, wrr, sh, mh"), "{}", probe.summary);
        assert!(probe.summary.contains("queues by iptables"), "{}", probe.summary);
        // Nothing was changed by asking.
        assert_eq!(sh("cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null || true"), "");
        assert_eq!(plane.read().unwrap(), State::default());
    }
}

/// Takes the lock of iptables, as another program does that changes rules.
fn lock_of_iptables() -> Flock<File> {
    let file = File::create("/run/xtables.lock").unwrap();
    Flock::lock(file, FlockArg::LockExclusive).unwrap()
}

with_ipvs! {
    fn who_changes_rules_waits_for_another_program_that_does_but_not_for_ever() {
        let mut plane = Ipvs::new().unwrap();
        let web = key(false, 80, Protocol::Tcp);
        let hidden = ServiceState { snat: true, ..service(false, 0, Selector::Sequence, &[1, 2]) };
        let lock = lock_of_iptables();
        let holder = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(2));
            drop(lock);
        });
        plane.apply(&[put(web, &hidden)]).unwrap();
        assert_eq!(plane.read().unwrap(), only(web, &hidden));
        holder.join().unwrap();

        let lock = lock_of_iptables();
        let error = plane.apply(&[Change::Remove(web)]).unwrap_err();
        assert!(error.to_string().contains("/run/xtables.lock"), "{error}");
        assert!(!error.is_refusal(), "nothing is wrong with the change");
        drop(lock);
        assert_eq!(plane.read().unwrap(), only(web, &hidden), "all or nothing");
        plane.apply(&[Change::Remove(web)]).unwrap();
        assert_eq!(plane.read().unwrap(), State::default());
    }
}
