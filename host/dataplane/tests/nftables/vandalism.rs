//! What is done to our table behind our back is seen by the next read and repaired by the next apply.

use std::time::Duration;

use evenkeel_core::diff::diff;
use evenkeel_core::model::{Persistence, Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Queue, Selector, ServiceState, Spread, State};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::Nftables;

use evenkeel_tests::{in_a_namespace, sh};

fn key(port: u16) -> ServiceKey {
    ServiceKey {
        addr: [192, 0, 2, 1].into(),
        port,
        protocol: Protocol::Tcp,
    }
}

fn service(first: u32, plan: &[u32]) -> ServiceState {
    let id = |n: u32| BackendId::new(first + n).unwrap();
    ServiceState {
        queue: None,
        persistence: None,
        snat: false,
        backends: (0..3u8)
            .map(|n| {
                (
                    id(n.into()),
                    std::net::SocketAddr::from(([10, 0, 0, n + 1], 80)).into(),
                )
            })
            .collect(),
        spread: Spread::Slots {
            selector: Selector::Sequence,
            slots: plan.iter().map(|n| id(*n)).collect(),
        },
    }
}

fn wanted() -> State {
    State {
        services: [
            (key(80), service(1, &[0, 1, 2])),
            (key(81), service(11, &[0])),
        ]
        .into(),
        hairpin: ["10.0.0.0/24".parse().unwrap()].into(),
        ..State::default()
    }
}

fn set_up() -> Nftables {
    set_up_with(&wanted())
}

fn set_up_with(wanted: &State) -> Nftables {
    let mut plane = Nftables::new("evenkeel").unwrap();
    plane.clear().unwrap();
    plane.apply(&diff(&State::default(), wanted)).unwrap();
    assert_eq!(plane.read().unwrap(), *wanted);
    plane
}

/// One service with persistence, one that asks, one that does both.
fn with_extras() -> State {
    let persistence = Some(Persistence {
        timeout: Duration::from_secs(300),
        prefix: 24,
    });
    let mut state = wanted();
    let sticky = ServiceState {
        persistence,
        ..service(1, &[0, 1, 2])
    };
    let asking = ServiceState {
        queue: Some(Queue(1)),
        ..service(11, &[0])
    };
    let both = ServiceState {
        persistence,
        queue: Some(Queue(2)),
        ..service(21, &[0])
    };
    state.services = [(key(80), sticky), (key(81), asking), (key(82), both)].into();
    state
}

fn all() -> String {
    // Handles and counts are not listed.
    sh("nft -s list table inet evenkeel")
}

/// Lines of the table. Without the chains that answer for servers that are gone: a server that somebody else has put in
/// may have got connections.
fn lines() -> usize {
    let mut gone = false;
    let listed = all();
    let lines = listed.lines().filter(|line| {
        gone |= line.trim_start().starts_with("chain gone");
        let counts = !gone && !line.is_empty();
        gone &= *line != "\t}";
        counts
    });
    lines.count()
}

/// Does each of these things in turn, and each time expects it to be seen and repaired by the same process and by a
/// new one.
fn is_repaired(vandalism: &[&str]) {
    is_repaired_in(&wanted(), vandalism);
}

fn is_repaired_in(wanted: &State, vandalism: &[&str]) {
    let mut plane = set_up_with(wanted);
    let good = lines();
    for (n, command) in vandalism.iter().enumerate() {
        sh(command);
        if n % 2 == 1 {
            plane = Nftables::new("evenkeel").unwrap();
        }
        let seen = plane.read().unwrap();
        assert_ne!(seen, *wanted, "{command} was not seen");
        plane.apply(&diff(&seen, wanted)).unwrap();
        assert_eq!(plane.read().unwrap(), *wanted, "{command} was not repaired");
        assert_eq!(lines(), good, "{command} left something");
    }
}

in_a_namespace! {
    fn an_edited_element_is_repaired() {
        is_repaired(&[
            "nft delete element inet evenkeel slots { 0x40000001 }",
            "nft delete element inet evenkeel slots { 0x40000003 }",
            "nft 'delete element inet evenkeel slots { 0x40000000 }; \
             add element inet evenkeel slots { 0x40000000 : 2 }'",
            "nft 'delete element inet evenkeel slots { 0x40000003 }; \
             add element inet evenkeel slots { 0x40000003 : 3 }'",
            "nft 'delete element inet evenkeel slots { 0x40000001 }; \
             add element inet evenkeel slots { 0x40000001 : 11 }'",
            "nft 'delete element inet evenkeel slots { 0x40000001 }; \
             add element inet evenkeel slots { 0x40000001 : 0x80000001 }'",
            "nft add element inet evenkeel slots { 0x40001000 : 1 }",
            "nft delete element inet evenkeel be4 { 1 }",
            "nft 'delete element inet evenkeel be4 { 1 }; \
             add element inet evenkeel be4 { 1 comment \"s1\" : 10.0.0.9 . 80 }'",
            "nft 'delete element inet evenkeel be4 { 1 }; \
             add element inet evenkeel be4 { 1 : 10.0.0.1 . 80 }'",
            "nft add element inet evenkeel be4 { 5 comment \"s1\" : 10.0.0.9 . 80 }",
            "nft add element inet evenkeel be4 { 5 comment \"s7\" : 10.0.0.9 . 80 }",
            "nft add element inet evenkeel be4 { 5 : 10.0.0.9 . 80 }",
            "nft delete element inet evenkeel svc4 { 192.0.2.1 . tcp . 80 }",
            "nft add element inet evenkeel svc4 { 192.0.2.1 . tcp . 82 : accept }",
            "nft add element inet evenkeel svc4 { 192.0.2.1 . tcp . 82 : jump s1 }",
            "nft add element inet evenkeel svc4 { 192.0.2.1 . 99 . 82 : drop }",
            "nft add element inet evenkeel hair4 { 10.5.0.0/24 . 10.6.0.0/24 }",
            "nft add element inet evenkeel hair4 { 10.5.0.0/24 . 10.5.0.0/24 }",
            "nft flush set inet evenkeel hair4",
            "nft add element inet evenkeel inner4 { 10.5.0.1 . 24 }",
            "nft flush map inet evenkeel slots",
        ]);
    }
}

in_a_namespace! {
    fn an_edited_rule_or_chain_of_a_service_is_repaired() {
        let handle = "$(nft -a list chain inet evenkeel s1 | grep -o 'handle [0-9]*$' | tail -n 1)";
        let replace = |rule: &str| format!("nft replace rule inet evenkeel s1 {handle} {rule}");
        is_repaired(&[
            &replace("ct mark set numgen inc mod 2 offset 0x40000000 comment \\\"nat\\\""),
            &replace("ct mark set numgen inc mod 3 offset 0x40000000"),
            &replace("ct mark set numgen random mod 3 offset 0x40000000 comment \\\"nat\\\""),
            &replace("ct mark set numgen inc mod 3 offset 0x40000004 comment \\\"nat\\\""),
            &replace("counter ct mark set numgen inc mod 3 offset 0x40000000 comment \\\"nat\\\""),
            &replace("accept"),
            "nft insert rule inet evenkeel s1 drop",
            "nft flush chain inet evenkeel s1",
            "nft add chain inet evenkeel s7",
            "nft add chain inet evenkeel mine",
        ]);
    }
}

in_a_namespace! {
    fn what_is_edited_of_persistence_and_questions_is_repaired() {
        is_repaired_in(&with_extras(), &[
            "nft flush chain inet evenkeel p1",
            "nft insert rule inet evenkeel p1 accept",
            "nft add rule inet evenkeel p2 accept",
            "nft delete rule inet evenkeel p3 handle \
             $(nft -a list chain inet evenkeel p3 | grep -o 'handle [0-9]*$' | tail -n 1 | cut -d ' ' -f 2)",
            "nft flush chain inet evenkeel q2",
            "nft insert rule inet evenkeel q3 drop",
            "nft delete element inet evenkeel ask4 { 192.0.2.1 . tcp . 81 }",
            "nft add element inet evenkeel ask4 { 192.0.2.1 . tcp . 80 : jump q2 }",
            "nft add element inet evenkeel ask4 { 192.0.2.1 . tcp . 99 : jump q3 }",
            "nft 'delete element inet evenkeel svc4 { 192.0.2.1 . tcp . 80 }; \
             add element inet evenkeel svc4 { 192.0.2.1 . tcp . 80 : jump s1 }'",
            "nft 'delete element inet evenkeel svc4 { 192.0.2.1 . tcp . 81 }; \
             add element inet evenkeel svc4 { 192.0.2.1 . tcp . 81 : jump p3 }'",
            "nft flush chain inet evenkeel queue_prerouting",
            "nft 'flush chain inet evenkeel queue_output; delete chain inet evenkeel queue_output'",
            "nft 'flush chain inet evenkeel queue_output; delete chain inet evenkeel queue_output; \
             flush chain inet evenkeel queue_prerouting; delete chain inet evenkeel queue_prerouting'",
            "nft add rule inet evenkeel queue_output accept",
            "nft flush chain inet evenkeel to_queue",
            "nft flush chain inet evenkeel local",
            "nft flush chain inet evenkeel by_verdict",
            "nft flush chain inet evenkeel chosen",
            "nft add chain inet evenkeel p9",
            "nft add chain inet evenkeel q9",
            "nft delete table inet evenkeel",
        ]);
        // Hooks that nobody needs.
        is_repaired(&["nft 'add chain inet evenkeel queue_output { type filter hook output priority -101; }; \
                       add rule inet evenkeel queue_output jump local'"]);
    }
}

in_a_namespace! {
    fn an_edited_frame_is_repaired() {
        is_repaired(&[
            "nft flush chain inet evenkeel dispatch",
            "nft 'flush chain inet evenkeel postrouting; delete chain inet evenkeel postrouting'",
            "nft insert rule inet evenkeel prerouting tcp dport 22 accept",
            "nft add rule inet evenkeel postrouting masquerade",
            "nft add set inet evenkeel more '{ type mark; }'",
            "nft add chain inet evenkeel more '{ type filter hook input priority 0; }'",
            "nft 'add chain inet evenkeel prerouting { policy drop; }'",
            "nft 'add table inet evenkeel { flags dormant; }'",
            "nft delete table inet evenkeel",
            "nft flush table inet evenkeel",
            "nft 'delete table inet evenkeel; add table inet evenkeel'",
            "nft flush ruleset",
        ]);
    }
}

in_a_namespace! {
    fn a_change_that_meets_vandalism_ends_at_what_is_wanted() {
        let mut plane = set_up();
        let mut wanted = wanted();
        for command in [
            "nft delete element inet evenkeel be4 { 11 }",
            "nft delete table inet evenkeel",
            "nft delete element inet evenkeel slots { 0x40000004 }",
            "nft 'flush chain inet evenkeel dispatch; flush map inet evenkeel svc4; \
             flush map inet evenkeel slots; flush chain inet evenkeel s1'",
        ] {
            sh(command);
            // Without a read between: what is believed is out of date.
            let mut next = service(11, &[1, 0, 2, 2, 1, 0, 0]);
            next.snat = !wanted.services[&key(81)].snat;
            plane.apply(&[Change::Put(key(81), next.clone())]).unwrap();
            wanted.services.insert(key(81), next);
            let seen = plane.read().unwrap();
            plane.apply(&diff(&seen, &wanted)).unwrap();
            assert_eq!(plane.read().unwrap(), wanted, "after {command}");
            wanted.services.insert(key(81), service(11, &[0]));
            let seen = plane.read().unwrap();
            plane.apply(&diff(&seen, &wanted)).unwrap();
        }
    }
}

in_a_namespace! {
    fn a_table_that_is_not_ours_is_left_alone_and_not_read() {
        sh("nft 'table inet other { set be4 { type mark; elements = { 1 }; }; chain s1 { accept; }; \
            chain prerouting { type nat hook prerouting priority -90; tcp dport 1 accept; }; }'; \
            nft 'table ip evenkeel { chain s1 { drop; }; chain dispatch { accept; }; }'");
        let others = || sh("nft list table inet other; nft list table ip evenkeel");
        let before = others();
        let mut plane = Nftables::new("evenkeel").unwrap();
        assert_eq!(plane.read().unwrap(), State::default());
        plane.apply(&diff(&State::default(), &wanted())).unwrap();
        assert_eq!(plane.read().unwrap(), wanted());
        plane.clear().unwrap();
        assert_eq!(plane.read().unwrap(), State::default());
        assert_eq!(others(), before);
        assert!(!sh("nft list tables").contains("inet evenkeel"));
    }
}

in_a_namespace! {
    fn what_the_frame_cannot_be_loaded_over_is_told_in_nft_s_words() {
        let mut plane = Nftables::new("inet").unwrap();
        let error = plane.apply(&diff(&State::default(), &wanted())).unwrap_err();
        assert!(error.to_string().contains("syntax error"), "{error}");
    }
}
