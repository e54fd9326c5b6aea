//! The client and the kernel; `ipvsadm` is the witness.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a failure ends them"
)]

use std::net::SocketAddr;
use std::num::NonZeroU32;

use evenkeel_ipvs::{
    Client, Destination, Error, Family, Flags, Forward, Granularity, Key, Protocol, Reason, Role,
    Service, SyncDaemon, Timeouts, Tunnel, TunnelKind,
};

use evenkeel_tests::{sh, with_ipvs};

fn key(protocol: Protocol, address: &str) -> Key {
    Key::Address {
        protocol,
        address: address.parse().unwrap(),
    }
}

fn service(key: Key, scheduler: &str) -> Service {
    Service {
        key,
        scheduler: Some(scheduler.to_owned()),
        flags: Flags::default(),
        timeout: 0,
        granularity: Granularity::single(key.family()),
        engine: None,
    }
}

fn destination(address: &str, forward: Forward, weight: u32) -> Destination {
    Destination {
        address: address.parse().unwrap(),
        forward,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
        tunnel: Some(Tunnel::default()),
    }
}

/// What `ipvsadm -Sn` says, in order.
fn saved() -> Vec<String> {
    let mut lines: Vec<String> = sh("ipvsadm -Sn")
        .lines()
        .map(|it| it.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

with_ipvs! {
    fn services_and_destinations_are_what_ipvsadm_shows() {
        let mut client = Client::open().unwrap();
        let web = key(Protocol::TCP, "192.0.2.1:80");
        let six = key(Protocol::UDP, "[2001:db8::1]:53");
        let sctp = key(Protocol::SCTP, "192.0.2.1:9");
        let mark = Key::Fwmark { mark: NonZeroU32::new(7).unwrap(), family: Family::V4 };
        let mut sticky = service(six, "sh");
        sticky.flags = Flags::PERSISTENT.and(Flags::SCHEDULER_2).and(Flags(0x4500_0000));
        sticky.timeout = 300;
        sticky.granularity = Granularity::Prefix(64);
        let mut once = service(key(Protocol::UDP, "192.0.2.2:53"), "rr");
        once.flags = Flags::ONE_PACKET;
        for it in [service(web, "wrr"), sticky.clone(), service(sctp, "rr"), service(mark, "wlc"), once.clone()] {
            client.add_service(&it).unwrap();
            // The kernel adds that it is in its table.
            let found = client.service(&it.key).unwrap().unwrap().service;
            assert_eq!(found, Service { flags: it.flags.and(Flags::HASHED), ..it });
        }
        let mut limited = destination("10.0.0.1:8080", Forward::Masq, 5);
        limited.upper_threshold = 100;
        limited.lower_threshold = 50;
        // What is said of a tunnel is kept and does not show where there is none of that kind.
        limited.tunnel = Some(Tunnel { kind: TunnelKind::Ipip, port: 0xabcd, flags: 0x1234 });
        let far = Destination {
            tunnel: Some(Tunnel { kind: TunnelKind::Gue, port: 6080, flags: 0 }),
            ..destination("10.0.0.3:80", Forward::Tunnel, 1)
        };
        let plain = Destination {
            tunnel: Some(Tunnel { kind: TunnelKind::Ipip, port: 0xabcd, flags: 0x1234 }),
            ..destination("10.0.0.4:80", Forward::Tunnel, 1)
        };
        let all = [limited, destination("10.0.0.2:80", Forward::Route, 65_535), far, plain];
        for it in &all {
            client.add_destination(&web, it).unwrap();
        }
        client.add_destination(&six, &destination("[fd00::1]:53", Forward::Masq, 1)).unwrap();
        client.add_destination(&mark, &destination("10.0.0.9:0", Forward::Masq, 1)).unwrap();
        let mut found: Vec<Destination> =
            client.destinations(&web).unwrap().into_iter().map(|it| it.destination).collect();
        found.sort_by_key(|it| it.address);
        assert_eq!(found, all);
        assert_eq!(saved(), [
            "-A --sctp-service 192.0.2.1:9 -s rr",
            "-A -f 7 -s wlc",
            "-A -t 192.0.2.1:80 -s wrr",
            "-A -u 192.0.2.2:53 -s rr -o",
            "-A -u [2001:db8::1]:53 -s sh -p 300 -M 64 -b sh-port",
            "-a -f 7 -r 10.0.0.9:0 -m -w 1",
            "-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 5",
            "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 65535",
            "-a -t 192.0.2.1:80 -r 10.0.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            "-a -t 192.0.2.1:80 -r 10.0.0.4:80 -i -w 1 --tun-type ipip",
            "-a -u [2001:db8::1]:53 -r [fd00::1]:53 -m -w 1",
        ]);

        // Changed, with all bits of the flags.
        sticky.flags = Flags(0x4600_0000);
        sticky.scheduler = Some("mh".into());
        client.set_service(&sticky).unwrap();
        let found = client.service(&six).unwrap().unwrap().service;
        assert_eq!(found.flags, Flags(0x4600_0002));
        assert_eq!(found.scheduler.as_deref(), Some("mh"));
        sticky.scheduler = None;
        client.set_service(&sticky).unwrap();
        assert_eq!(client.service(&six).unwrap().unwrap().service.scheduler, None);
        let drained = Destination { weight: 0, forward: Forward::Route, ..limited };
        client.set_destination(&web, &drained).unwrap();
        client.delete_destination(&web, far.address).unwrap();
        let mut found: Vec<_> = client.destinations(&web).unwrap().iter().map(|it| it.destination).collect();
        found.sort_by_key(|it| it.address);
        assert_eq!(found, [drained, all[1], all[3]]);
        client.delete_service(&web).unwrap();
        assert_eq!(client.service(&web).unwrap(), None);
        assert_eq!(client.services().unwrap().len(), 4);
        client.flush().unwrap();
        assert_eq!(client.services().unwrap(), []);
    }
}

fn reason(outcome: Result<(), Error>) -> Reason {
    match outcome.unwrap_err() {
        Error::Refused { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

with_ipvs! {
    fn what_the_kernel_refuses_is_said_in_words() {
        let mut client = Client::open().unwrap();
        let web = key(Protocol::TCP, "192.0.2.1:80");
        let server = destination("10.0.0.1:80", Forward::Masq, 1);
        assert!(matches!(reason(client.set_service(&service(web, "rr"))), Reason::NoService));
        assert!(matches!(reason(client.delete_service(&web)), Reason::NoService));
        assert!(matches!(reason(client.add_destination(&web, &server)), Reason::NoService));
        assert_eq!(client.destinations(&web).unwrap(), []);
        let Reason::NoModule(why) = reason(client.add_service(&service(web, "nonesuch"))) else { panic!() };
        assert!(why.contains("no scheduler nonesuch") && why.contains("ip_vs_nonesuch"), "{why}");
        let sip = Service { engine: Some("nonesuch".into()), ..service(web, "rr") };
        let Reason::NoModule(why) = reason(client.add_service(&sip)) else { panic!() };
        assert!(why.contains("ip_vs_pe_nonesuch"), "{why}");
        client.add_service(&service(web, "rr")).unwrap();
        assert!(matches!(reason(client.add_service(&service(web, "rr"))), Reason::Exists));
        assert!(matches!(reason(client.set_destination(&web, &server)), Reason::NoDestination));
        client.add_destination(&web, &server).unwrap();
        assert!(matches!(reason(client.add_destination(&web, &server)), Reason::Exists));
        client.zero(Some(&web)).unwrap();
        client.zero(None).unwrap();
        client.delete_service(&web).unwrap();
        assert!(matches!(reason(client.zero(Some(&web))), Reason::NoService));
        sh("ip link add one type veth peer name two");
        let down = SyncDaemon {
            role: Role::Master, interface: "nonesuch".into(), id: 1, max_len: None, group: None, port: None, ttl: None,
        };
        let error = client.start_sync(&down).unwrap_err();
        assert!(error.to_string().contains("nonesuch"), "{error}");
        client.stop_sync(Role::Master).unwrap_err();
    }
}

with_ipvs! {
    fn timeouts_information_and_sync_daemons() {
        let mut client = Client::open().unwrap();
        assert!(client.info().unwrap().version.to_string().starts_with("1.2."));
        assert!(client.info().unwrap().table_size >= 256);
        let before = client.timeouts().unwrap();
        assert_eq!(before, Timeouts { tcp: Some(900), tcp_fin: Some(120), udp: Some(300) });
        client.set_timeouts(&Timeouts { tcp: Some(60), tcp_fin: None, udp: Some(0) }).unwrap();
        assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: Some(60), ..before });

        sh("ip link add one type veth peer name two; ip link set one up; ip link set two up; ip addr add 10.9.0.1/24 dev one");
        assert_eq!(client.sync_daemons().unwrap(), []);
        let master = SyncDaemon {
            role: Role::Master,
            interface: "one".into(),
            id: 51,
            max_len: Some(1_000),
            group: Some([239, 1, 2, 3].into()),
            port: Some(9_000),
            ttl: Some(2),
        };
        let backup = SyncDaemon {
            role: Role::Backup, max_len: None, group: None, port: None, ttl: None, ..master.clone()
        };
        client.start_sync(&master).unwrap();
        client.start_sync(&backup).unwrap();
        let daemons = client.sync_daemons().unwrap();
        assert_eq!(daemons[0], master);
        // What is not said is what the kernel takes.
        let defaults = SyncDaemon {
            max_len: daemons[1].max_len, group: Some([224, 0, 0, 81].into()), port: Some(8_848), ttl: Some(1), ..backup
        };
        assert_eq!(daemons[1], defaults);
        let shown = sh("ipvsadm -l --daemon");
        assert!(shown.contains("mcast=one, syncid=51, maxlen=1000, group=239.1.2.3, port=9000, ttl=2"), "{shown}");
        client.stop_sync(Role::Master).unwrap();
        client.stop_sync(Role::Backup).unwrap();
        assert_eq!(client.sync_daemons().unwrap(), []);
    }
}

with_ipvs! {
    fn a_sync_daemon_that_is_ended_before_it_ran_is_ended() {
        let mut client = Client::open().unwrap();
        sh("ip link add one type veth peer name two; ip link set one up; ip link set two up; ip addr add 10.9.0.1/24 dev one");
        for role in [Role::Backup, Role::Master].repeat(10) {
            let daemon = SyncDaemon {
                role, interface: "one".into(), id: 51, max_len: None, group: None, port: None, ttl: None,
            };
            client.start_sync(&daemon).unwrap();
            client.stop_sync(role).unwrap();
            assert_eq!(client.sync_daemons().unwrap(), []);
        }
    }
}

with_ipvs! {
    fn many_destinations_and_services_are_all_read() {
        let mut client = Client::open().unwrap();
        let web = key(Protocol::TCP, "192.0.2.1:80");
        client.add_service(&service(web, "wrr")).unwrap();
        for n in 0..500_u16 {
            let [high, low] = n.to_be_bytes();
            let address = SocketAddr::from(([10, 0, high, low], 80));
            client.add_destination(&web, &Destination { address, ..destination("10.0.0.1:80", Forward::Masq, 1) }).unwrap();
            client.add_service(&service(key(Protocol::TCP, &format!("192.0.2.2:{}", n + 1)), "rr")).unwrap();
        }
        assert_eq!(client.destinations(&web).unwrap().len(), 500);
        assert_eq!(client.services().unwrap().len(), 501);
    }
}
