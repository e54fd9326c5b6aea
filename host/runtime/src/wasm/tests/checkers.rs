//! Checkers: what they reach, what ends them, and what is left of them for the next check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use evenkeel_core::manifest::Setting;
use evenkeel_core::model::Sandbox;
use tokio::io::AsyncReadExt as _;

use crate::testing::{LONG, listener, load, target, words};
use crate::{Checker, Failure, PluginError, ServiceContext, Target, Verdict};

/// A check of which only the verdict is of interest.
#[async_trait]
trait Judge {
    async fn judge(&self, target: Target, timeout: Duration) -> Result<Verdict, PluginError>;
}

#[async_trait]
impl<C: Checker + ?Sized> Judge for C {
    async fn judge(&self, target: Target, timeout: Duration) -> Result<Verdict, PluginError> {
        Ok(self.check(target, timeout).await?.verdict)
    }
}

fn misbehaving(how: &str, sandbox: Sandbox) -> Arc<dyn Checker> {
    load("misbehave-check", sandbox)
        .checker(&words(&[("how", how)]))
        .unwrap()
}

/// An address where nobody listens.
async fn nobody() -> std::net::SocketAddr {
    listener().await.1
}

/// As the host makes it: with the defaults of all settings.
fn with_defaults(name: &str) -> Arc<dyn Checker> {
    let plugin = load(name, Sandbox::default());
    let specs = plugin.manifest().settings.iter();
    let settings: Vec<Setting> = specs
        .filter_map(|spec| {
            Some(Setting {
                key: spec.key.clone(),
                value: spec.default.clone()?,
            })
        })
        .collect();
    plugin.checker(&settings).unwrap()
}

async fn failure(how: &str) -> Failure {
    let (_listener, address) = listener().await;
    let checker = misbehaving(how, Sandbox::default());
    checker
        .judge(target(address), LONG)
        .await
        .unwrap_err()
        .failure
}

#[tokio::test]
async fn a_server_that_accepts_is_healthy_and_one_that_does_not_is_refused() {
    let checker = with_defaults("tcp");
    let (listener, address) = listener().await;
    for _ in 0..3 {
        assert_eq!(
            checker.judge(target(address), LONG).await.unwrap(),
            Verdict::Healthy
        );
    }
    drop(listener);
    let verdict = checker.judge(target(address), LONG).await.unwrap();
    assert_eq!(verdict, Verdict::Unhealthy("connection refused".to_owned()));
}

#[tokio::test]
async fn a_checker_that_traps_says_nothing_of_the_server() {
    assert_eq!(
        failure("spin").await,
        Failure::Time(Sandbox::default().call_time)
    );
    let Failure::Trap(text) = failure("panic").await else {
        panic!("no trap")
    };
    assert!(text.contains("misbehaving on purpose"), "{text}");
}

#[tokio::test]
async fn a_checker_that_takes_memory_without_end_is_denied_it() {
    let sandbox = Sandbox {
        call_time: Duration::from_secs(10),
        ..Sandbox::default()
    };
    let checker = misbehaving("allocate", sandbox);
    let failure = checker
        .judge(target(nobody().await), LONG)
        .await
        .unwrap_err()
        .failure;
    assert!(matches!(failure, Failure::Limit(_)), "{failure:?}");
}

#[tokio::test]
async fn a_checker_whose_stack_overflows_is_contained() {
    let sandbox = Sandbox {
        call_time: Duration::from_secs(10),
        ..Sandbox::default()
    };
    let checker = misbehaving("recurse", sandbox);
    let failure = checker
        .judge(target(nobody().await), LONG)
        .await
        .unwrap_err()
        .failure;
    assert!(matches!(failure, Failure::Trap(_)), "{failure:?}");
}

#[tokio::test]
async fn a_spinning_checker_lets_others_run() {
    let sandbox = Sandbox {
        call_time: Duration::from_millis(500),
        ..Sandbox::default()
    };
    let spinning = misbehaving("spin", sandbox);
    let (_listener, address) = listener().await;
    // On this runtime's one thread.
    let spin = tokio::spawn(async move { spinning.judge(target(address), LONG).await });
    tokio::task::yield_now().await;
    let mut turns = 0;
    while !spin.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        turns += 1;
    }
    assert!(
        turns >= 10,
        "{turns} turns during half a second of spinning"
    );
    assert!(matches!(
        spin.await.unwrap().unwrap_err().failure,
        Failure::Time(_)
    ));
}

#[tokio::test]
async fn waiting_for_the_server_is_no_processor_time() {
    let (_listener, address) = listener().await;
    let timeout = Duration::from_secs(2);
    assert!(timeout > 6 * Sandbox::default().call_time);
    let start = Instant::now();
    let verdict = misbehaving("hang", Sandbox::default())
        .judge(target(address), timeout)
        .await;
    assert!(start.elapsed() >= timeout);
    let reason = format!("timed out after 2s waiting for an answer of {address}");
    assert_eq!(verdict.unwrap(), Verdict::Unanswered(reason));
}

#[tokio::test]
async fn a_checker_that_ignores_the_deadline_is_cut_off_at_it() {
    let (_listener, address) = listener().await;
    let timeout = Duration::from_secs(2);
    let checker = misbehaving("stubborn", Sandbox::default());
    let start = Instant::now();
    let verdict = checker.judge(target(address), timeout).await;
    let Verdict::Unanswered(reason) = verdict.unwrap() else {
        panic!("not unanswered")
    };
    assert!(
        reason.starts_with("timed out after 2s waiting for"),
        "{reason}"
    );
    assert!(
        start.elapsed() < timeout + Duration::from_millis(1000),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_check_opens_no_more_connections_than_allowed() {
    let sandbox = Sandbox {
        check_connections: 3,
        ..Sandbox::default()
    };
    let (listener, address) = listener().await;
    let verdict = misbehaving("too-many-connects", sandbox)
        .judge(target(address), LONG)
        .await;
    assert!(matches!(verdict.unwrap(), Verdict::Unhealthy(_)));
    let mut accepted = 0;
    while tokio::time::timeout(Duration::from_millis(100), listener.accept())
        .await
        .is_ok()
    {
        accepted += 1;
    }
    assert_eq!(accepted, 3);
}

#[tokio::test]
async fn a_check_moves_no_more_bytes_than_allowed() {
    let sandbox = Sandbox {
        check_bytes: 200_000,
        ..Sandbox::default()
    };
    let (listener, address) = listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0;
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            total += length;
        }
        total
    });
    let verdict = misbehaving("flood", sandbox)
        .judge(target(address), LONG)
        .await;
    assert!(matches!(verdict.unwrap(), Verdict::Unhealthy(_)));
    assert!(server.await.unwrap() <= 3 * 65_536);
}

#[tokio::test]
async fn a_connection_that_a_check_keeps_is_closed_and_of_no_use_to_the_next_one() {
    let checker = misbehaving("keep-connection", Sandbox::default());
    let (first, first_address) = listener().await;
    let (second, second_address) = listener().await;
    assert_eq!(
        checker.judge(target(first_address), LONG).await.unwrap(),
        Verdict::Healthy
    );
    let (mut kept, _) = first.accept().await.unwrap();
    // Closed by now: a reset, or the end, and never the text that a second use would bring.
    assert!(matches!(kept.read(&mut [0; 64]).await, Err(_) | Ok(0)));
    assert_eq!(
        checker.judge(target(second_address), LONG).await.unwrap(),
        Verdict::Healthy
    );
    second.accept().await.unwrap();
}

#[tokio::test]
async fn an_instance_is_reused_as_long_as_it_behaves() {
    // It counts its own checks, so that turns show it to be the same instance.
    let checker = misbehaving("alternate", Sandbox::default());
    let address = nobody().await;
    for _ in 0..2 {
        assert_eq!(
            checker.judge(target(address), LONG).await.unwrap(),
            Verdict::Healthy
        );
        let verdict = checker.judge(target(address), LONG).await.unwrap();
        assert_eq!(verdict, Verdict::Unhealthy("every other time".to_owned()));
    }
}

#[tokio::test]
async fn equal_settings_share_a_checker_and_others_do_not() {
    let plugin = load("misbehave-check", Sandbox::default());
    let checker = |how| plugin.checker(&words(&[("how", how)])).unwrap();
    let first = checker("alternate");
    assert!(Arc::ptr_eq(&first, &checker("alternate")));
    assert!(!Arc::ptr_eq(&first, &checker("overdone")));
}

#[tokio::test]
async fn after_a_trap_the_next_check_has_a_fresh_instance() {
    let checker = misbehaving("panic", Sandbox::default());
    let address = nobody().await;
    for _ in 0..3 {
        let failure = checker
            .judge(target(address), LONG)
            .await
            .unwrap_err()
            .failure;
        // Not "cannot enter component instance", which an instance that trapped before would say.
        assert!(
            failure.to_string().contains("misbehaving on purpose"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_share_above_all_of_the_weight_is_all_of_it() {
    let checker = misbehaving("overdone", Sandbox::default());
    let verdict = checker.judge(target(nobody().await), LONG).await.unwrap();
    assert_eq!(verdict, Verdict::Degraded(100, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_checks_run_at_once() {
    let checker = with_defaults("tcp");
    let (listener, address) = listener().await;
    let server = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let checks: Vec<_> = (0..500)
        .map(|_| {
            let checker = Arc::clone(&checker);
            tokio::spawn(async move { checker.judge(target(address), LONG).await })
        })
        .collect();
    for check in checks {
        assert_eq!(check.await.unwrap().unwrap(), Verdict::Healthy);
    }
    server.abort();
}

#[tokio::test]
async fn a_checker_is_no_scheduler() {
    let error = load("tcp", Sandbox::default())
        .scheduler(&ServiceContext::trial("web"), &[])
        .err()
        .unwrap();
    assert!(error.to_string().ends_with("is a checker"), "{error}");
}
