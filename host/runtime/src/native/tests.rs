//! Loading, and what becomes of plugins that misbehave.

use evenkeel_core::manifest::{PluginKind, Setting, SettingValue};

use super::*;
use crate::testing::{backends, native_file, words};
use crate::{Failure, Scheduler};

fn load(name: &str) -> Arc<dyn Plugin> {
    NativeRuntime::trusting_everyone()
        .load(&native_file(name))
        .unwrap()
}

fn misbehaving(how: &str) -> Box<dyn Scheduler> {
    let mut settings = words(&[("how", how), ("then", "panic")]);
    settings.push(Setting {
        key: "after".to_owned(),
        value: SettingValue::Integer(1),
    });
    let mut scheduler = load("misbehave").scheduler("web", &settings).unwrap();
    scheduler.set_backends(&backends(&[1, 1])).unwrap();
    scheduler
}

#[test]
fn a_plugin_says_what_it_is() {
    let plugin = load("rr");
    assert_eq!(plugin.manifest().name, "rr");
    assert_eq!(plugin.kind(), PluginKind::Scheduler);
    assert_eq!(plugin.contract(), "0.1.0");
    assert!(plugin.manifest().abilities.is_some());
}

#[test]
fn a_panic_is_caught_told_with_its_text_and_ends_the_instance_only() {
    let mut scheduler = misbehaving("panic");
    let failure = scheduler.make_plan().unwrap_err().failure;
    let Failure::Trap(text) = &failure else {
        panic!("{failure:?}")
    };
    assert!(text.contains("misbehaving on purpose"), "{text}");
    assert!(text.contains("lib.rs:"), "{text}");
    assert_eq!(scheduler.make_plan().unwrap_err().failure, failure);
    assert!(misbehaving("behave").make_plan().is_ok());
}

#[test]
fn refused_settings_are_told_with_the_reason() {
    let error = load("misbehave")
        .scheduler(
            "web",
            &words(&[("how", "refuse-settings"), ("then", "panic")]),
        )
        .err()
        .map(|error| error.failure);
    assert!(matches!(error, Some(Failure::Settings(_))), "{error:?}");
}

#[test]
fn a_checker_is_refused_by_name() {
    let runtime = NativeRuntime::trusting_everyone();
    let Err(error) = runtime.load(&native_file("tcp")) else {
        panic!("loaded")
    };
    assert!(error.reason.contains("is the checker tcp"), "{error}");
}

#[test]
fn a_file_that_has_changed_does_not_take_the_place_of_what_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.so");
    std::fs::copy(native_file("rr"), &file).unwrap();
    let runtime = NativeRuntime::trusting_everyone();
    let first = runtime.load(&file).unwrap();
    std::fs::copy(native_file("misbehave"), &file).unwrap();
    let again = runtime.load(&file).unwrap();
    assert_eq!(again.manifest().name, "rr");
    assert!(Arc::ptr_eq(&first, &again));
}

#[test]
fn a_file_that_others_could_have_written_is_not_loaded() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.so");
    std::fs::copy(native_file("rr"), &file).unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let Err(error) = NativeRuntime::new().load(&file) else {
        panic!("loaded")
    };
    assert!(error.reason.contains("to mend it:"), "{error}");
}
