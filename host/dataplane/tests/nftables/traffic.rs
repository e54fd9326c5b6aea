//! Real connections through the kernel.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Selector, ServiceState};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::Nftables;

use crate::lab::{ask, client, connect, id, key, service, set_up, within};
use evenkeel_tests::{in_a_namespace, sh};

in_a_namespace! {
    fn connections_are_spread_in_order_and_counted() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let mut first = 0;
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                let state = service(v6, first, Selector::Sequence, &[1, 2, 3, 4]);
                plane.apply(&[Change::Put(key, state)]).unwrap();
                let answers = client(400, key);
                let expected: Vec<u8> = [1, 2, 3, 4].repeat(100);
                assert_eq!(answers, expected, "{key}");
                let counters = plane.counters().unwrap();
                for n in 1..=4 {
                    assert_eq!(counters[&id(first + n)].connections, 100, "{key}");
                }
                first += 4;
            }
        }
        // Smoothly by weight, and still so for one whose service is full NAT.
        for snat in [false, true] {
            let key = key(false, 80, Protocol::Tcp);
            let plan = [1, 1, 2, 1, 3, 1, 4, 1];
            let state = service(false, 0, Selector::Sequence, &plan);
            plane.apply(&[Change::Put(key, ServiceState { snat, ..state })]).unwrap();
            let expected: Vec<u8> = [1, 1, 2, 1, 3, 1, 4, 1].repeat(5);
            assert_eq!(client(40, key), expected);
        }
        // The counts went along when the service became full NAT.
        assert_eq!(plane.counters().unwrap()[&id(1)].connections, 150);
    }
}

in_a_namespace! {
    fn a_hash_of_the_client_always_chooses_the_same_server() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                let mut put = |selector| {
                    let state = service(v6, 0, selector, &[1, 2, 3, 4]);
                    plane.clear().unwrap();
                    plane.apply(&[Change::Put(key, state)]).unwrap();
                    client(40, key)
                };
                let answers = put(Selector::HashSource);
                assert_eq!(answers, vec![answers[0]; 40], "{key}");
                for selector in [Selector::HashFlow, Selector::Random] {
                    let answers = put(selector);
                    assert!((1..=4).all(|n| answers.contains(&n)), "{key} {selector:?} {answers:?}");
                }
            }
        }
    }
}

in_a_namespace! {
    fn a_service_without_a_server_refuses_at_once() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                let put = |plan: &[u16]| Change::Put(key, service(v6, 0, Selector::Sequence, plan));
                plane.clear().unwrap();
                plane.apply(&[put(&[])]).unwrap();
                for local in [false, true] {
                    let attempt = move || match protocol {
                        Protocol::Udp => ask(key.socket_addr()),
                        _ => connect(key.socket_addr()),
                    };
                    let answer =
                        if local { attempt() } else { within("client", attempt).join().unwrap() };
                    let error = answer.unwrap_err();
                    // A datagram sent on the director itself fails in the call that sends it.
                    let expected = match (local, protocol) {
                        (true, Protocol::Udp) => ErrorKind::PermissionDenied,
                        _ => ErrorKind::ConnectionRefused,
                    };
                    assert_eq!(error.kind(), expected, "{key}, local: {local}");
                }
                plane.apply(&[put(&[2])]).unwrap();
                assert_eq!(client(2, key), [2, 2]);
            }
        }
    }
}

in_a_namespace! {
    fn clients_on_the_director_and_next_to_the_servers_are_served() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let networks = ["10.78.0.0/24", "fd78::/64"].map(|net| net.parse().unwrap());
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                plane.clear().unwrap();
                let state = service(v6, 0, Selector::Sequence, &[1, 2]);
                plane
                    .apply(&[Change::Put(key, state), Change::Hairpin(networks.into())])
                    .unwrap();
                let attempt = move || match protocol {
                    Protocol::Udp => ask(key.socket_addr()).unwrap(),
                    _ => connect(key.socket_addr()).unwrap(),
                };
                assert_eq!([attempt(), attempt()], [1, 2], "{key}");
                let beside = within("server", move || [attempt(), attempt()]);
                assert_eq!(beside.join().unwrap(), [1, 2], "{key}");
            }
        }
    }
}

in_a_namespace! {
    fn flows_of_a_backend_are_ended_and_others_are_not() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let entries = || sh("conntrack -L 2>/dev/null | grep -c dport=80 || true");
        for v6 in [false, true] {
            let key = key(v6, 80, Protocol::Udp);
            for snat in [false, true] {
                let state = service(v6, 0, Selector::Sequence, &[1, 2]);
                plane.clear().unwrap();
                sh("conntrack -F 2>/dev/null; conntrack -F -f ipv6 2>/dev/null");
                plane.apply(&[Change::Put(key, ServiceState { snat, ..state })]).unwrap();
                client(10, key);
                let of = |mark: u32| {
                    let family = if v6 { "ipv6" } else { "ipv4" };
                    let mark = if snat { mark | 0x8000_0000 } else { mark };
                    sh(&format!("conntrack -L -f {family} -m {mark} 2>/dev/null | wc -l"))
                };
                assert_eq!((of(1).trim(), of(2).trim()), ("5", "5"), "{}", entries());
                plane.kill_flows(id(1)).unwrap();
                assert_eq!((of(1).trim(), of(2).trim()), ("0", "5"), "{}", entries());
            }
        }
    }
}

/// Opens connections, one after another, until it is told to stop. Faster than a lost SYN's retransmission, so that
/// one counts as a failure. How many were served, and when those began that failed.
fn keep_connecting(
    key: ServiceKey,
    stopped: Arc<AtomicBool>,
) -> JoinHandle<(u32, Vec<(Instant, std::io::Error)>)> {
    within("client", move || {
        let (mut served, mut failed) = (0, Vec::new());
        while !stopped.load(Ordering::Relaxed) {
            let begin = Instant::now();
            let stream = TcpStream::connect_timeout(&key.socket_addr(), Duration::from_millis(900));
            let mut name = [0];
            match stream.and_then(|mut stream| stream.read_exact(&mut name)) {
                Ok(()) => served += 1,
                Err(error) => failed.push((begin, error)),
            }
        }
        (served, failed)
    })
}

/// The first service with the servers of a plan, and no others.
fn planned(key: ServiceKey, plan: &[u16], snat: bool) -> Change {
    let mut state = service(false, 0, Selector::Sequence, plan);
    let of_plan = |id: &BackendId| plan.contains(&u16::try_from(id.get()).unwrap());
    state.backends.retain(|id, _| of_plan(id));
    Change::Put(key, ServiceState { snat, ..state })
}

in_a_namespace! {
    fn no_connection_fails_while_plans_change() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Tcp);
        let plans: [&[u16]; 6] =
            [&[1, 2, 3, 4], &[2, 1], &[4], &[1, 2, 3, 4, 3, 2, 1, 1, 3], &[3, 3, 3], &[2, 4, 4]];
        plane.apply(&[planned(key, plans[0], false)]).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let clients = keep_connecting(key, stop.clone());
        for round in 0..600 {
            plane.apply(&[planned(key, plans[round % plans.len()], round % 7 == 0)]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        let (served, failed) = clients.join().unwrap();
        assert!(failed.is_empty(), "{failed:?}");
        assert!(served > 100, "only {served} connections were made");
        let dropped = sh("nft list chain inet evenkeel slot | grep counter");
        assert!(dropped.contains("packets 0 "), "{dropped}");
    }
}

in_a_namespace! {
    fn a_table_that_is_replaced_costs_hardly_a_connection() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Tcp);
        plane.apply(&[planned(key, &[1, 2, 3, 4], false)]).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let clients = keep_connecting(key, stop.clone());
        let mut replaced = Vec::new();
        for round in 0..30 {
            // The frame is damaged in a way that does not stop traffic, and the table replaced under it.
            sh("nft add chain inet evenkeel stray");
            assert!(plane.read().unwrap().services.is_empty());
            let begin = Instant::now();
            plane.apply(&[planned(key, &[1, 2, 3, 4], round % 2 == 0)]).unwrap();
            replaced.push((begin, Instant::now()));
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        let (served, failed) = clients.join().unwrap();
        assert!(served > 100, "only {served} connections were made");
        // A packet that is in the middle of the old rules when the new ones come may find the old maps empty already:
        // some millionths of a second, where a gap that could be seen would cost every replacement a connection.
        let times = |(at, _): &(Instant, _)| {
            let within = replaced.iter().filter(|(begin, end)| (begin..=end).contains(&at));
            within.count()
        };
        assert!(failed.iter().all(|failure| times(failure) == 1), "{failed:?}");
        assert!(failed.len() <= replaced.len() / 6, "{failed:?}");
    }
}

in_a_namespace! {
    fn a_server_that_returns_goes_on_counting() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Tcp);
        let both = service(false, 0, Selector::Sequence, &[1, 2]);
        let mut one = service(false, 0, Selector::Sequence, &[2]);
        one.backends.remove(&id(1));
        plane.apply(&[Change::Put(key, both.clone())]).unwrap();
        client(10, key);
        plane.apply(&[Change::Put(key, one)]).unwrap();
        client(10, key);
        assert_eq!(plane.counters().unwrap()[&id(1)].connections, 5);
        plane.apply(&[Change::Put(key, both)]).unwrap();
        client(10, key);
        // And after damage has made a whole new table necessary.
        sh("nft flush chain inet evenkeel dispatch");
        let seen = plane.read().unwrap();
        assert!(seen.services.is_empty());
        let both = service(false, 0, Selector::Sequence, &[1, 2]);
        plane.apply(&[Change::Put(key, both)]).unwrap();
        let counters = plane.counters().unwrap();
        assert_eq!((counters[&id(1)].connections, counters[&id(2)].connections), (10, 20));
    }
}
