//! Schedulers, and what becomes of those that misbehave.

use std::time::{Duration, Instant};

use evenkeel_core::manifest::{Setting, SettingValue};
use evenkeel_core::model::Sandbox;
use evenkeel_core::plan::{Plan, PlanError, Run};
use evenkeel_core::state::Selector;

use crate::testing::{backends, id, load, words};
use crate::{Failure, Scheduler, ServiceContext};

/// All settings of the plugin: it behaves once and panics then if it is to be `late`.
fn settings(how: &str) -> Vec<Setting> {
    let mut settings = words(&[("how", how), ("then", "panic")]);
    settings.push(Setting {
        key: "after".to_owned(),
        value: SettingValue::Integer(1),
    });
    settings
}

fn misbehaving(how: &str, sandbox: Sandbox) -> Box<dyn Scheduler> {
    let plugin = load("misbehave", sandbox);
    let mut scheduler = plugin
        .scheduler(&ServiceContext::trial("web"), &settings(how))
        .unwrap();
    scheduler.set_backends(&backends(&[1, 1])).unwrap();
    scheduler
}

fn failure(how: &str) -> Failure {
    misbehaving(how, Sandbox::default())
        .make_plan()
        .unwrap_err()
        .failure
}

fn plan(runs: &[(u32, u32)]) -> Plan {
    let slots = runs
        .iter()
        .map(|(n, width)| Run {
            id: id(*n),
            width: *width,
        })
        .collect();
    Plan::Table {
        slots,
        selector: Selector::Sequence,
        refresh_ms: None,
    }
}

#[test]
fn rr_gives_every_server_one_slot() {
    let mut rr = load("rr", Sandbox::default())
        .scheduler(&ServiceContext::trial("web"), &[])
        .unwrap();
    rr.set_backends(&backends(&[1, 5, 1])).unwrap();
    assert_eq!(rr.make_plan().unwrap(), plan(&[(1, 1), (2, 1), (3, 1)]));
}

#[test]
fn instances_of_one_plugin_know_nothing_of_each_other() {
    let plugin = load("rr", Sandbox::default());
    let mut one = plugin
        .scheduler(&ServiceContext::trial("one"), &[])
        .unwrap();
    let mut other = plugin
        .scheduler(&ServiceContext::trial("other"), &[])
        .unwrap();
    one.set_backends(&backends(&[1])).unwrap();
    other.set_backends(&backends(&[1, 1])).unwrap();
    assert_eq!(one.make_plan().unwrap(), plan(&[(1, 1)]));
    assert_eq!(other.make_plan().unwrap(), plan(&[(1, 1), (2, 1)]));
}

#[test]
fn an_endless_loop_is_ended_after_the_call_time() {
    let start = Instant::now();
    let limit = Sandbox::default().call_time;
    assert_eq!(failure("spin"), Failure::Time(limit));
    assert!(start.elapsed() >= limit);
}

#[test]
fn a_longer_call_time_is_granted() {
    let sandbox = Sandbox {
        call_time: Duration::from_millis(400),
        ..Sandbox::default()
    };
    let mut scheduler = misbehaving("spin", sandbox);
    let start = Instant::now();
    assert_eq!(
        scheduler.make_plan().unwrap_err().failure,
        Failure::Time(sandbox.call_time)
    );
    assert!(start.elapsed() >= sandbox.call_time);
}

#[test]
fn memory_without_end_is_denied_and_the_limit_named() {
    let sandbox = Sandbox {
        call_time: Duration::from_secs(10),
        ..Sandbox::default()
    };
    let failure = misbehaving("allocate", sandbox)
        .make_plan()
        .unwrap_err()
        .failure;
    let Failure::Limit(what) = failure else {
        panic!("{failure:?}")
    };
    assert!(
        what.contains("KiB of memory wanted, 65536 KiB allowed (`memory` in [sandbox]"),
        "{what}"
    );
}

#[test]
fn memory_of_all_plugins_together_is_bounded_and_given_back() {
    let sandbox = Sandbox {
        call_time: Duration::from_secs(10),
        total_memory: 4 << 20,
        ..Sandbox::default()
    };
    let plugin = load("misbehave", sandbox);
    for _ in 0..2 {
        let mut scheduler = plugin
            .scheduler(&ServiceContext::trial("service"), &settings("allocate"))
            .unwrap();
        scheduler.set_backends(&backends(&[1])).unwrap();
        assert_eq!(plugin.usage().unwrap().instances, 1);
        let failure = scheduler.make_plan().unwrap_err().failure;
        let Failure::Limit(what) = failure else {
            panic!("{failure:?}")
        };
        assert!(
            what.contains("all plugins together have reached their 4096 KiB"),
            "{what}"
        );
        drop(scheduler);
        assert_eq!(plugin.usage(), Some(crate::Usage::default()));
    }
}

#[test]
fn a_plugin_may_have_limits_of_its_own() {
    let sandbox = Sandbox {
        call_time: Duration::from_secs(10),
        ..Sandbox::default()
    };
    let own = Sandbox {
        memory: 3 << 20,
        ..sandbox
    };
    let host = crate::wasm::Host {
        sandboxes: [("misbehave".to_owned(), own)].into(),
        ..crate::wasm::Host::default()
    };
    let config = crate::wasm::WasmConfig {
        sandbox,
        cache: crate::wasm::CacheUse::None,
    };
    let runtime = crate::wasm::WasmRuntime::with_host(config, host).unwrap();
    let plugin = crate::PluginRuntime::load(&runtime, &crate::testing::plugin_file("misbehave"));
    let plugin = plugin.unwrap();
    let mut scheduler = plugin
        .scheduler(&ServiceContext::trial("service"), &settings("allocate"))
        .unwrap();
    scheduler.set_backends(&backends(&[1])).unwrap();
    let failure = scheduler.make_plan().unwrap_err().to_string();
    assert!(failure.contains("3072 KiB allowed"), "{failure}");
}

#[test]
fn a_panic_is_reported_with_its_text_and_place() {
    let Failure::Trap(text) = failure("panic") else {
        panic!("no trap")
    };
    assert!(text.contains("misbehaving on purpose"), "{text}");
    assert!(text.contains("lib.rs:"), "{text}");
}

#[test]
fn recursion_without_end_overflows_the_plugins_stack_only() {
    // With time enough to get there in an unoptimised build as well.
    let sandbox = Sandbox {
        call_time: Duration::from_secs(10),
        ..Sandbox::default()
    };
    let failure = misbehaving("recurse", sandbox)
        .make_plan()
        .unwrap_err()
        .failure;
    // The engine's stack or the guest's own, whichever is used up first.
    let Failure::Trap(text) = failure else {
        panic!("{failure:?}")
    };
    assert!(text.contains("stack overflowed"), "{text}");
}

#[test]
fn a_flood_of_log_messages_ends_in_time() {
    let mut scheduler = misbehaving("log-flood", Sandbox::default());
    let start = Instant::now();
    match scheduler.make_plan() {
        Ok(answer) => assert_eq!(answer, plan(&[(1, 1), (2, 1)])),
        Err(error) => assert_eq!(error.failure, Failure::Time(Sandbox::default().call_time)),
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn settings_that_the_plugin_refuses_come_with_its_reason() {
    let plugin = load("misbehave", Sandbox::default());
    let error = plugin
        .scheduler(&ServiceContext::trial("web"), &settings("refuse-settings"))
        .err()
        .unwrap();
    assert_eq!(
        error.failure,
        Failure::Settings("these settings are refused, as they ask for".to_owned())
    );
    assert_eq!(error.plugin, "misbehave");
}

#[test]
fn impossible_plans_are_handed_on_and_refused_by_the_check_of_plans() {
    let usable = [id(1), id(2)].into();
    let refused = |how| {
        let plan = misbehaving(how, Sandbox::default()).make_plan().unwrap();
        plan.spread(&usable).unwrap_err()
    };
    assert_eq!(
        refused("bad-backend"),
        PlanError::UnknownBackend(16_777_200)
    );
    assert!(matches!(refused("huge-plan"), PlanError::TooLarge(_)));
    assert_eq!(refused("zero-width"), PlanError::EmptyRun(1));
}

#[test]
fn after_a_failure_every_call_gets_the_same_error_and_a_new_instance_works() {
    let plugin = load("misbehave", Sandbox::default());
    for _ in 0..2 {
        let mut scheduler = plugin
            .scheduler(&ServiceContext::trial("web"), &settings("late"))
            .unwrap();
        scheduler.set_backends(&backends(&[1])).unwrap();
        assert_eq!(scheduler.make_plan().unwrap(), plan(&[(1, 1)]));
        let first = scheduler.make_plan().unwrap_err();
        assert_eq!(scheduler.make_plan().unwrap_err(), first);
        assert_eq!(scheduler.set_backends(&backends(&[1])).unwrap_err(), first);
    }
}

#[test]
fn one_services_failure_costs_another_instance_nothing() {
    let plugin = load("misbehave", Sandbox::default());
    let mut good = plugin
        .scheduler(&ServiceContext::trial("good"), &settings("behave"))
        .unwrap();
    good.set_backends(&backends(&[1])).unwrap();
    let mut bad = plugin
        .scheduler(&ServiceContext::trial("bad"), &settings("panic"))
        .unwrap();
    bad.set_backends(&backends(&[1])).unwrap();
    bad.make_plan().unwrap_err();
    assert_eq!(good.make_plan().unwrap(), plan(&[(1, 1)]));
}

#[test]
fn schedulers_outlive_their_runtime_and_are_still_limited() {
    // `misbehaving` has dropped its runtime and its plugin.
    let mut scheduler = misbehaving("spin", Sandbox::default());
    assert!(matches!(
        scheduler.make_plan().unwrap_err().failure,
        Failure::Time(_)
    ));
}

#[test]
fn a_scheduler_is_no_checker() {
    let error = load("rr", Sandbox::default()).checker(&[]).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("plugin rr {}: is a scheduler", error.version)
    );
}

#[test]
fn a_component_with_more_instances_than_allowed_is_not_run() {
    let sandbox = Sandbox {
        instances: 1,
        ..Sandbox::default()
    };
    let file = crate::testing::plugin_file("rr");
    let runtime = crate::testing::runtime(sandbox);
    match crate::PluginRuntime::load(&runtime, &file) {
        // A component of one core instance.
        Ok(plugin) => assert_eq!(plugin.manifest().name, "rr"),
        Err(error) => assert!(
            error.reason.contains("more than 1 core instances"),
            "{error}"
        ),
    }
    let sandbox = Sandbox {
        instances: 0,
        ..Sandbox::default()
    };
    let error = crate::PluginRuntime::load(&crate::testing::runtime(sandbox), &file)
        .err()
        .unwrap();
    assert!(
        error.reason.contains("it has more than 0 core instances"),
        "{error}"
    );
}

#[test]
fn a_component_with_more_table_elements_or_memory_than_allowed_is_not_run() {
    let file = crate::testing::plugin_file("rr");
    let refused = |sandbox| {
        let runtime = crate::testing::runtime(sandbox);
        crate::PluginRuntime::load(&runtime, &file)
            .err()
            .unwrap()
            .reason
    };
    let reason = refused(Sandbox {
        table_elements: 0,
        ..Sandbox::default()
    });
    assert!(
        reason.contains("table elements wanted, 0 allowed"),
        "{reason}"
    );
    let reason = refused(Sandbox {
        memory: 64 << 10,
        ..Sandbox::default()
    });
    assert!(
        reason.contains("KiB of memory wanted, 64 KiB allowed"),
        "{reason}"
    );
}

#[test]
fn a_pick_that_never_answers_is_ended_after_the_pick_time() {
    // As different as they can be: it is not the call's time that ends it.
    let sandbox = Sandbox {
        call_time: Duration::from_secs(60),
        pick_time: Duration::from_millis(20),
        ..Sandbox::default()
    };
    let mut settings = words(&[("how", "spin")]);
    let (after, time) = (SettingValue::Integer(1), Duration::from_millis(5));
    for (key, value) in [("after", after), ("time", SettingValue::Duration(time))] {
        settings.push(Setting {
            key: key.to_owned(),
            value,
        });
    }
    let plugin = load("misbehave-pick", sandbox);
    let mut scheduler = plugin
        .scheduler(&ServiceContext::trial("web"), &settings)
        .unwrap();
    scheduler.set_backends(&backends(&[1, 1])).unwrap();
    let client = (std::net::Ipv4Addr::LOCALHOST, 1).into();
    let flow = crate::Flow {
        protocol: evenkeel_core::model::Protocol::Tcp,
        source: client,
        destination: client,
    };
    assert_eq!(scheduler.pick(&flow), Ok(Some(id(1))));
    let failure = scheduler.pick(&flow).unwrap_err().failure;
    assert_eq!(failure, Failure::Time(sandbox.pick_time));
    assert_eq!(scheduler.make_plan().unwrap_err().failure, failure);
}
