//! Loading: what is no plugin, and the cache.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::Sandbox;

use crate::PluginRuntime as _;
use crate::testing::{plugin_file, runtime};
use crate::wasm::{CacheUse, WasmConfig, WasmRuntime};

fn reason(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("some.wasm");
    fs::write(&file, bytes).unwrap();
    let error = runtime(Sandbox::default()).load(&file).err().unwrap();
    assert_eq!(error.file, file);
    error.reason
}

#[test]
fn a_plugin_says_what_it_is() {
    let runtime = runtime(Sandbox::default());
    for (name, kind) in [
        ("rr", PluginKind::Scheduler),
        ("wrr", PluginKind::Scheduler),
        ("tcp", PluginKind::Checker),
        ("http", PluginKind::Checker),
    ] {
        let file = plugin_file(name);
        let plugin = runtime.load(&file).unwrap();
        assert_eq!(
            (plugin.manifest().name.as_str(), plugin.kind()),
            (name, kind)
        );
        assert_eq!(
            (plugin.contract(), plugin.file()),
            ("0.2.0", file.as_path())
        );
    }
}

#[test]
fn files_that_are_no_plugins_say_why() {
    assert_eq!(reason(b"MZ\x90\0"), "is no WebAssembly");
    let whole = fs::read(plugin_file("rr")).unwrap();
    assert_eq!(reason(&whole[..whole.len() / 2]), "is truncated");
    let missing = runtime(Sandbox::default())
        .load(Path::new("/nonexistent.wasm"))
        .err()
        .unwrap();
    assert!(
        missing
            .to_string()
            .starts_with("plugin /nonexistent.wasm: No such file"),
        "{missing}"
    );
    let directory = runtime(Sandbox::default())
        .load(Path::new("/"))
        .err()
        .unwrap();
    assert_eq!(directory.reason, "is no regular file");
}

#[test]
fn an_interface_without_the_contracts_functions_does_not_fit() {
    let empty =
        r#"(component (instance $i) (export "evenkeel:plugin/scheduler@0.1.0" (instance $i)))"#;
    let reason = reason(&wat::parse_str(empty).unwrap());
    assert!(
        reason.starts_with("does not fit contract 0.1.0:"),
        "{reason}"
    );
}

#[test]
fn a_function_that_the_host_does_not_have_is_named() {
    let text = r#"(component
        (import "evenkeel:plugin/host@0.1.0" (instance (export "open-file" (func))))
        (instance $i) (export "evenkeel:plugin/scheduler@0.1.0" (instance $i)))"#;
    let reason = reason(&wat::parse_str(text).unwrap());
    assert!(reason.contains("open-file"), "{reason}");
}

fn cached(cache: &Path) -> WasmRuntime {
    WasmRuntime::new(WasmConfig {
        sandbox: Sandbox::default(),
        cache: CacheUse::Own(cache.to_owned()),
    })
    .unwrap()
}

/// The compiled files and their inodes: a file that was written anew has another.
fn contents(cache: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let entries = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.path(), entry.metadata().unwrap().ino()))
        .collect()
}

#[test]
fn compiled_code_is_kept_for_this_user_only_and_taken_at_the_next_start() {
    let parent = tempfile::tempdir().unwrap();
    let cache = parent.path().join("a/cache");
    cached(&cache).load(&plugin_file("rr")).unwrap();
    assert_eq!(
        fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let first = contents(&cache);
    assert_eq!(first.len(), 1);
    assert_eq!(
        fs::metadata(&first[0].0).unwrap().permissions().mode() & 0o777,
        0o600
    );
    cached(&cache).load(&plugin_file("rr")).unwrap();
    assert_eq!(contents(&cache), first);
}

#[test]
fn damaged_code_is_not_run_but_compiled_again() {
    let parent = tempfile::tempdir().unwrap();
    let cache = parent.path().join("cache");
    cached(&cache).load(&plugin_file("rr")).unwrap();
    let (file, _) = contents(&cache).remove(0);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 1;
    let mut other_form = whole.clone();
    other_form[0] ^= 1;
    for damaged in [
        &flipped[..],
        &other_form[..],
        &whole[..middle],
        b"",
        b"short",
    ] {
        fs::write(&file, damaged).unwrap();
        let inode = contents(&cache)[0].1;
        let plugin = cached(&cache).load(&plugin_file("rr")).unwrap();
        assert_eq!(plugin.manifest().name, "rr");
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
        assert_ne!(contents(&cache)[0].1, inode);
    }
}

#[test]
fn code_that_others_could_have_written_is_not_run() {
    let parent = tempfile::tempdir().unwrap();
    let cache = parent.path().join("cache");
    cached(&cache).load(&plugin_file("rr")).unwrap();
    let (file, inode) = contents(&cache).remove(0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o622)).unwrap();
    cached(&cache).load(&plugin_file("rr")).unwrap();
    let (_, replaced) = contents(&cache).remove(0);
    assert_ne!(inode, replaced);
    // A link to code elsewhere.
    let elsewhere = parent.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    cached(&cache).load(&plugin_file("rr")).unwrap();
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
}

#[test]
fn a_plugin_that_changes_is_compiled_anew() {
    let parent = tempfile::tempdir().unwrap();
    let (cache, file) = (parent.path().join("cache"), parent.path().join("p.wasm"));
    for (name, count) in [("rr", 1), ("wrr", 2), ("rr", 2)] {
        fs::copy(plugin_file(name), &file).unwrap();
        assert_eq!(cached(&cache).load(&file).unwrap().manifest().name, name);
        assert_eq!(contents(&cache).len(), count);
    }
}

#[test]
fn nothing_beside_a_plugin_is_taken_for_its_compiled_code() {
    let parent = tempfile::tempdir().unwrap();
    let (cache, directory) = (parent.path().join("cache"), parent.path().join("plugins"));
    fs::create_dir(&directory).unwrap();
    cached(&cache).load(&plugin_file("rr")).unwrap();
    let (compiled, _) = contents(&cache).remove(0);
    for name in ["p.cwasm", "p.compiled"] {
        fs::copy(&compiled, directory.join(name)).unwrap();
    }
    let file = directory.join("p.wasm");
    // Neither the cache's own form nor wasmtime's is a plugin.
    fs::copy(&compiled, &file).unwrap();
    assert_eq!(
        cached(&cache).load(&file).err().unwrap().reason,
        "is no WebAssembly"
    );
    let code = fs::read(&compiled).unwrap().split_off(48);
    fs::write(&file, code).unwrap();
    assert_eq!(
        cached(&cache).load(&file).err().unwrap().reason,
        "is no WebAssembly"
    );
}

/// A scheduler whose module is by hand: `start` runs when it is instantiated, `describe` when it is asked what it is.
fn handmade(start: &str, describe: &str) -> Vec<u8> {
    let interface = "evenkeel:plugin/scheduler@0.1.0";
    let text = format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{interface}#describe") (result i32) {describe})
            (func (export "{interface}#list-abilities") (result i32) unreachable)
            (func (export "{interface}#configure") (param i32 i32) (result i32) unreachable)
            (func (export "{interface}#set-backends") (param i32 i32) unreachable)
            (func (export "{interface}#set-loads") (param i32 i32) unreachable)
            (func (export "{interface}#make-plan") (result i32) unreachable)
            (func (export "{interface}#pick") (param i32 i64 i64 i32 i64 i64 i32) (result i32) unreachable)
            (func $start {start})
            (start $start))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/wit/v0.1");
    let (package, _) = resolve.push_path(wit).unwrap();
    let world = resolve
        .select_world(&[package], Some("scheduler-plugin"))
        .unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    let mut encoder = wit_component::ComponentEncoder::default()
        .module(&module)
        .unwrap();
    encoder.encode().unwrap()
}

#[test]
fn a_plugin_that_never_says_what_it_is_does_not_stop_the_loading() {
    let failed = "failed when asked to describe itself: ";
    let out_of_time = format!("{failed}used more than 1s of processor time in one call");
    assert_eq!(
        reason(&handmade("", "(loop (br 0)) unreachable")),
        out_of_time
    );
    assert_eq!(
        reason(&handmade("(loop (br 0))", "unreachable")),
        out_of_time
    );
    let trapped = format!("{failed}trapped: reached unreachable code (it aborted)");
    assert_eq!(reason(&handmade("", "unreachable")), trapped);
}

#[test]
fn a_plugin_that_answers_with_what_is_not_in_its_memory_does_not_stop_the_loading() {
    let reason = reason(&handmade("", "(i32.const -4)"));
    assert!(
        reason.starts_with("failed when asked to describe itself: trapped: "),
        "{reason}"
    );
}
