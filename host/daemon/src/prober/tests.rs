//! With tokio's paused clock: time passes when every task waits, so hours take milliseconds and are exact.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::model::{CheckTiming, ChecksRequired, Protocol, ServiceKey};
use evenkeel_runtime::{CheckReport, Checker, Failure, PluginError, Target, Verdict};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::own_limits::OwnLimits;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
enum Act {
    Pass,
    Degrade(u8),
    Refuse,
    /// Finds the server dead, at the timeout.
    RunOut,
    /// Learns nothing, for lack of something on this machine.
    Lack,
    Trap,
    /// Never ends: a runtime that does not keep its word.
    Hang,
    Panic,
}

/// Acts as each target is set to, and counts.
#[derive(Default)]
struct Scripted {
    acts: Mutex<BTreeMap<SocketAddr, Act>>,
    started: AtomicUsize,
    under_way: AtomicUsize,
}

impl Scripted {
    fn set(&self, target: SocketAddr, act: Act) {
        self.acts.lock().insert(target, act);
    }
}

struct Count<'a>(&'a AtomicUsize);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Checker for Scripted {
    async fn check(&self, target: Target, timeout: Duration) -> Result<CheckReport, PluginError> {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let _count = Count(&self.under_way);
        let act = self
            .acts
            .lock()
            .get(&target.address)
            .cloned()
            .unwrap_or(Act::Pass);
        match act {
            Act::Pass => Ok(Verdict::Healthy.into()),
            Act::Degrade(share) => Ok(Verdict::Degraded(share, None).into()),
            Act::Refuse => Ok(Verdict::Unhealthy("connection refused".to_owned()).into()),
            Act::RunOut => {
                tokio::time::sleep(timeout).await;
                Ok(Verdict::Unanswered("timed out".to_owned()).into())
            }
            Act::Lack => Ok(Verdict::Unknown("no ports".to_owned()).into()),
            Act::Trap => Err(PluginError {
                plugin: "tcp".to_owned(),
                version: "1.0.0".to_owned(),
                failure: Failure::Trap("unreachable".to_owned()),
            }),
            Act::Hang => std::future::pending().await,
            Act::Panic => panic!("the runtime has a fault"),
        }
    }
}

/// The article's.
fn timing() -> CheckTiming {
    CheckTiming {
        interval: 6 * SECOND,
        timeout: 3 * SECOND,
        retries: 3,
        retry_delay: 3 * SECOND,
        rise: 1,
        alpha: false,
        fast_interval: None,
        down_interval: None,
        warmup: None,
    }
}

/// interval + retries x retry_delay + timeout.
const OUT_WITHIN: Duration = Duration::from_secs(18);

fn server(n: u16) -> SocketAddr {
    SocketAddr::from(([172, 16, (n >> 8) as u8, (n & 0xff) as u8], 80))
}

fn spec(checker: &Arc<Scripted>, server: SocketAddr, initial: Option<InitialHealth>) -> ProbeSpec {
    let service = ServiceKey {
        addr: [10, 10, 54, 151].into(),
        port: 80,
        protocol: Protocol::Tcp,
    };
    ProbeSpec {
        service_name: "web".to_owned(),
        service,
        server_name: server.to_string(),
        server,
        required: ChecksRequired::All,
        checks: vec![ProbeCheck {
            checker: Arc::clone(checker) as Arc<dyn Checker>,
            shared: None,
            plugin: "tcp".to_owned(),
            target: server,
            timing: timing(),
        }],
        initial,
        limits: Arc::new(OwnLimits::new(std::path::Path::new("/nonexistent"))),
    }
}

fn up() -> Option<InitialHealth> {
    Some(InitialHealth::up(Instant::now().into_std()))
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_is_reported_down_in_time_and_up_when_it_is_back() {
    let checker = Arc::new(Scripted::default());
    let (events, mut reported) = mpsc::channel(8);
    let prober = Prober::start(
        spec(&checker, server(1), up()),
        &events,
        &SharedChecks::default(),
    );
    tokio::time::sleep(60 * SECOND).await;

    checker.set(server(1), Act::RunOut);
    let died = Instant::now();
    let event = reported.recv().await.unwrap();
    assert!(died.elapsed() <= OUT_WITHIN, "{:?}", died.elapsed());
    assert_eq!((event.server, event.health.up), (server(1), false));
    assert_eq!(event.health.reason.as_deref(), Some("timed out"));
    assert_eq!(prober.snapshot(), event.health);

    checker.set(server(1), Act::Pass);
    let returned = Instant::now();
    assert!(reported.recv().await.unwrap().health.up);
    assert!(returned.elapsed() <= timing().interval);
}

#[tokio::test(start_paused = true)]
async fn a_new_server_that_refuses_is_out_within_two_seconds() {
    let checker = Arc::new(Scripted::default());
    checker.set(server(1), Act::Refuse);
    let (events, mut reported) = mpsc::channel(8);
    let begun = Instant::now();
    let _prober = Prober::start(
        spec(&checker, server(1), None),
        &events,
        &SharedChecks::default(),
    );
    assert!(!reported.recv().await.unwrap().health.up);
    assert!(begun.elapsed() <= 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn another_share_of_the_weight_is_reported() {
    let checker = Arc::new(Scripted::default());
    checker.set(server(1), Act::Degrade(40));
    let (events, mut reported) = mpsc::channel(8);
    let _prober = Prober::start(
        spec(&checker, server(1), up()),
        &events,
        &SharedChecks::default(),
    );
    let health = reported.recv().await.unwrap().health;
    assert_eq!((health.up, health.weight(10)), (true, 4));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_fails_in_any_way_takes_no_server_out_but_is_told() {
    let ways = [
        (Act::Trap, "unreachable"),
        (Act::Panic, "panicked"),
        (Act::Hang, "timeout of 3s"),
    ];
    for (act, words) in ways {
        let checker = Arc::new(Scripted::default());
        checker.set(server(1), act);
        let (events, mut reported) = mpsc::channel(8);
        let prober = Prober::start(
            spec(&checker, server(1), up()),
            &events,
            &SharedChecks::default(),
        );
        tokio::time::sleep(3600 * SECOND).await;

        assert!(reported.try_recv().is_err());
        let health = prober.snapshot();
        assert!(health.up);
        assert!(health.checks[0].unknown > 50, "it goes on trying");
        let error = health.checks[0].plugin_error.as_deref().unwrap();
        assert!(error.contains("tcp") && error.contains(words), "{error}");

        checker.set(server(1), Act::Pass);
        tokio::time::sleep(61 * SECOND).await;
        assert_eq!(prober.snapshot().checks[0].plugin_error, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_this_machine_lacks_takes_no_server_out_and_it_is_checked_again_at_the_usual_time() {
    let checker = Arc::new(Scripted::default());
    checker.set(server(1), Act::Lack);
    let (events, mut reported) = mpsc::channel(8);
    let prober = Prober::start(
        spec(&checker, server(1), up()),
        &events,
        &SharedChecks::default(),
    );
    tokio::time::sleep(600 * SECOND).await;
    assert!(reported.try_recv().is_err());
    let check = &prober.snapshot().checks[0];
    assert_eq!(check.plugin_error.as_deref(), Some("no ports"));
    assert!(check.unknown >= 99, "{check:?}");
    checker.set(server(1), Act::RunOut);
    let died = Instant::now();
    assert!(!reported.recv().await.unwrap().health.up);
    assert!(died.elapsed() <= OUT_WITHIN, "{:?}", died.elapsed());
}

#[tokio::test(start_paused = true)]
async fn while_the_connection_table_is_full_a_server_that_does_not_answer_stays_as_it_is() {
    let proc = tempfile::tempdir().unwrap();
    let files = proc.path().join("sys/net/netfilter");
    std::fs::create_dir_all(&files).unwrap();
    let set = |name: &str, number: &str| std::fs::write(files.join(name), number).unwrap();
    set("nf_conntrack_max", "1000");
    set("nf_conntrack_count", "1000");
    let checker = Arc::new(Scripted::default());
    let (events, mut reported) = mpsc::channel(8);
    let limits = Arc::new(OwnLimits::new(proc.path()));
    let probers: Vec<Prober> = [(1, Act::RunOut), (2, Act::Refuse)]
        .into_iter()
        .map(|(number, act)| {
            checker.set(server(number), act);
            let mut spec = spec(&checker, server(number), up());
            spec.limits = Arc::clone(&limits);
            Prober::start(spec, &events, &SharedChecks::default())
        })
        .collect();
    // One that refuses has been reached.
    let event = reported.recv().await.unwrap();
    assert_eq!((event.server, event.health.up), (server(2), false));
    tokio::time::sleep(600 * SECOND).await;
    assert!(reported.try_recv().is_err());
    let health = probers[0].snapshot();
    let why = health.checks[0].plugin_error.as_deref().unwrap();
    assert!(health.up && why.contains("1000 of 1000"), "{why}");
    set("nf_conntrack_count", "10");
    let event = reported.recv().await.unwrap();
    assert_eq!((event.server, event.health.up), (server(1), false));
}

#[tokio::test(start_paused = true)]
async fn checks_that_hang_trap_or_panic_delay_no_other_one() {
    const SERVERS: u16 = 5_000;
    let checker = Arc::new(Scripted::default());
    let (events, mut reported) = mpsc::channel(16);
    let bad = |n: u16| n.is_multiple_of(5);
    for n in (0..SERVERS).filter(|n| bad(*n)) {
        checker.set(
            server(n),
            [Act::Hang, Act::Trap, Act::Panic][usize::from(n / 5) % 3].clone(),
        );
    }
    let probers: Vec<Prober> = (0..SERVERS)
        .map(|n| {
            Prober::start(
                spec(&checker, server(n), up()),
                &events,
                &SharedChecks::default(),
            )
        })
        .collect();
    tokio::time::sleep(60 * SECOND).await;
    for n in 0..SERVERS {
        let checks = probers[usize::from(n)].snapshot().checks[0].checks;
        assert!(
            bad(n) || checks >= 9,
            "server {n}: {checks} checks in a minute"
        );
    }

    let died = Instant::now();
    let dead: Vec<SocketAddr> = (0..SERVERS).filter(|n| n % 5 == 1).map(server).collect();
    for address in &dead {
        checker.set(*address, Act::RunOut);
    }
    let mut out: Vec<SocketAddr> = Vec::new();
    while out.len() < dead.len() {
        let event = reported.recv().await.unwrap();
        assert!(!event.health.up);
        out.push(event.server);
    }
    assert!(died.elapsed() <= OUT_WITHIN, "{:?}", died.elapsed());
    out.sort();
    assert_eq!(out, dead, "each of them once, and no other");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_prober_ends_its_checks_even_one_under_way() {
    let checker = Arc::new(Scripted::default());
    checker.set(server(1), Act::Hang);
    let (events, mut reported) = mpsc::channel(8);
    let prober = Prober::start(
        spec(&checker, server(1), up()),
        &events,
        &SharedChecks::default(),
    );
    while checker.under_way.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(SECOND / 10).await;
    }
    drop((prober, events));
    tokio::time::sleep(SECOND).await;
    let started = checker.started.load(Ordering::Relaxed);
    assert_eq!(checker.under_way.load(Ordering::Relaxed), 0);
    tokio::time::sleep(3600 * SECOND).await;
    assert_eq!(checker.started.load(Ordering::Relaxed), started);
    assert!(
        reported.recv().await.is_none(),
        "its end of the channel is gone too"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_server_stays_out_over_a_change_of_the_configuration() {
    let checker = Arc::new(Scripted::default());
    checker.set(server(1), Act::Refuse);
    let (events, mut reported) = mpsc::channel(8);
    let old = Prober::start(
        spec(&checker, server(1), None),
        &events,
        &SharedChecks::default(),
    );
    let down = reported.recv().await.unwrap().health;

    let new = Prober::start(
        spec(&checker, server(1), old.handover()),
        &events,
        &SharedChecks::default(),
    );
    drop(old);
    assert_eq!(
        (new.snapshot().up, new.snapshot().since),
        (false, down.since)
    );
    tokio::time::sleep(60 * SECOND).await;
    assert!(
        reported.try_recv().is_err(),
        "no event, since nothing changed"
    );
    checker.set(server(1), Act::Pass);
    assert!(reported.recv().await.unwrap().health.up);
}

#[tokio::test(start_paused = true)]
async fn the_last_event_is_the_truth_even_if_the_daemon_was_busy() {
    let checker = Arc::new(Scripted::default());
    let (events, mut reported) = mpsc::channel(1);
    let mut spec = spec(&checker, server(1), up());
    let mut other = ProbeCheck {
        shared: None,
        checker: Arc::clone(&checker) as Arc<dyn Checker>,
        plugin: "http".to_owned(),
        target: server(2),
        timing: timing(),
    };
    for check in [&mut spec.checks[0], &mut other] {
        check.timing.retries = 0;
    }
    spec.checks.push(other);
    let prober = Prober::start(spec, &events, &SharedChecks::default());
    for act in [
        Act::Refuse,
        Act::Pass,
        Act::Degrade(50),
        Act::Pass,
        Act::Degrade(30),
    ] {
        checker.set(server(1), act.clone());
        tokio::time::sleep(20 * SECOND).await;
        checker.set(server(2), act);
        tokio::time::sleep(20 * SECOND).await;
    }
    let mut last = None;
    while let Ok(Some(event)) = tokio::time::timeout(60 * SECOND, reported.recv()).await {
        last = Some(event.health);
    }
    let (last, now) = (last.unwrap(), prober.snapshot());
    assert_eq!(
        (last.up, last.share, last.since),
        (now.up, now.share, now.since)
    );
    assert_eq!(now.share, 30);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_names_each_change_once_with_service_server_and_reason() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With one subscriber only, tracing asks the one of the thread that comes first to a place whether it is to be
    // logged; that may be another test's thread, which has none. With two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());

    let checker = Arc::new(Scripted::default());
    let (events, _reported) = mpsc::channel(64);
    let _prober = Prober::start(
        spec(&checker, server(1), up()),
        &events,
        &SharedChecks::default(),
    );
    for act in [Act::Trap, Act::Pass, Act::Refuse, Act::Pass] {
        checker.set(server(1), act);
        tokio::time::sleep(600 * SECOND).await;
    }
    let lines = String::from_utf8(log.0.lock().clone()).unwrap();
    insta::assert_snapshot!(lines, @r#"
    WARN evenkeel_daemon::prober::task: checker plugin failed: the server stays as it is service="web" server="172.16.0.1:80" address=172.16.0.1:80 plugin="tcp" error="plugin tcp 1.0.0: trapped: unreachable"
    INFO evenkeel_daemon::prober::task: checker plugin works again service="web" server="172.16.0.1:80" address=172.16.0.1:80 plugin="tcp"
    WARN evenkeel_daemon::prober::server: server is down service="web" server="172.16.0.1:80" address=172.16.0.1:80 reason="connection refused"
    INFO evenkeel_daemon::prober::server: server is up service="web" server="172.16.0.1:80" address=172.16.0.1:80 share=100
    "#);
}

/// The same server in another service.
fn also(checker: &Arc<Scripted>, port: u16, shared: Option<&str>, name: &str) -> ProbeSpec {
    let mut spec = spec(checker, server(1), up());
    spec.service.port = port;
    spec.server_name = name.to_owned();
    spec.checks[0].shared = shared.map(str::to_owned);
    spec
}

#[tokio::test(start_paused = true)]
async fn what_several_services_check_alike_is_checked_once_and_told_to_all() {
    for (shared, names, alike) in [
        (None, ["a", "a", "a"], true),
        (None, ["a", "b", "c"], false),
        (Some("web"), ["a", "b", "c"], true),
    ] {
        let checker = Arc::new(Scripted::default());
        let (events, mut reported) = mpsc::channel(8);
        let checks = SharedChecks::default();
        let specs = [80, 81, 82].into_iter().zip(names);
        let mut probers: Vec<Prober> = specs
            .map(|(port, name)| Prober::start(also(&checker, port, shared, name), &events, &checks))
            .collect();
        tokio::time::sleep(600 * SECOND).await;
        let each = checker.started.load(Ordering::Relaxed) / if alike { 1 } else { 3 };
        assert!(
            (100..=112).contains(&each),
            "{shared:?} {names:?}: {each} checks"
        );

        checker.set(server(1), Act::Refuse);
        let mut told = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let event = reported.recv().await.unwrap();
            assert!(!event.health.up);
            told.insert(event.service.port);
        }
        assert_eq!(told.len(), 3, "each service is told");

        // One leaves: the others are checked as before, and it is told nothing.
        probers.remove(0);
        checker.set(server(1), Act::Pass);
        for _ in 0..2 {
            let event = reported.recv().await.unwrap();
            assert!(event.health.up && event.service.port != 80);
        }
        drop(probers);
        let before = checker.started.load(Ordering::Relaxed);
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(
            checker.started.load(Ordering::Relaxed),
            before,
            "nobody wants to know"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_check_that_is_made_already_waits_no_longer_than_for_one_of_its_own() {
    let checker = Arc::new(Scripted::default());
    let (events, mut reported) = mpsc::channel(8);
    let checks = SharedChecks::default();
    let long = |port| {
        let mut spec = also(&checker, port, None, "a");
        spec.initial = None;
        spec.checks[0].timing.interval = 3600 * SECOND;
        spec
    };
    let _first = Prober::start(long(80), &events, &checks);
    tokio::time::sleep(10 * SECOND).await;
    checker.set(server(1), Act::Refuse);
    let joined = Instant::now();
    let _second = Prober::start(long(81), &events, &checks);
    let event = reported.recv().await.unwrap();
    assert!(joined.elapsed() <= 2 * SECOND, "{:?}", joined.elapsed());
    // The first one has passed before, so that it has repetitions left.
    assert_eq!((event.service.port, event.health.up), (81, false));
}
