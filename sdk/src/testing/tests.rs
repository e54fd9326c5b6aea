#![expect(unsafe_code, reason = "the register macros export a symbol")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::{
    BackendId, Backends, CheckError, Flow, HealthChecker, Level, Manifest, Plan, Protocol,
    Scheduler, SettingKind, Target, Verdict, choice, register_scheduler, settings, warn,
};

choice! {
    /// Colours.
    pub(super) enum Colour {
        Red = "red",
        DarkBlue = "dark-blue",
    }
}

settings! {
    /// One of each kind.
    #[derive(Debug, PartialEq)]
    pub(super) struct Every {
        /// A switch.
        switch: bool = true,
        /// A number of things,
        /// on two lines.
        #[range(1..=10)]
        how_many: u8 = 3,
        /// Unlimited.
        signed: i64 = -5,
        /// A ratio.
        ratio: f64 = 0.5,
        /// A text.
        r#type: String = "t",
        /// Texts.
        list: Vec<String> = &["a", "b"],
        /// A time.
        pause: Duration = Duration::from_millis(200),
        /// A colour.
        colour: Colour = Colour::DarkBlue,
        /// Absent unless configured.
        maybe: Option<u32>,
        /// Must be configured.
        must: String,
    }
}

/// Takes every setting; least connections, by `pick`.
struct Least(Every);

impl Scheduler for Least {
    type Settings = Every;

    const DECISIONS: &'static [crate::Decision] = &[crate::Decision::PerConnection];
    const FACTS: crate::Facts = crate::Facts::CONNECTIONS;

    fn new(settings: Every) -> Result<Self, String> {
        if settings.must.is_empty() {
            Err("must not be empty".into())
        } else {
            Ok(Self(settings))
        }
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        if backends.is_empty() {
            warn!("no servers of {}", self.0.must);
        }
        Plan::PerConnection
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        backends
            .taking()
            .min_by_key(|backend| backend.counts.active)
            .map(|backend| backend.id)
    }
}

register_scheduler!(Least, "least", "fewest connections");

fn least(settings: &[(&str, SettingValue)]) -> Result<SchedulerTest<Least>, String> {
    let mut all = vec![("must", "x".into())];
    all.extend_from_slice(settings);
    SchedulerTest::new(&all)
}

fn flow() -> Flow {
    Flow {
        protocol: Protocol::Tcp,
        source: ([198, 51, 100, 1], 4000).into(),
        destination: ([192, 0, 2, 100], 80).into(),
    }
}

#[test]
fn settings_that_are_not_given_have_their_defaults() {
    let test = values::<Every>(&[("must", "x".into())])
        .and_then(Every::from_values)
        .unwrap();
    assert_eq!(
        test,
        Every {
            switch: true,
            how_many: 3,
            signed: -5,
            ratio: 0.5,
            r#type: "t".into(),
            list: vec!["a".into(), "b".into()],
            pause: Duration::from_millis(200),
            colour: Colour::DarkBlue,
            maybe: None,
            must: "x".into(),
        }
    );
}

#[test]
fn settings_that_are_given_take_their_values() {
    let given = [
        ("switch", false.into()),
        ("how-many", 10.into()),
        ("signed", i64::MIN.into()),
        ("ratio", 2.0.into()),
        ("type", "u".into()),
        ("list", ["c"].into()),
        ("pause", Duration::from_secs(1).into()),
        ("colour", "red".into()),
        ("maybe", 7.into()),
        ("must", "y".into()),
    ];
    let every = values::<Every>(&given)
        .and_then(Every::from_values)
        .unwrap();
    assert_eq!(
        (every.switch, every.how_many, every.signed),
        (false, 10, i64::MIN)
    );
    assert_eq!(
        (every.r#type.as_str(), every.list),
        ("u", vec!["c".to_owned()])
    );
    assert_eq!(
        (every.pause, every.colour),
        (Duration::from_secs(1), Colour::Red)
    );
    assert_eq!((every.maybe, every.must.as_str()), (Some(7), "y"));
}

#[test]
fn settings_that_do_not_fit_are_refused_by_name() {
    for (key, value, reason) in [
        (
            "how-many",
            SettingValue::from(11),
            "setting how-many cannot be Integer(11)",
        ),
        ("how-many", 0.into(), "setting how-many cannot be"),
        ("how-many", "3".into(), "setting how-many cannot be"),
        (
            "how_many",
            3.into(),
            "unknown setting how_many; there are: switch, how-many",
        ),
        ("colour", "green".into(), "setting colour cannot be"),
        ("ratio", f64::NAN.into(), "setting ratio cannot be"),
        ("maybe", (-1).into(), "setting maybe cannot be"),
    ] {
        let error = least(&[(key, value)]).unwrap_err();
        assert!(error.starts_with(reason), "{error}");
    }
    let error = SchedulerTest::<Least>::new(&[]).unwrap_err();
    assert_eq!(error, "setting must is required");
    let error = SchedulerTest::<Least>::new(&[("must", "".into())]).unwrap_err();
    assert_eq!(error, "must not be empty");
}

#[test]
fn the_manifest_describes_every_setting() {
    let Manifest {
        name,
        version,
        summary,
        settings,
    } = scheduler_manifest::<Least>();
    assert_eq!(
        (name.as_str(), version.as_str()),
        ("least", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(summary, "fewest connections");
    let spec = |key| settings.iter().find(|spec| spec.key == key).unwrap();
    assert_eq!(spec("how-many").doc, "A number of things, on two lines.");
    assert_eq!(spec("how-many").kind, SettingKind::Integer(1, 10));
    assert_eq!(
        spec("signed").kind,
        SettingKind::Integer(i64::MIN, i64::MAX)
    );
    assert_eq!(spec("maybe").kind, SettingKind::Integer(0, u32::MAX.into()));
    assert_eq!(
        spec("colour").kind,
        SettingKind::Choice(vec!["red".into(), "dark-blue".into()])
    );
    assert_eq!(spec("colour").default, Some("dark-blue".into()));
    assert_eq!(
        (spec("maybe").default.is_none(), spec("maybe").required),
        (true, false)
    );
    assert_eq!(
        (spec("must").default.is_none(), spec("must").required),
        (true, true)
    );
    let keys: Vec<&str> = settings.iter().map(|spec| spec.key.as_str()).collect();
    assert_eq!(keys[..5], ["switch", "how-many", "signed", "ratio", "type"]);
}

#[test]
fn a_picked_server_counts_as_having_the_connection_at_once() {
    let mut test = least(&[]).unwrap();
    test.backends(&[("a", 1), ("b", 1), ("draining", 0)]);
    let picked: Vec<_> = (0..4).map(|_| test.pick(&flow()).unwrap()).collect();
    assert_eq!(picked, ["a", "b", "a", "b"]);
}

#[test]
fn counts_come_by_name_and_stay_with_it_when_servers_change() {
    let mut test = least(&[]).unwrap();
    test.backends(&[("a", 1), ("b", 1)]);
    test.loads(&[("a", 10), ("b", 3), ("unknown", 1)]);
    assert_eq!(test.pick(&flow()).as_deref(), Some("b"));
    test.backends(&[("c", 1), ("a", 1)]);
    test.loads(&[("c", 20)]);
    assert_eq!(test.pick(&flow()).as_deref(), Some("a"));
    test.backends(&[]);
    assert_eq!(test.pick(&flow()), None);
}

#[test]
fn backends_are_found_by_number_and_summed_up() {
    let mut backends = Backends::default();
    let backend = |id: u32, weight, active| crate::Backend {
        counts: crate::Counts {
            active,
            ..crate::Counts::default()
        },
        labels: vec![("zone".into(), format!("z{id}"))],
        ..crate::Backend::new(
            id,
            format!("s{id}"),
            (Ipv4Addr::LOCALHOST, 80).into(),
            weight,
        )
    };
    backends.set(vec![backend(9, 5, 1), backend(4, 0, 2)]);
    backends.set_load(
        BackendId::new(4),
        crate::Counts {
            active: 7,
            ..crate::Counts::default()
        },
        Vec::new(),
    );
    backends.set_load(
        BackendId::new(5),
        crate::Counts {
            active: 7,
            ..crate::Counts::default()
        },
        Vec::new(),
    );
    assert_eq!(
        (
            backends.len(),
            backends.total_weight(),
            backends.total_active()
        ),
        (2, 5, 8)
    );
    assert_eq!(
        backends.get(BackendId::new(4)).unwrap().label("zone"),
        Some("z4")
    );
    assert_eq!(backends.get(BackendId::new(4)).unwrap().label("cpu"), None);
    assert_eq!(backends.taking().count(), 1);
    assert!(backends.get(BackendId::new(5)).is_none());
}

#[test]
fn messages_are_kept_for_the_thread() {
    least(&[]).unwrap().plan();
    assert_eq!(logged(), [(Level::Warn, "no servers of x".to_owned())]);
    assert!(logged().is_empty());
}

#[test]
fn the_clock_goes_forward_and_random_bits_differ() {
    let before = crate::now();
    thread::sleep(Duration::from_millis(2));
    assert!(crate::now() >= before + Duration::from_millis(2));
    assert!((0..10).any(|_| crate::random() != crate::random()));
}

/// Sends a line and wants it back.
struct Echo(EchoSettings);

settings! {
    struct EchoSettings {
        /// Over UDP.
        udp: bool = false,
        /// For one read.
        read_timeout: Option<Duration>,
    }
}

impl HealthChecker for Echo {
    type Settings = EchoSettings;

    fn new(settings: EchoSettings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut connection = if self.0.udp {
            target.connect_udp()
        } else {
            target.connect_tcp()
        }?;
        connection.set_read_timeout(self.0.read_timeout);
        connection.write_all(b"hello")?;
        connection.finish()?;
        let mut answer = [0; 10];
        match connection.read(&mut answer)? {
            0 => Ok(Verdict::Degraded(1, String::new())),
            length if &answer[..length] == b"hello" => Ok(Verdict::Healthy),
            _ => Err(CheckError::new(format!("no echo from {}", target.name()))),
        }
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn a_checker_talks_tcp_and_can_end_its_side() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    assert_eq!(check::<Echo>(&[], address, TIMEOUT), Ok(Verdict::Healthy));
}

#[test]
fn a_checker_talks_udp_in_datagrams() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 100];
        let (length, client) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&buffer[..length], client).unwrap();
    });
    assert_eq!(
        check::<Echo>(&[("udp", true.into())], address, TIMEOUT),
        Ok(Verdict::Healthy)
    );
}

#[test]
fn an_error_is_unhealthy_with_its_text_as_the_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    let settings = [("read-timeout", Duration::from_millis(50).into())];
    let verdict = check::<Echo>(&settings, address, TIMEOUT);
    assert_eq!(
        verdict,
        Ok(Verdict::Unhealthy(
            "timed out while waiting for data".into()
        ))
    );
    let verdict = check::<Echo>(&[], address, Duration::from_millis(50));
    assert_eq!(
        verdict,
        Ok(Verdict::Unhealthy(
            "timed out while waiting for data".into()
        ))
    );
    assert!(start.elapsed() < TIMEOUT);
    drop(listener);
    let verdict = check::<Echo>(&[], address, TIMEOUT);
    assert_eq!(verdict, Ok(Verdict::Unhealthy("connection refused".into())));
}

#[test]
fn a_udp_port_where_nobody_listens_is_refused() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let verdict = check::<Echo>(&[("udp", true.into())], address, TIMEOUT);
    assert_eq!(verdict, Ok(Verdict::Unhealthy("connection refused".into())));
}
