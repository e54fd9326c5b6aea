//! Workloads, played to the shipped schedulers in the daemon's runtime.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_author::simulate::{Outcome, Workload, chart, default_workload, play, read, table};
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::Sandbox;
use evenkeel_runtime::wasm::{WasmConfig, WasmRuntime};
use evenkeel_runtime::{Plugin, PluginRuntime as _};

use common::{built, cache};

fn plugin(name: &str) -> Arc<dyn Plugin> {
    let runtime = WasmRuntime::new(WasmConfig {
        sandbox: Sandbox::default(),
        cache: cache(),
    })
    .unwrap();
    runtime.load(&built(name)).unwrap()
}

fn workload(text: &str) -> Workload {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("w.toml");
    std::fs::write(&file, text).unwrap();
    read(&file).unwrap()
}

fn outcome(name: &str, text: &str) -> Outcome {
    let outcome = play(&plugin(name), "", None, &workload(text)).unwrap();
    assert_eq!(outcome.problem, None, "{name}");
    outcome
}

const THREE: &str =
    "[[server]]\nname = \"a\"\n[[server]]\nname = \"b\"\n[[server]]\nname = \"c\"\n";
const FAILURE: &str =
    "[[event]]\nat = \"20s\"\nfail = \"b\"\n[[event]]\nat = \"40s\"\nreturn = \"b\"\n";

/// All that happens, in little time.
const SHORT: &str = "duration = \"12s\"\nclients = { rate = 100, choice = { zipf = 0.9 } }\n\
    [[server]]\nname = \"a\"\nweight = 3\ncapacity = 150\n[[server]]\nname = \"b\"\nweight = 2\ncapacity = 80\n\
    [[server]]\nname = \"c\"\nspeed = 0.5\n\
    [[event]]\nat = \"3s\"\nfail = \"b\"\n[[event]]\nat = \"6s\"\nreturn = \"b\"\n\
    [[event]]\nat = \"9s\"\nweight = { c = 2 }\n";

#[test]
fn a_file_that_is_no_workload_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    };
    let large = vec![b'#'; (1 << 20) + 1];
    for (file, words) in [
        (dir.path().join("none.toml"), "cannot read"),
        (dir.path().to_owned(), "no regular file"),
        (PathBuf::from("/dev/zero"), "no regular file"),
        (write("binary.toml", b"\xff\xfe"), "UTF-8"),
        (write("large.toml", &large), "larger than 1 MiB"),
        (write("empty.toml", b""), "no server"),
    ] {
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn in_turn_each_server_gets_as_many_connections() {
    let outcome = outcome("rr", THREE);
    let counts: Vec<u64> = outcome.servers.iter().map(|it| it.connections).collect();
    let all: u64 = counts.iter().sum();
    assert_eq!(all, outcome.connections);
    assert!((11_000..13_000).contains(&all), "{all}");
    assert!(
        counts.iter().all(|it| it.abs_diff(all / 3) <= 1),
        "{counts:?}"
    );
    assert!(
        outcome
            .servers
            .iter()
            .all(|it| (it.by_weight_percent - 100.0 / 3.0).abs() < 0.1)
    );
    assert_eq!(outcome.refused + outcome.failed + outcome.lost, 0);
}

#[test]
fn the_same_seed_has_the_same_outcome_also_where_the_plugin_draws_or_reads_the_clock() {
    for name in ["p2c", "ewma", "lblc"] {
        let played = [0, 1].map(|_| outcome(name, SHORT));
        assert_eq!(played[0], played[1], "{name}");
        assert_eq!(chart(&played[..1]), chart(&played[1..]));
    }
    let other = format!("seed = 2\n{THREE}");
    assert_ne!(
        outcome("rr", THREE).connections,
        outcome("rr", &other).connections
    );
}

#[test]
fn by_weight_a_server_of_three_times_the_weight_gets_three_times_as_many() {
    let text = "[[server]]\nname = \"a\"\nweight = 3\n[[server]]\nname = \"b\"\n";
    for name in ["wrr", "maglev", "wlc", "random"] {
        let outcome = outcome(name, text);
        let share = outcome.servers[0].share_percent;
        assert!((72.0..78.0).contains(&share), "{name}: {share}");
    }
}

#[test]
fn least_connections_are_more_even_than_turns_where_lifetimes_differ() {
    let text = format!("lifetime = {{ pareto = {{ mean = \"2s\", shape = 1.3 }} }}\n{THREE}");
    let variation = |name| outcome(name, &text).imbalance.unwrap().mean.variation;
    let (turns, least) = (variation("rr"), variation("lc"));
    assert!(least * 2.0 < turns, "rr {turns}, lc {least}");
}

#[test]
fn a_failed_server_resets_connections_until_the_director_knows_and_gets_none_afterwards() {
    let outcome = outcome("rr", &format!("detection = \"3s\"\n{THREE}{FAILURE}"));
    let failed = &outcome.servers[1];
    // 200 a second, of which it has a third, for 3 s.
    assert!((150..250).contains(&failed.failed), "{failed:?}");
    // Those of 2 s.
    assert!((90..180).contains(&failed.lost), "{failed:?}");
    let out = &outcome.samples[70..100];
    assert!(out.iter().all(|sample| sample.active[1] == 0));
    assert!(outcome.samples[130].active[1] > 0, "it is back");
    assert_eq!(outcome.changes.len(), 2);
    assert!((outcome.changes[0].at_seconds - 23.0).abs() < 0.01);
    assert_eq!(outcome.changes[0].what, "b is taken out");
}

#[test]
fn a_consistent_hash_moves_the_failed_server_s_clients_and_few_others() {
    let outcome = outcome("maglev", &format!("{THREE}{FAILURE}"));
    for change in &outcome.changes {
        let moved = change.moved.unwrap();
        assert!(
            (32.0..35.0).contains(&moved.with_reason_percent),
            "{change:?}"
        );
        assert!(moved.others_percent < 5.0, "{change:?}");
    }
    let same = outcome.returned_to_same as f64 / outcome.returning as f64;
    assert!(same > 0.8, "{same}");
    assert!(outcome.returning > 5000);
}

#[test]
fn servers_come_drain_change_their_weight_and_go() {
    let events = "[[event]]\nat = \"10s\"\nadd = { name = \"d\", weight = 3 }\n\
                  [[event]]\nat = \"20s\"\ndrain = \"a\"\n[[event]]\nat = \"30s\"\nremove = \"b\"\n\
                  [[event]]\nat = \"40s\"\nweight = { a = 6 }\n[[event]]\nat = \"50s\"\nrate = 0\n";
    let outcome = outcome(
        "wrr",
        &format!("clients = {{ rate = 100, arrivals = \"even\" }}\n{THREE}{events}"),
    );
    let counts: Vec<u64> = outcome.servers.iter().map(|it| it.connections).collect();
    // By weight of 1,000 connections in each ten seconds.
    let due = [
        333 + 167 + 600,
        333 + 167 + 200,
        333 + 167 + 200 + 250 + 100,
        500 + 600 + 750 + 300,
    ];
    for (count, due) in counts.iter().zip(due) {
        assert!(count.abs_diff(due) <= 5, "{counts:?}, {due}");
    }
    // None comes at the moment at which the rate becomes 0.
    assert_eq!(outcome.connections, 4999);
    assert_eq!(outcome.changes.len(), 4);
    assert!(
        outcome.servers.iter().all(|it| it.failed + it.lost == 0),
        "those of b go on"
    );
}

#[test]
fn connections_wait_where_a_server_has_no_room_and_a_slow_server_takes_longer() {
    let text = |capacity: u32| {
        format!(
            "lifetime = {{ constant = \"1s\" }}\nclients = {{ rate = 10, arrivals = \"even\" }}\nduration = \"10s\"\n\
             [[server]]\nname = \"a\"\ncapacity = {capacity}\nspeed = 0.5\n"
        )
    };
    // 10 a second for 2 s each: 20 places are enough.
    let enough = outcome("rr", &text(20));
    assert_eq!(enough.waiting.unwrap().max_ms, 0.0);
    let response = enough.response.unwrap();
    assert_eq!([response.p50_ms, response.max_ms], [2000.0, 2000.0]);
    // With 10 places the hundredth waits for five rounds less those that came late.
    let few = outcome("rr", &text(10)).waiting.unwrap();
    assert!(few.p50_ms > 1500.0 && few.max_ms > 4000.0, "{few:?}");
}

#[test]
fn a_scheduler_that_decides_each_connection_is_asked_for_each() {
    let workload = workload(THREE);
    let least = play(&plugin("lc"), "", Some(Decision::PerConnection), &workload).unwrap();
    assert_eq!(least.picks, least.connections);
    assert_eq!(
        (least.problem.as_deref(), &*least.decision),
        (None, "per-connection")
    );
    // At each moment it knows all that it has placed: nothing is more even.
    let by_plan = outcome("lc", THREE).imbalance.unwrap().mean.variation;
    assert!(least.imbalance.unwrap().mean.variation < by_plan);
    let error = play(&plugin("rr"), "", Some(Decision::PerConnection), &workload).unwrap_err();
    assert!(error.to_string().contains("it offers plan"), "{error}");
}

#[test]
fn a_scheduler_that_fails_is_said_to_and_the_servers_take_turns() {
    let settings = "how = \"panic\", after = 0, then = \"behave\"";
    let outcome = play(&plugin("misbehave"), settings, None, &workload(THREE)).unwrap();
    let problem = outcome.problem.clone().unwrap();
    assert!(problem.contains("misbehaving on purpose"), "{problem}");
    assert!(
        outcome.servers.iter().all(|it| it.connections > 3000),
        "{:?}",
        outcome.servers
    );
    assert!(table(&[outcome]).contains("FAILED"));
}

/// Those that ship.
fn is_scheduler(name: &str) -> bool {
    let source = format!(
        "{}/../../plugins/{name}/src/lib.rs",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read_to_string(source)
        .unwrap()
        .contains("register_scheduler!")
}

fn shipped() -> Vec<String> {
    let directory = built("rr").parent().unwrap().to_owned();
    let entries = std::fs::read_dir(directory).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let plugins = files.filter(|file| file.extension().is_some_and(|it| it == "wasm"));
    let mut names: Vec<String> = plugins
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| is_scheduler(name))
        .collect();
    names.sort();
    names
}

#[test]
fn every_shipped_scheduler_plays_a_workload_and_its_chart_is_small() {
    let all = shipped();
    assert!(all.len() >= 19, "{all:?}");
    for name in all {
        let outcome = outcome(&name, SHORT);
        // Weights are as many connections to `ovf`: there are too many for all.
        assert_eq!(outcome.refused > 0, name == "ovf", "{name}");
        let chart = chart(std::slice::from_ref(&outcome));
        assert!(chart.len() < 15_000, "{name}: {}", chart.len());
    }
    let workload = default_workload().unwrap();
    let error = play(&plugin("tcp"), "", None, &workload)
        .unwrap_err()
        .to_string();
    assert!(error.contains("only schedulers"), "{error}");
}

#[test]
fn the_gallery_has_a_section_figures_and_a_picture_of_every_shipped_scheduler() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = std::fs::read_to_string(docs.join("gallery.md")).unwrap();
    for name in shipped() {
        for part in [
            format!("\n### {name}\n"),
            format!("![{name}](gallery/{name}.svg)"),
            format!("\n| [`{name}`](#{name}) | "),
        ] {
            assert!(page.contains(&part), "no {part:?}: cargo xtask gallery");
        }
        let picture = std::fs::read_to_string(docs.join(format!("gallery/{name}.svg"))).unwrap();
        assert!(
            picture.len() < 15_000 && picture.ends_with("</svg>\n"),
            "{name}"
        );
        assert!(
            picture.contains(&format!("<title>simulation of {name} ")),
            "{name}"
        );
    }
    // Others are read as they are written there.
    read(&docs.join("gallery/overflow.toml")).unwrap();
}
