//! The conformance kit finds what is wrong with a plugin, and nothing wrong with a good one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use evenkeel_author::conformance::{Options, Outcome, Report, test};
use evenkeel_core::model::Sandbox;

use common::{built, cache};

fn report(name: &str, settings: &str) -> Report {
    report_within(Sandbox::default(), name, settings)
}

fn report_within(sandbox: Sandbox, name: &str, settings: &str) -> Report {
    let options = Options {
        seed: 7,
        settings: settings.to_owned(),
        sandbox,
        cache: cache(),
        plugin_dirs: vec![built("lc").parent().unwrap().to_owned()],
    };
    test(&built(name), &options).unwrap()
}

/// A slow machine needs longer to reach the limit of memory than one call may take.
fn sandbox_of(how: &str) -> Sandbox {
    let mut sandbox = Sandbox::default();
    if how == "allocate" {
        sandbox.call_time = Duration::from_secs(10);
        sandbox.memory = 4 << 20;
    }
    sandbox
}

fn failures(report: &Report) -> Vec<String> {
    let failed = report
        .cases
        .iter()
        .filter(|case| case.outcome == Outcome::Failed);
    failed
        .map(|case| format!("{}: {}", case.name, case.detail))
        .collect()
}

#[test]
fn a_scheduler_that_leaves_servers_to_another_passes_with_it_and_is_refused_without() {
    let report = report(
        "site-scheduler",
        "sites = [{ name = \"inner\", networks = [\"10.1.0.0/16\"] }]",
    );
    assert!(report.passed(), "{:?}", failures(&report));
    let options = Options {
        cache: cache(),
        ..Options::default()
    };
    let error = test(&built("site-scheduler"), &options).unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with("sites leaves servers to the scheduler lc, which is not in "),
        "{said}"
    );
}

#[test]
fn shipped_schedulers_and_checkers_pass() {
    for name in ["rr", "wrr", "lc", "p2c", "sh", "ovf", "ewma", "tcp", "http"] {
        let report = report(name, "");
        assert!(report.passed(), "{name}: {:?}", failures(&report));
        assert!(report.cases.len() >= 10, "{name}: {:?}", report.cases);
    }
}

#[test]
fn a_scheduler_that_misbehaves_fails_with_what_it_does() {
    for (how, wanted) in [
        ("spin", "processor time"),
        ("allocate", "limit of its sandbox"),
        ("panic", "misbehaving on purpose"),
        ("recurse", "trapped"),
        (
            "bad-backend",
            "the plan names server 16777200, which it was not told of",
        ),
        ("huge-plan", "more than the 65536 allowed"),
        ("zero-width", "width 0"),
        (
            "refuse-settings",
            "these settings are refused, as they ask for",
        ),
    ] {
        let report = report_within(
            sandbox_of(how),
            "misbehave",
            &format!("how = \"{how}\", after = 0, then = \"behave\""),
        );
        let failures = failures(&report).join("\n");
        assert!(failures.contains(wanted), "{how}: {failures}");
    }
    let late = report(
        "misbehave",
        "how = \"late\", after = 1000, then = \"panic\"",
    );
    let failures = failures(&late);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(
        failures[0].starts_with("many plans of one instance: plan 1000: "),
        "{failures:?}"
    );
    let good = report(
        "misbehave",
        "how = \"behave\", after = 0, then = \"behave\"",
    );
    assert!(good.passed());
}

#[test]
fn a_scheduler_whose_picks_misbehave_fails_with_what_they_do() {
    for (how, wanted) in [
        ("spin", "processor time"),
        ("panic", "misbehave-pick does"),
        (
            "bad-backend",
            "a pick names server 11259375, which it was not told of",
        ),
    ] {
        let report = report("misbehave-pick", &format!("how = \"{how}\", after = 0"));
        let failures = failures(&report).join("\n");
        assert!(failures.contains(wanted), "{how}: {failures}");
    }
    assert!(report("misbehave-pick", "how = \"behave\"").passed());
}

#[test]
fn a_checker_that_misbehaves_fails_with_what_it_does() {
    for (how, wanted) in [
        ("spin", "processor time"),
        ("allocate", "limit of its sandbox"),
        ("panic", "misbehaving on purpose"),
        ("overdone", "nobody listens: it is said to be fit"),
    ] {
        let settings = format!("how = \"{how}\"");
        let report = report_within(sandbox_of(how), "misbehave-check", &settings);
        let failures = failures(&report).join("\n");
        assert!(failures.contains(wanted), "{how}: {failures}");
    }
    // It reads for ever: of a server that is silent until its time is up, of one that hangs up without end.
    let failures = failures(&report("misbehave-check", "how = \"hang\"")).join("\n");
    assert!(failures.contains("one that hangs up: "), "{failures}");
    assert!(!failures.contains("a silent server"), "{failures}");
}

#[test]
fn the_same_seed_makes_the_same_changes_and_the_report_says_which() {
    let [first, second] = [report("rr", ""), report("rr", "")];
    assert_eq!(first.seed, 7);
    let names = |report: &Report| {
        report
            .cases
            .iter()
            .map(|case| case.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&first), names(&second));
    let share = first
        .cases
        .iter()
        .find(|case| case.name.starts_with("shares"))
        .unwrap();
    assert_eq!(share.detail, "25 %, 25 %, 25 %, 25 % of a plan's slots");
}

#[test]
fn a_file_that_is_no_plugin_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.wasm");
    std::fs::write(&file, b"not wasm").unwrap();
    let error = test(&file, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("x.wasm"), "{error}");
}

#[test]
fn a_scheduler_is_measured_for_each_number_of_servers_and_a_checker_is_not() {
    let figures = evenkeel_author::bench::measure(&built("lc"), &[]).unwrap();
    assert_eq!(figures.plugin, "lc");
    let servers: Vec<u32> = figures.calls.iter().map(|calls| calls.servers).collect();
    assert_eq!(servers, evenkeel_author::bench::SERVERS);
    assert!(
        figures
            .calls
            .iter()
            .all(|it| it.plan_us > 0.0 && it.pick_us.is_some_and(|us| us > 0.0))
    );
    let error = evenkeel_author::bench::measure(&built("tcp"), &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("only schedulers"), "{error}");
}
