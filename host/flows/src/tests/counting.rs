use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::BackendId;

use super::stage::{Counting, OTHERS, UDP, V4, V6, on_stage, reset, run, udp_flow};
use crate::count_once;
use crate::shared::Options;

/// Ends all connections of the namespace, as timeouts would.
fn forget() {
    run("conntrack", &["-D"], "");
}

#[test]
fn each_step_of_a_tcp_connection_is_counted_as_ipvs_counts_it() {
    on_stage(1, |stage| {
        let mut it = Counting::begin(Options::default());
        for (id, to) in [(1, V4), (2, V6)] {
            let (client, server) = stage.connect(to);
            it.wait(id, (1, 0, 1));
            // Half closed by the client.
            client.shutdown(Shutdown::Write).unwrap();
            it.wait(id, (0, 1, 1));
            drop((client, server));
            let second = stage.connect(to);
            it.wait(id, (1, 1, 2));
            // Closed by the server first.
            drop(second.1);
            it.wait(id, (0, 2, 2));
            drop(second.0);
            // Reset by the client, then by the server.
            let third = stage.connect(to);
            it.wait(id, (1, 2, 3));
            reset(third.0);
            it.wait(id, (0, 3, 3));
            let fourth = stage.connect(to);
            it.wait(id, (1, 3, 4));
            reset(fourth.1);
            it.wait(id, (0, 4, 4));
        }
        forget();
        it.wait(1, (0, 0, 4));
        it.wait(2, (0, 0, 4));
        assert_eq!(it.counter.status().dumps, 1);
    });
}

#[test]
fn udp_flows_are_inactive_as_with_ipvs_until_the_kernel_forgets_them() {
    on_stage(1, |stage| {
        let mut it = Counting::begin(Options::default());
        let sockets = [udp_flow(), udp_flow(), udp_flow()];
        it.wait(3, (0, 3, 3));
        let mut byte = [0];
        for _ in &sockets {
            let (_, from) = stage.udp.recv_from(&mut byte).unwrap();
            stage.udp.send_to(b"!", from).unwrap();
        }
        for socket in &sockets {
            socket.recv(&mut byte).unwrap();
            socket.send(b"?").unwrap();
        }
        assert_eq!(
            count_once()
                .unwrap()
                .values()
                .map(|it| it.inactive)
                .sum::<u32>(),
            3
        );
        run(
            "conntrack",
            &[
                "-D",
                "-p",
                "udp",
                "--orig-port-dst",
                UDP.rsplit(':').next().unwrap(),
            ],
            "",
        );
        it.wait(3, (0, 0, 3));
    });
}

#[test]
fn connections_from_before_the_start_are_counted_and_counted_down() {
    on_stage(1, |stage| {
        let old: Vec<_> = (0..5).map(|_| stage.connect(V4)).collect();
        let closing = stage.connect(V4);
        closing.0.shutdown(Shutdown::Write).unwrap();
        let flow = udp_flow();
        let mut it = Counting::begin(Options::default());
        assert_eq!(it.known(1), (5, 1, 0));
        assert_eq!(it.known(3), (0, 1, 0));
        drop(old);
        it.wait(1, (0, 6, 0));
        let (_client, _server) = stage.connect(V4);
        it.wait(1, (1, 6, 1));
        drop(flow);
        forget();
        it.wait(1, (0, 0, 1));
        it.wait(3, (0, 0, 0));
    });
}

#[test]
fn what_changes_no_count_is_not_even_delivered() {
    on_stage(1, |stage| {
        const N: u64 = 50;
        let events = |filter| {
            forget_quietly();
            let mut it = Counting::begin(Options {
                filter,
                ..Options::default()
            });
            let (before, others) = (it.counter.status().events, N * 3);
            for to in OTHERS {
                for _ in 0..N {
                    drop(stage.connect(to));
                }
            }
            let mut streams = Vec::new();
            for _ in 0..N {
                streams.push(stage.connect(V4));
            }
            u32::try_from(N).map(|n| it.wait(1, (n, 0, N))).unwrap();
            let made = it.counter.status().events - before;
            // Client first, and its closing quite over before the server's, so that each state is told.
            for (client, server) in streams {
                drop(client);
                drop(server);
            }
            forget();
            it.wait(1, (0, 0, N));
            (made, it.counter.status().events - before, others)
        };
        let (made, all, _) = events(true);
        assert_eq!(
            made, N,
            "of established connections only their beginning is told"
        );
        assert!(
            all <= 6 * N,
            "beginning, four closing states, end: {all} messages of {N} connections"
        );
        let (_, unfiltered, others) = events(false);
        assert!(
            unfiltered >= all + 2 * N + 3 * others,
            "{unfiltered} without the filter, {all} with it"
        );
    });
}

/// As [`forget`], if there is anything to forget or not.
fn forget_quietly() {
    run("conntrack", &["-F"], "");
}

#[test]
fn a_tuple_that_is_used_again_is_a_new_connection() {
    on_stage(1, |stage| {
        let mut it = Counting::begin(Options::default());
        let (client, server) = stage.connect(V4);
        let from = client.local_addr().unwrap();
        it.wait(1, (1, 0, 1));
        reset(client);
        it.wait(1, (0, 1, 1));
        let (again, _server) = stage.connect_from(from, V4);
        it.wait(1, (1, 0, 2));
        reset(again);
        it.wait(1, (0, 1, 2));
        drop(server);
    });
}

#[test]
fn two_thousand_short_connections_end_with_none_active() {
    on_stage(1, |stage| {
        let mut it = Counting::begin(Options::default());
        for _ in 0..2_000 {
            drop(stage.connect(V4));
        }
        it.wait(1, (0, 2_000, 2_000));
        let status = it.counter.status();
        assert_eq!(
            (status.connections, status.dumps, status.overruns),
            (2_000, 1, 0)
        );
        let counted = count_once().unwrap();
        assert_eq!(
            counted
                .values()
                .map(|it| (it.active, it.inactive))
                .collect::<Vec<_>>(),
            [(0, 2_000)]
        );
    });
}

#[test]
fn after_an_overrun_counts_are_right_again() {
    on_stage(1, |stage| {
        // A few messages fit.
        let mut it = Counting::begin(Options {
            buffer: 4 << 10,
            ..Options::default()
        });
        let kept: Vec<_> = (0..10).map(|_| stage.connect(V4)).collect();
        let mut made = 10;
        while it.counter.status().overruns == 0 {
            for _ in 0..500 {
                drop(stage.connect(V4));
            }
            made += 500;
            assert!(made < 30_000, "no overrun: {:?}", it.counter.status());
        }
        it.wait(1, (10, made - 10, u64::from(made)));
        let status = it.counter.status();
        assert!(status.dumps >= 2, "{status:?}");
        drop(kept);
        it.wait(1, (0, made, made.into()));
    });
}

#[test]
fn a_pause_costs_no_events_and_after_it_counts_are_right() {
    on_stage(1, |stage| {
        let mut it = Counting::begin(Options::default());
        let first = stage.connect(V4);
        it.wait(1, (1, 0, 1));
        it.counter.listen(false);
        let paused = it.wait_status(|status| !status.listening);
        let second = stage.connect(V4);
        drop(first);
        assert!(it.silent());
        it.counter.listen(true);
        it.hear();
        assert_eq!(it.known(1), (1, 1, 1));
        assert_eq!(it.counter.status().events, paused.events);
        drop(second);
        it.wait(1, (0, 2, 1));
    });
}

#[test]
fn where_there_are_no_connections_an_empty_report_says_so() {
    on_stage(1, |_| {
        let it = Counting::begin(Options::default());
        assert_eq!(it.known(1), (0, 0, 0));
        let status = it.counter.status();
        assert!(status.listening && status.problem.is_none(), "{status:?}");
        assert_eq!(crate::events_setting().unwrap(), 1);
    });
}

#[test]
fn a_kernel_that_sends_no_events_is_a_problem_that_is_told() {
    on_stage(0, |stage| {
        let _before = stage.connect(V4);
        let it = Counting::begin(Options::default());
        assert_eq!(it.known(1), (1, 0, 0));
        assert!(
            it.counter
                .status()
                .problem
                .is_some_and(|it| it.contains("nf_conntrack_events"))
        );
    });
}

#[test]
fn a_number_in_conntrack_is_that_of_the_service_and_the_server_of_its_connections() {
    on_stage(1, |stage| {
        let _connections = [V4, V6].map(|to| stage.connect(to));
        let _other = OTHERS.map(|to| stage.connect(to));
        let _flow = udp_flow();
        let found = crate::numbers_in_use().unwrap();
        let expected = [
            (1, Protocol::Tcp, V4, "127.0.0.1:8080"),
            (2, Protocol::Tcp, V6, "[::1]:8080"),
            (3, Protocol::Udp, UDP, "127.0.0.1:5353"),
        ]
        .map(|(n, protocol, service, server)| {
            let service: SocketAddr = service.parse().unwrap();
            let key = ServiceKey {
                addr: service.ip(),
                port: service.port(),
                protocol,
            };
            (
                BackendId::new(n).unwrap(),
                Some((key, server.parse().unwrap())),
            )
        });
        assert_eq!(found, expected.into());
    });
}

#[test]
fn connections_that_fail_and_bytes_are_counted_where_they_are_wanted() {
    on_stage(1, |stage| {
        run("sysctl", &["-qw", "net.netfilter.nf_conntrack_acct=1"], "");
        // Before the counter listens, too.
        let mut early = stage.connect(V4);
        early.0.write_all(&[0; 5_000]).unwrap();
        let mut it = Counting::begin(Options::default());
        it.counter.count_traffic(true);
        it.wait_beyond(1, |failed, traffic| {
            failed == 0 && traffic.is_some_and(|it| it.to_backend > 5_000)
        });
        let mut later = stage.connect(V4);
        later.1.write_all(&[0; 30_000]).unwrap();
        // Nobody listens there: refused.
        let refused = "
            table inet t {
              chain out {
                ip daddr 127.0.0.11 tcp dport 80 ct mark set 1 dnat ip to 127.0.0.1:9
              }
            }";
        run("nft", &["-f", "-"], refused);
        let to: SocketAddr = "127.0.0.11:80".parse().unwrap();
        assert!(TcpStream::connect(to).is_err());
        drop((early, later));
        forget();
        it.wait_beyond(1, |failed, traffic| {
            failed == 1 && traffic.is_some_and(|it| it.to_clients > 30_000)
        });
    });
}
