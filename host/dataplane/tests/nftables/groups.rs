//! Spreads in groups: where packets go while they change, and what a change that came to no end leaves.

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evenkeel_core::groups::{Group, Groups, clients};
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{Change, Selector, ServiceState, Spread};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::Nftables;

use crate::lab::{ask_from, client, id, key, service, set_up, within};
use evenkeel_tests::{in_a_namespace, sh};

/// Everybody to servers 3 and 4, and the clients' own network to server 1 or 2, in so many slots. `split`: through a
/// group that is split.
fn grouped(key: ServiceKey, own: &[u16], split: bool) -> ServiceState {
    let v6 = key.addr.is_ipv6();
    let slots = |numbers: &[u16]| numbers.iter().map(|n| id(*n)).collect();
    let turn = |numbers: &[u16]| Group::Servers {
        selector: Selector::Sequence,
        slots: slots(numbers),
    };
    let led = if split { 1 } else { 2 };
    let rules =
        [("10.77.0.0/24", led), ("fd77::/64", led)].map(|(net, to)| (net.parse().unwrap(), to));
    let groups = vec![
        turn(&[3, 4]),
        Group::Split {
            selector: Selector::HashFlow,
            slots: vec![2; own.len()],
        },
        turn(own),
    ];
    let mut state = service(v6, 0, Selector::Sequence, &[1]);
    state.spread = Spread::Groups(Groups {
        groups,
        clients: clients(&rules, !v6),
    });
    state
}

/// Opens a connection, faster than a lost SYN's retransmission: one that is lost is a failure.
fn once(key: ServiceKey) -> std::io::Result<u8> {
    let mut stream = TcpStream::connect_timeout(&key.socket_addr(), Duration::from_millis(900))?;
    let mut name = [0];
    stream.read_exact(&mut name)?;
    Ok(name[0])
}

in_a_namespace! {
    fn clients_of_a_network_stay_in_their_group_while_the_spread_changes() {
        set_up();
        for v6 in [false, true] {
            let mut plane = Nftables::new("evenkeel").unwrap();
            plane.clear().unwrap();
            let key = key(v6, 80, Protocol::Tcp);
            plane.apply(&[Change::Put(key, grouped(key, &[1, 2], false))]).unwrap();
            // Neighbours are looked for once.
            assert!(client(1, key)[0] < 3);
            let done = Arc::new(AtomicBool::new(false));
            let until = Arc::clone(&done);
            let answers = within("client", move || {
                let mut answers = Vec::new();
                while !until.load(Ordering::Relaxed) {
                    answers.push(once(key));
                }
                answers
            });
            for n in 0..400usize {
                // Other slots, other numbers of slots, other rules.
                let own: Vec<u16> = (0..1 + n % 5).map(|slot| 1 + u16::try_from((slot + n) % 2).unwrap()).collect();
                plane.apply(&[Change::Put(key, grouped(key, &own, n % 3 == 0))]).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
            done.store(true, Ordering::Relaxed);
            let answers = answers.join().unwrap();
            assert!(answers.len() > 50, "{answers:?}");
            let wrong = answers.iter().filter(|it| !matches!(it, Ok(1 | 2)));
            let wrong: Vec<_> = wrong.map(|it| format!("{it:?}")).collect();
            assert!(wrong.is_empty(), "of {}: {wrong:?}; {}", answers.len(), sh("nft list chain inet evenkeel slot | grep counter"));
        }
    }
}

in_a_namespace! {
    fn datagrams_of_other_networks_go_to_the_first_group() {
        set_up();
        let key = key(false, 53, Protocol::Udp);
        let mut plane = Nftables::new("evenkeel").unwrap();
        plane.apply(&[Change::Put(key, grouped(key, &[1], true))]).unwrap();
        let from = |last: [u8; 4]| {
            let ask = move || ask_from(last.into(), key.socket_addr()).unwrap();
            within("client", ask).join().unwrap()
        };
        assert_eq!([from([10, 77, 0, 2]), from([10, 77, 0, 3])], [1, 1]);
        let mut others = [from([10, 77, 1, 2]), from([10, 77, 1, 3])];
        others.sort_unstable();
        assert_eq!(others, [3, 4]);
        // Refused, for one network alone.
        let mut refusing = grouped(key, &[1], false);
        if let Spread::Groups(groups) = &mut refusing.spread {
            groups.groups[2] = Group::Refuse;
        }
        plane.apply(&[Change::Put(key, refusing)]).unwrap();
        let refused = move || ask_from([10, 77, 0, 2].into(), key.socket_addr()).unwrap_err().kind();
        assert_eq!(
            within("client", refused).join().unwrap(),
            std::io::ErrorKind::ConnectionRefused
        );
        assert!(from([10, 77, 1, 2]) > 2);
    }
}

in_a_namespace! {
    fn clients_of_no_service_are_no_damage_and_the_next_change_removes_them() {
        set_up();
        let key = key(false, 80, Protocol::Tcp);
        let mut plane = Nftables::new("evenkeel").unwrap();
        let state = grouped(key, &[1], false);
        plane.apply(&[Change::Put(key, state.clone())]).unwrap();
        let listed = || {
            let output = std::process::Command::new("nft")
                .args(["list", "map", "inet", "evenkeel", "net4"])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(listed().matches("0x01000002").count(), 1, "{}", listed());
        sh("nft add element inet evenkeel net4 '{ 192.0.2.0/24 . 0x50000000 : 0x01000001 }'");
        let mut next = Nftables::new("evenkeel").unwrap();
        assert_eq!(next.read().unwrap().services[&key], state);
        next.apply(&[Change::Put(key, grouped(key, &[2], false))]).unwrap();
        assert!(!listed().contains("192.0.2.0"), "{}", listed());
        assert_eq!(client(3, key), [2, 2, 2]);
        // A client of ours that was changed is damage.
        sh("nft delete element inet evenkeel net4 \
            \"{ $(nft list map inet evenkeel net4 | grep -o '10.77[^:]*') }\"");
        let mut other = Nftables::new("evenkeel").unwrap();
        assert!(other.read().unwrap().services.is_empty());
    }
}
