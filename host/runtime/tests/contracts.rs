//! Each contract that is spoken: what plugins built against it are told, and what they can do.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "shared with the conformance of shipped plugins")]
mod pair;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::manifest::{Decision, Setting, SettingKind, SettingValue};
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::plan::Plan;
use evenkeel_core::scheduler::MAX_STATE;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::{
    Backend, BackendHealth, DirectorRole, Failure, Plugin, PluginRuntime as _, SavedState,
    Scheduler, ServiceContext, Target, Verdict,
};
use pair::{Family, Pair, id};

/// A plugin as it was built when contract 0.1 was the last one. These files are never built again.
fn built_for_v0_1(name: &str) -> Arc<dyn Plugin> {
    built("v0.1", name)
}

/// Likewise of 0.2, from when it was finished: what is added to it later must not keep these from working.
fn built_for_v0_2(name: &str) -> Arc<dyn Plugin> {
    built("v0.2", name)
}

fn built(version: &str, name: &str) -> Arc<dyn Plugin> {
    let file = format!("tests/fixtures/{version}/{name}.wasm");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    pair::wasm().load(&file).unwrap()
}

/// Three servers: one is well, one is degraded, one has failed.
fn servers() -> Vec<Backend> {
    let mut servers = Family::V4.servers(&[2, 3, 4]);
    for server in &mut servers {
        server.labels.clear();
        server.name = format!("s{}", server.id);
    }
    servers[1].weight = 1;
    servers[1].health = BackendHealth::Degraded(33);
    servers[2].weight = 0;
    servers[2].health = BackendHealth::Failed;
    servers[2].usable = false;
    servers
}

fn slots(plan: Plan) -> Vec<u32> {
    match plan {
        Plan::Table { slots, .. } => slots.iter().map(|run| run.id.get()).collect(),
        other => panic!("{other:?}"),
    }
}

fn context() -> ServiceContext {
    ServiceContext {
        service: "web".to_owned(),
        listener: Some(ServiceKey {
            addr: "10.10.54.151".parse().unwrap(),
            port: 80,
            protocol: Protocol::Tcp,
        }),
        role: DirectorRole::Backup,
    }
}

#[test]
fn a_scheduler_built_for_0_1_works_and_never_hears_of_what_came_later() {
    let plugin = built_for_v0_1("lc");
    assert_eq!(plugin.contract(), "0.1.0");
    let abilities = plugin.manifest().abilities.as_ref().unwrap();
    assert_eq!(
        abilities.decisions,
        [Decision::Plan, Decision::PerConnection]
    );
    assert!(!abilities.deterministic);
    let mut scheduler = plugin.scheduler(&context(), &[]).unwrap();
    assert_eq!(scheduler.validate(&servers()), Ok(Ok(())));
    scheduler.set_role(DirectorRole::Master).unwrap();
    scheduler.set_backends(&servers()).unwrap();
    let planned = slots(scheduler.make_plan().unwrap());
    assert!(planned.contains(&1) && planned.contains(&2) && !planned.contains(&3));
    let flow = Family::V4.flow(Protocol::Tcp, 1, 1);
    assert_eq!(scheduler.pick(&flow).unwrap(), Some(id(1)));
    assert_eq!(scheduler.export_state(), Ok(None));
    let state = SavedState {
        version: 1,
        bytes: Vec::new(),
    };
    let refused = scheduler.import_state(&state).unwrap().unwrap_err();
    assert_eq!(refused, "contract 0.1 has no handover of state");
    slots(scheduler.make_plan().unwrap());
}

#[tokio::test]
async fn a_checker_built_for_0_1_works() {
    let plugin = built_for_v0_1("tcp");
    assert_eq!(plugin.contract(), "0.1.0");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let checker = plugin.checker(&[]).unwrap();
    let target = || Target {
        name: "s".to_owned(),
        address,
        session: None,
    };
    let timeout = Duration::from_secs(20);
    let verdict = checker.check(target(), timeout).await.unwrap().verdict;
    assert_eq!(verdict, Verdict::Healthy);
    drop(listener);
    let verdict = checker.check(target(), timeout).await.unwrap().verdict;
    assert!(matches!(verdict, Verdict::Unhealthy(_)), "{verdict:?}");
}

#[tokio::test]
async fn a_checker_built_for_0_2_works() {
    let plugin = built_for_v0_2("http");
    assert_eq!(plugin.contract(), "0.2.0");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        assert!(request[..length].starts_with(b"GET /ready HTTP/1.1\r\n"));
        let answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
    });
    let path = SettingValue::Text("/ready".to_owned());
    let checker = plugin.checker(&with(&*plugin, &[("path", path)])).unwrap();
    let target = Target {
        name: "s".to_owned(),
        address,
        session: None,
    };
    let report = checker
        .check(target, Duration::from_secs(20))
        .await
        .unwrap();
    let Verdict::Unhealthy(reason) = report.verdict else {
        panic!("{:?}", report.verdict);
    };
    assert!(reason.starts_with("status 503"), "{reason}");
}

/// The test plugin that hands over what it has been told, in both runtimes, and as it was when 0.2 was finished.
fn witnesses() -> [Arc<dyn Plugin>; 3] {
    let pair = Pair::of_tests(
        &pair::wasm(),
        &NativeRuntime::trusting_everyone(),
        "witness",
    );
    [pair.wasm, pair.native, built_for_v0_2("witness")]
}

fn with(plugin: &dyn Plugin, settings: &[(&str, SettingValue)]) -> Vec<Setting> {
    let value = |key: &str| {
        let given = settings.iter().find(|(given, _)| *given == key);
        given.map(|(_, value)| value.clone())
    };
    let specs = plugin.manifest().settings.iter();
    let configured = specs.filter_map(|spec| {
        Some(Setting {
            key: spec.key.clone(),
            value: value(&spec.key).or_else(|| spec.default.clone())?,
        })
    });
    configured.collect()
}

fn witness(plugin: &dyn Plugin, settings: &[(&str, SettingValue)]) -> Box<dyn Scheduler> {
    plugin
        .scheduler(&context(), &with(plugin, settings))
        .unwrap()
}

fn testimony(scheduler: &mut dyn Scheduler) -> String {
    let state = scheduler.export_state().unwrap().unwrap();
    assert_eq!(state.version, 1);
    String::from_utf8(state.bytes).unwrap()
}

#[test]
fn a_scheduler_is_told_of_its_service_the_role_and_all_servers_and_can_read_the_wall_clock() {
    for plugin in witnesses() {
        assert_eq!(plugin.contract(), "0.2.0");
        assert!(plugin.manifest().abilities.as_ref().unwrap().deterministic);
        let mut scheduler = witness(&*plugin, &[]);
        scheduler.set_role(DirectorRole::Master).unwrap();
        scheduler.set_backends(&servers()).unwrap();
        assert_eq!(slots(scheduler.make_plan().unwrap()), [1, 2]);
        assert_eq!(
            testimony(&mut *scheduler),
            "web Some((Tcp, 10.10.54.151:80)) Backup\n\
             web Some((Tcp, 10.10.54.151:80)) Master\n\
             s1 2/2 Healthy true\n\
             s2 1/3 Degraded(33) true\n\
             s3 0/4 Failed false\n\
             Some(-14400)\n\
             None\n"
        );
    }
}

#[test]
fn a_scheduler_takes_over_what_its_predecessor_hands_over_or_refuses_it_and_goes_on() {
    for plugin in witnesses() {
        let mut old = witness(&*plugin, &[]);
        let state = old.export_state().unwrap().unwrap();
        let mut new = witness(&*plugin, &[]);
        assert_eq!(new.import_state(&state), Ok(Ok(())));
        let told = testimony(&mut *new);
        assert!(told.contains("before: web Some("), "{told}");
        let other = SavedState {
            version: 7,
            ..state
        };
        let refused = new.import_state(&other).unwrap().unwrap_err();
        assert_eq!(refused, "version 7 is none of mine");
        new.set_backends(&servers()).unwrap();
        assert_eq!(slots(new.make_plan().unwrap()), [1, 2]);
    }
}

#[test]
fn a_scheduler_that_hands_over_too_much_has_failed() {
    for plugin in witnesses() {
        let megabyte = i64::try_from(MAX_STATE).unwrap();
        let mut scheduler = witness(&*plugin, &[("padding", SettingValue::Integer(megabyte))]);
        let failure = scheduler.export_state().unwrap_err().failure;
        let Failure::Answer(text) = &failure else {
            panic!("{failure:?}");
        };
        assert!(text.ends_with("1048576 are allowed"), "{text}");
        assert_eq!(scheduler.make_plan().unwrap_err().failure, failure);
    }
}

#[test]
fn settings_can_be_held_against_the_servers_before_a_configuration_is_taken() {
    for plugin in witnesses() {
        for (favourite, fits) in [("s3", true), ("s9", false)] {
            let value = SettingValue::Text(favourite.to_owned());
            let mut scheduler = witness(&*plugin, &[("favourite", value)]);
            let validated = scheduler.validate(&servers()).unwrap();
            assert_eq!(validated.is_ok(), fits, "{validated:?}");
            if let Err(reason) = validated {
                assert_eq!(
                    reason,
                    "favourite = \"s9\": no server has that name\\u{1b}[2J"
                );
            }
            // It is still of use.
            scheduler.set_backends(&servers()).unwrap();
            scheduler.make_plan().unwrap();
        }
    }
}

#[test]
fn numbers_and_times_have_the_bounds_that_the_plugin_declares() {
    for plugin in witnesses() {
        let kind = |key: &str| {
            let mut specs = plugin.manifest().settings.iter();
            specs.find(|spec| spec.key == key).unwrap().kind.clone()
        };
        assert_eq!(kind("share"), SettingKind::Number { min: 0.0, max: 1.0 });
        let (min, max) = (Duration::from_millis(10), Duration::from_secs(60));
        assert_eq!(kind("pause"), SettingKind::Duration { min, max });
    }
}

#[test]
fn a_list_of_tables_arrives_as_it_is_and_may_be_left_out() {
    let setting = |key: &str, value: SettingValue| Setting {
        key: key.to_owned(),
        value,
    };
    let text = |text: &str| SettingValue::Text(text.to_owned());
    let words = |words: &[&str]| {
        SettingValue::TextList(words.iter().map(|&word| word.to_owned()).collect())
    };
    for plugin in witnesses() {
        let mut specs = plugin.manifest().settings.iter();
        let rows = specs.find(|spec| spec.key == "rows").unwrap();
        assert!(!rows.required && rows.default.is_none());
        let SettingKind::Tables(keys) = &rows.kind else {
            panic!("{rows:?}");
        };
        let keys: Vec<_> = keys
            .iter()
            .map(|it| (&*it.key, it.kind.to_string(), it.required, &it.default))
            .collect();
        assert_eq!(
            keys,
            [
                ("text", "a string".to_owned(), true, &None),
                (
                    "times",
                    "a whole number from 1 to 9".to_owned(),
                    false,
                    &Some(SettingValue::Integer(1))
                ),
                ("more", "a string".to_owned(), false, &None),
                (
                    "words",
                    "a list of strings".to_owned(),
                    false,
                    &Some(words(&["w"]))
                ),
            ]
        );
        let tables = SettingValue::Tables(vec![
            vec![
                setting("text", text("one")),
                setting("times", SettingValue::Integer(7)),
                setting("more", text("and \u{e4}")),
                setting("words", words(&["a", ""])),
            ],
            vec![
                setting("text", text("two")),
                setting("times", SettingValue::Integer(1)),
                setting("words", words(&[])),
            ],
        ]);
        let mut scheduler = witness(&*plugin, &[("rows", tables)]);
        let told = testimony(&mut *scheduler);
        let wanted = "one 7 Some(\"and \u{e4}\") [\"a\", \"\"]\ntwo 1 None []\n";
        assert!(told.starts_with(wanted), "{told}");
        let told = testimony(&mut *witness(&*plugin, &[]));
        assert!(told.starts_with("web Some("), "{told}");
    }
}
