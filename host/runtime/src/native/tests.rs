//! Loading, and what becomes of plugins that misbehave.

use evenkeel_core::manifest::{PluginKind, Setting, SettingValue};

use super::*;
use crate::testing::{backends, native_file, words};
use crate::{Failure, Scheduler, ServiceContext};

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
    let mut scheduler = load("misbehave")
        .scheduler(&ServiceContext::trial("web"), &settings)
        .unwrap();
    scheduler.set_backends(&backends(&[1, 1])).unwrap();
    scheduler
}

#[test]
fn a_plugin_says_what_it_is() {
    let plugin = load("rr");
    assert_eq!(plugin.manifest().name, "rr");
    assert_eq!(plugin.kind(), PluginKind::Scheduler);
    assert_eq!(plugin.contract(), "0.2.0");
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
            &ServiceContext::trial("web"),
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

/// A directory that root alone can write to, as are all above it; `None`, and a word about it, where tests do not run
/// as root.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn roots_directory() -> Option<tempfile::TempDir> {
    let own = tempfile::tempdir().unwrap();
    if std::os::unix::fs::MetadataExt::uid(&own.path().metadata().unwrap()) != 0 {
        eprintln!("SKIPPED: only root can make a file that belongs to root");
        return None;
    }
    Some(tempfile::tempdir_in("/run").unwrap())
}

#[test]
fn a_file_that_root_alone_can_write_is_loaded_until_its_group_can() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(directory) = roots_directory() else {
        return;
    };
    let file = directory.path().join("p.so");
    std::fs::copy(native_file("rr"), &file).unwrap();
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
    mode(0o644).unwrap();
    let plugin = NativeRuntime::new().load(&file).unwrap();
    let mut rr = plugin
        .scheduler(&ServiceContext::trial("web"), &[])
        .unwrap();
    rr.set_backends(&backends(&[1])).unwrap();
    assert!(rr.make_plan().is_ok());
    mode(0o664).unwrap();
    let error = NativeRuntime::new().load(&file).err().unwrap();
    assert!(error.reason.contains("can be written by its group"));
}

/// The reason why a plugin whose bytes were changed like this is not loaded.
fn refused(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.so");
    let mut content = std::fs::read(native_file("rr")).unwrap();
    change(&mut content);
    std::fs::write(&file, content).unwrap();
    let runtime = NativeRuntime::trusting_everyone();
    runtime.load(&file).err().unwrap().reason
}

#[test]
fn a_plugin_whose_symbol_names_another_interface_is_refused_before_its_code_runs() {
    let reason = refused(|content| {
        let ours = b"evenkeel_plugin_abi5_";
        let places: Vec<usize> = (0..content.len() - ours.len())
            .filter(|at| content[*at..].starts_with(ours))
            .collect();
        assert!(!places.is_empty());
        for at in places {
            content[at + ours.len() - 2] = b'1';
        }
    });
    let text = "was built for native interface 1; this daemon has 5: build it anew";
    assert!(reason.starts_with(text), "{reason}");
}

/// Changes a number of the entry, which has these in its beginning: version, size, size of what the host gives.
fn patch(content: &mut [u8], place: usize, value: u32) {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
    let file = object::File::parse(&*content).unwrap();
    let entry = file
        .dynamic_symbols()
        .find(|symbol| {
            let name = symbol.name().unwrap();
            symbol.is_definition() && name.starts_with(evenkeel_sdk::native::abi::SYMBOL)
        })
        .unwrap();
    let section = file
        .section_by_index(entry.section_index().unwrap())
        .unwrap();
    let (start, _) = section.file_range().unwrap();
    let at = usize::try_from(start + entry.address() - section.address()).unwrap() + 4 * place;
    content[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn a_plugin_whose_structs_are_others_is_refused() {
    let others = [
        (0, 1, "native interface 1 with "),
        (1, 40, "native interface 5 with 40 bytes"),
        (2, 8, "native interface another one of the same number"),
    ];
    for (place, value, text) in others {
        let reason = refused(|content| patch(content, place, value));
        assert!(reason.contains(text), "{reason}");
    }
}
