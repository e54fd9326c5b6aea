//! Direct routing and tunnels: the servers have the virtual address themselves, and answer clients past the director.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

use evenkeel_core::model::{Forward, Protocol, ServiceKey};
use evenkeel_core::state::{Change, Selector, ServiceState};
use evenkeel_dataplane::ipvs::Ipvs;
use evenkeel_dataplane::{DataPlane, Error};

use crate::lab::{client, id, key, service, set_up, within};
use crate::traffic::counted;
use crate::{only, put};
use evenkeel_tests::{sh, with_ipvs};

/// Lays a cable from the servers to the client, gives the servers the virtual addresses, and starts one on each.
fn past_the_director(port: u16) {
    sh(
        "ip -n server link add back type veth peer name back netns client; \
        for n in client server; do ip -n $n link set back up; \
          ip netns exec $n sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done'; done; \
        ip -n server addr add 10.79.0.1/24 dev back; ip -n client addr add 10.79.0.2/24 dev back; \
        ip -n server addr add fd79::1/64 dev back nodad; ip -n client addr add fd79::2/64 dev back nodad; \
        ip -n server route replace 10.77.0.0/24 via 10.79.0.2; ip -n server -6 route replace fd77::/64 via fd79::2; \
        ip -n server addr add 10.77.255.1/32 dev lo; ip -n server addr add fd77:1::ff01/128 dev lo nodad",
    );
    let (ready, started) = mpsc::channel();
    for v6 in [false, true] {
        let ready = ready.clone();
        within("server", move || {
            let listener = TcpListener::bind(key(v6, port, Protocol::Tcp).socket_addr()).unwrap();
            ready.send(()).unwrap();
            for stream in listener.incoming() {
                let _ = stream.unwrap().write_all(&[9]);
            }
        });
    }
    started.recv().unwrap();
    started.recv().unwrap();
}

/// A service of two servers that are reached like this.
fn forwarded(key: ServiceKey, forward: Forward) -> ServiceState {
    let mut state = service(key.addr.is_ipv6(), 0, Selector::Sequence, &[1, 2]);
    // A number of more than 16 bits.
    let second = state.backends.remove(&id(4)).unwrap();
    state.backends.insert(
        evenkeel_core::state::BackendId::new(0xab_cdef).unwrap(),
        second,
    );
    for backend in state.backends.values_mut() {
        backend.forward = forward;
        backend.address = SocketAddr::new(backend.address.ip(), key.port);
    }
    state
}

with_ipvs! {
    fn packets_are_routed_as_they_are_or_in_a_tunnel() {
        set_up();
        past_the_director(8080);
        sh("modprobe -q -a ipip ip6_tunnel; ip -n server link add tunnel type ipip local any remote any 2>/dev/null || true; \
            ip -n server link set tunl0 up; ip -n server link set ip6tnl0 up || true; \
            ip netns exec server sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done'");
        let mut plane = Ipvs::new().unwrap();
        for forward in [Forward::Dr, Forward::Tun] {
            for v6 in [false, true] {
                if v6 && forward == Forward::Tun && !sh("ip -n server link").contains("ip6tnl0") {
                    eprintln!("this kernel has no IPv6 tunnels (ip6_tunnel)");
                    continue;
                }
                let key = key(v6, 8080, Protocol::Tcp);
                let state = forwarded(key, forward);
                plane.apply(&[put(key, &state)]).unwrap();
                assert_eq!(plane.read().unwrap(), only(key, &state));
                assert_eq!(client(4, key), [9; 4], "{forward} {key}");
                counted(&mut plane, 1, 2);
                counted(&mut plane, 2, 2);
                // The numbers, which are kept in what is said of tunnels, do not show.
                let saved = sh("ipvsadm -Sn");
                assert!(!saved.contains("port") && !saved.contains("csum"), "{saved}");
                plane.clear().unwrap();
            }
        }
    }
}

with_ipvs! {
    fn what_a_way_cannot_do_is_refused_in_words() {
        let mut plane = Ipvs::new().unwrap();
        let key = key(false, 80, Protocol::Tcp);
        let refused = |plane: &mut Ipvs, change: Change| match plane.apply(&[change]) {
            Err(Error::Invalid(text)) => text,
            other => unreachable!("{other:?}"),
        };
        let mut other_port = forwarded(key, Forward::Dr);
        other_port.backends.insert(id(7), evenkeel_core::state::Backend {
            forward: Forward::Dr,
            ..SocketAddr::from(([10, 78, 0, 20], 81)).into()
        });
        let text = refused(&mut plane, put(key, &other_port));
        assert!(text.contains("cannot change the port 80 to 81"), "{text}");
        let mut twice = forwarded(key, Forward::Nat);
        let first = twice.backends[&id(1)];
        twice.backends.insert(id(7), first);
        let text = refused(&mut plane, put(key, &twice));
        assert!(text.contains("backends 1 and 7 are both"), "{text}");
        let text = refused(&mut plane, Change::Offload(["eth0".to_owned()].into()));
        assert!(text.contains("offload"), "{text}");
        // By firewall mark the port is the packet's.
        let marked = ServiceKey {
            addr: [0; 4].into(), port: 0, protocol: Protocol::Fwmark(7.try_into().unwrap()),
        };
        let mut state = forwarded(key, Forward::Dr);
        for backend in state.backends.values_mut() {
            backend.address.set_port(0);
        }
        plane.apply(&[put(marked, &state)]).unwrap();
        assert_eq!(plane.read().unwrap(), only(marked, &state));
        assert!(sh("ipvsadm -Sn").contains("-A -f 7 -s rr"));
        plane.clear().unwrap();
        let sctp = ServiceKey { protocol: Protocol::Sctp, ..key };
        let state = ServiceState { snat: true, ..forwarded(sctp, Forward::Nat) };
        plane.apply(&[put(sctp, &state)]).unwrap();
        assert_eq!(plane.read().unwrap(), only(sctp, &state));
        assert!(sh("ipvsadm -Sn").contains("-A --sctp-service 10.77.255.1:80 -s rr"));
    }
}
