//! Real connections through the kernel, by NAT.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use evenkeel_core::model::{Persistence, Protocol, ServiceKey};
use evenkeel_core::state::{Change, Selector, ServiceState};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::ipvs::Ipvs;

use crate::lab::{PATIENCE, ask, ask_from, client, connect, id, key, service, set_up, within};
use crate::{as_held, only, put};
use evenkeel_tests::{sh, with_ipvs};

/// How often each of the servers answered.
fn shares(answers: &[u8]) -> [usize; 4] {
    [1, 2, 3, 4].map(|n| answers.iter().filter(|answer| **answer == n).count())
}

/// Until a backend has counted so many: the kernel brings its statistics up to date every two seconds.
pub(crate) fn counted(plane: &mut Ipvs, n: u16, connections: u64) {
    let mut found = 0;
    for _ in 0..60 {
        found = plane.counters().unwrap()[&id(n)].connections;
        if found >= connections {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(found, connections, "backend {n}");
}

with_ipvs! {
    fn connections_are_spread_by_weight_and_counted() {
        set_up();
        let mut plane = Ipvs::new().unwrap();
        let mut first = 0;
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                plane.apply(&[put(key, &service(v6, first, Selector::Sequence, &[1, 2, 3, 4]))]).unwrap();
                assert_eq!(shares(&client(20, key)), [5; 4], "{key}");
                for n in 1..=4 {
                    counted(&mut plane, first + n, 5);
                    let counts = plane.connections().unwrap().unwrap()[&id(first + n)];
                    assert_eq!((counts.total, counts.all()), (5, 5), "{key} {counts:?}");
                }
                first += 4;
            }
        }
        let key = key(false, 80, Protocol::Tcp);
        let weighted = service(false, 0, Selector::Sequence, &[1, 1, 2, 1, 3, 1, 4, 1]);
        plane.apply(&[put(key, &weighted)]).unwrap();
        assert_eq!(shares(&client(40, key)), [25, 5, 5, 5]);
        // Counts go on when a server leaves and returns.
        counted(&mut plane, 1, 30);
        let mut without = service(false, 0, Selector::Sequence, &[2, 3, 4]);
        without.backends.remove(&id(1));
        plane.apply(&[put(key, &without)]).unwrap();
        counted(&mut plane, 1, 30);
        assert_eq!(shares(&client(3, key)), [0, 1, 1, 1]);
        plane.apply(&[put(key, &service(false, 0, Selector::Sequence, &[1]))]).unwrap();
        assert_eq!(client(5, key), [1; 5]);
        counted(&mut plane, 1, 35);
    }
}

with_ipvs! {
    fn a_hash_of_the_client_always_chooses_the_same_server() {
        set_up();
        let mut plane = Ipvs::new().unwrap();
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                plane.clear().unwrap();
                // sh and mh.
                for slots in [256_u16, 4] {
                    let plan: Vec<u16> = (0..slots).map(|n| n % 4 + 1).collect();
                    let mut get = |selector| {
                        plane.apply(&[put(key, &service(v6, 0, selector, &plan))]).unwrap();
                        client(20, key)
                    };
                    let answers = get(Selector::HashSource);
                    assert_eq!(answers, vec![answers[0]; 20], "{key}");
                    let answers = get(Selector::HashFlow);
                    assert!(shares(&answers).iter().filter(|n| **n > 0).count() > 1, "{key} {answers:?}");
                }
                // A server that drains is gone past, not refused.
                let plan: Vec<u16> = (0..256).map(|n| n % 3 + 1).collect();
                plane.apply(&[put(key, &service(v6, 0, Selector::HashFlow, &plan))]).unwrap();
                assert_eq!(shares(&client(20, key))[3], 0);
            }
        }
    }
}

with_ipvs! {
    fn a_service_without_a_server_refuses_at_once() {
        set_up();
        let mut plane = Ipvs::new().unwrap();
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                plane.clear().unwrap();
                for servers in [true, false] {
                    let mut state = service(v6, 0, Selector::Sequence, &[]);
                    if !servers {
                        state.backends.clear();
                    }
                    plane.apply(&[put(key, &state)]).unwrap();
                    let attempt = move || match protocol {
                        Protocol::Udp => ask(key.socket_addr()),
                        _ => connect(key.socket_addr()),
                    };
                    let error = within("client", attempt).join().unwrap().unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{key}");
                }
                plane.apply(&[put(key, &service(v6, 0, Selector::Sequence, &[2]))]).unwrap();
                assert_eq!(client(2, key), [2, 2]);
            }
        }
    }
}

/// The server that a client of this address gets.
fn from(address: &str, to: ServiceKey) -> u8 {
    let address: IpAddr = address.parse().unwrap();
    within("client", move || {
        ask_from(address, to.socket_addr()).unwrap()
    })
    .join()
    .unwrap()
}

with_ipvs! {
    fn a_client_s_network_keeps_its_server() {
        set_up();
        let mut plane = Ipvs::new().unwrap();
        for v6 in [false, true] {
            let key = key(v6, 80, Protocol::Udp);
            plane.clear().unwrap();
            let (prefix, one, neighbour, far) = if v6 {
                (64, "fd77::2", "fd77::3", "fd77:2::2")
            } else {
                (24, "10.77.0.2", "10.77.0.3", "10.77.1.2")
            };
            let sticky = |plan: &[u16], prefix| ServiceState {
                persistence: Some(Persistence { timeout: Duration::from_secs(300), prefix }),
                ..service(v6, 0, Selector::Sequence, plan)
            };
            plane.apply(&[put(key, &sticky(&[1, 2, 3, 4], prefix))]).unwrap();
            let first = from(one, key);
            assert_eq!([neighbour, one, neighbour].map(|who| from(who, key)), [first; 3], "{key}");
            assert_ne!(from(far, key), first, "{key}");
            // Its server drains, and keeps it.
            let others: Vec<u16> = (1..=4).filter(|n| *n != u16::from(first)).collect();
            plane.apply(&[put(key, &sticky(&others, prefix))]).unwrap();
            assert_eq!(from(one, key), first, "{key}");
            // By all bits, each is one of its own.
            plane.apply(&[put(key, &sticky(&[1, 2, 3, 4], if v6 { 128 } else { 32 }))]).unwrap();
            let plain = service(v6, 0, Selector::Sequence, &[1, 2, 3, 4]);
            plane.apply(&[put(key, &plain)]).unwrap();
            assert_ne!(from(one, key), from(one, key), "{key}");
        }
    }
}

with_ipvs! {
    fn full_nat_and_hairpins_give_connections_the_director_s_address() {
        set_up();
        // The servers know no way back to clients: only what seems to come from the director is answered.
        sh("ip -n server route del default; ip -n server -6 route del default");
        let mut plane = Ipvs::new().unwrap();
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                let plain = service(v6, 0, Selector::Sequence, &[1, 2]);
                let full = ServiceState { snat: true, ..plain.clone() };
                plane.apply(&[put(key, &full)]).unwrap();
                let answers = client(6, key);
                assert_eq!(shares(&answers), [3, 3, 0, 0], "{key}");
                assert_eq!(plane.read().unwrap(), only(key, &full));
                plane.apply(&[Change::Remove(key)]).unwrap();
            }
        }
        let kept = sh("iptables-legacy-save; ip6tables-legacy-save");
        assert!(!kept.contains("EVENKEEL"), "{kept}");
        // A client next to the servers, which would answer it directly.
        let networks = ["10.78.0.0/24", "fd78::/64"].map(|net| net.parse().unwrap());
        plane.apply(&[Change::Hairpin(networks.into())]).unwrap();
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = key(v6, 80, protocol);
                plane.apply(&[put(key, &service(v6, 0, Selector::Sequence, &[1, 2]))]).unwrap();
                sh(&format!("ip -n server route replace {} via {}", key.addr, if v6 { "fd78::1" } else { "10.78.0.1" }));
                let attempt = move || (0..4).map(|_| match protocol {
                    Protocol::Udp => ask(key.socket_addr()).unwrap(),
                    _ => connect(key.socket_addr()).unwrap(),
                }).collect::<Vec<_>>();
                let answers = within("server", attempt).join().unwrap();
                assert_eq!(shares(&answers), [2, 2, 0, 0], "{key}");
                plane.apply(&[Change::Remove(key)]).unwrap();
            }
        }
    }
}

with_ipvs! {
    fn the_flow_of_a_removed_server_goes_to_another_when_it_is_killed() {
        set_up();
        let mut plane = Ipvs::new().unwrap();
        for v6 in [false, true] {
            let key = key(v6, 80, Protocol::Udp);
            plane.clear().unwrap();
            plane.apply(&[put(key, &service(v6, 0, Selector::Sequence, &[1, 2]))]).unwrap();
            let open = move || {
                let any: IpAddr = if v6 { [0_u8; 16].into() } else { [0; 4].into() };
                let socket = UdpSocket::bind((any, 0)).unwrap();
                socket.connect(key.socket_addr()).unwrap();
                socket
            };
            let socket = within("client", open).join().unwrap();
            let answer = |patience| {
                socket.set_read_timeout(Some(patience)).unwrap();
                socket.send(b"?").ok()?;
                let mut name = [0];
                socket.recv(&mut name).ok()?;
                Some(name[0])
            };
            let first = answer(PATIENCE).unwrap();
            let mut without = service(v6, 0, Selector::Sequence, &[u16::from(3 - first)]);
            without.backends.remove(&id(first.into()));
            plane.apply(&[put(key, &without)]).unwrap();
            plane.kill_flows(id(first.into())).unwrap();
            // One packet ends the flow, the next begins another.
            let again = (0..20).find_map(|_| answer(Duration::from_millis(200)));
            assert_eq!(again, Some(3 - first), "{key}");
        }
        assert_eq!(sh("cat /proc/sys/net/ipv4/vs/expire_nodest_conn").trim(), "1");
    }
}

with_ipvs! {
    fn connections_go_on_while_a_service_is_changed() {
        set_up();
        let mut plane = Ipvs::new().unwrap();
        let key = key(false, 80, Protocol::Udp);
        plane.apply(&[put(key, &service(false, 0, Selector::Sequence, &[1, 2]))]).unwrap();
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let told = stop.clone();
        let clients = within("client", move || {
            let mut answers = Vec::new();
            while !told.load(std::sync::atomic::Ordering::Relaxed) {
                answers.push(ask(key.socket_addr()).map_err(|error| error.kind()));
            }
            answers
        });
        // Servers come and go, and their weights change.
        for round in 0..50_u16 {
            let plan: &[u16] = if round % 2 == 0 { &[3, 3, 4] } else { &[1, 2, 2] };
            let mut state = service(false, 0, Selector::Sequence, plan);
            state.backends.retain(|id, _| plan.contains(&u16::try_from(id.get()).unwrap()));
            plane.apply(&[put(key, &state)]).unwrap();
            assert_eq!(plane.read().unwrap().services[&key], as_held(&state));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let answers = clients.join().unwrap();
        assert!(answers.len() > 20, "{}", answers.len());
        // A packet of a connection whose server went meanwhile is lost; but nobody is refused.
        assert!(!answers.contains(&Err(ErrorKind::ConnectionRefused)), "{answers:?}");
    }
}
