//! The manifest in a file: what is not compiled because of it, and what is remembered without it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use evenkeel_config::{Found, PluginCatalogue as _};
use evenkeel_core::manifest::{Abilities, Decision, Facts, Manifest, PluginKind};
use evenkeel_core::model::{PluginRef, Sandbox};
use evenkeel_sdk::section::{MAX_LENGTH, NAME};
use wasmparser::{Parser, Payload};

use crate::PluginRuntime as _;
use crate::catalogue::Catalogue;
use crate::section::encode;
use crate::testing::{plugin_file, runtime};
use crate::wasm::{CacheUse, WasmConfig, WasmRuntime};

fn manifest(name: &str) -> Manifest {
    Manifest {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        summary: "only for show".to_owned(),
        settings: vec![],
        abilities: Some(Abilities {
            decisions: vec![Decision::Plan],
            facts: Facts::default(),
            deterministic: false,
            stateless: false,
            labels: Vec::new(),
            delegates: Vec::new(),
        }),
    }
}

/// The file with this section at its end.
fn with_section(mut component: Vec<u8>, section: &[u8]) -> Vec<u8> {
    let leb = |number: usize| {
        let low = |shift: usize| u8::try_from((number >> shift) & 0x7f).unwrap();
        [low(0) | 0x80, low(7) | 0x80, low(14)]
    };
    component.push(0);
    component.extend(leb(3 + NAME.len() + section.len()));
    component.extend(leb(NAME.len()));
    component.extend(NAME.bytes());
    component.extend(section);
    component
}

/// A shipped plugin without its section, as an older SDK made it.
fn without_section(plugin: &str) -> Vec<u8> {
    let bytes = fs::read(plugin_file(plugin)).unwrap();
    let mut depth = 0;
    let mut end = bytes.len();
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(custom) if depth == 0 && custom.name() == NAME => {
                // One byte says what section it is, three at most how long it is; `pack` writes it last.
                let length = custom.range().len();
                let size = if length < 128 {
                    1
                } else if length < 1 << 14 {
                    2
                } else {
                    3
                };
                end = custom.range().start - size - 1;
            }
            _ => {}
        }
    }
    bytes[..end].to_vec()
}

/// A scheduler as far as its names tell, whose code is none.
fn uncompilable() -> Vec<u8> {
    let text = r#"(component (core module (func (result i32) i64.const 1)) (instance $i)
        (export "evenkeel:plugin/scheduler@0.1.0" (instance $i)))"#;
    wat::parse_str(text).unwrap()
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = directory.join(name);
    fs::write(&file, bytes).unwrap();
    file
}

fn reason(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "some.wasm", bytes);
    let runtime = runtime(Sandbox::default());
    let reason = runtime.describe(&file).err().unwrap().reason;
    assert_eq!(runtime.load(&file).err().unwrap().reason, reason);
    reason
}

fn by_name(name: &str) -> PluginRef {
    PluginRef::Name(name.to_owned())
}

#[test]
fn what_nothing_names_is_found_and_not_compiled() {
    let directory = tempfile::tempdir().unwrap();
    let section = encode(&manifest("hollow")).unwrap();
    let hollow = with_section(uncompilable(), &section);
    let file = write(directory.path(), "a.wasm", &hollow);
    fs::copy(plugin_file("rr"), directory.path().join("b.wasm")).unwrap();
    let runtime = runtime(Sandbox::default());
    let mut catalogue = Catalogue::scan(&runtime, &[directory.path().to_owned()]);
    let Found::One { kind, manifest } = catalogue.find(&by_name("hollow")) else {
        panic!("not found")
    };
    assert_eq!(
        (kind, manifest.summary.as_str()),
        (PluginKind::Scheduler, "only for show")
    );
    assert!(catalogue.get(&by_name("hollow")).is_none());
    // The one that is named works, and the other is of no concern.
    catalogue.load(&runtime, &[by_name("rr")]);
    assert!(catalogue.get(&by_name("rr")).is_some());
    assert!(matches!(
        catalogue.find(&by_name("hollow")),
        Found::One { .. }
    ));
    // Named, it is found out.
    catalogue.load(&runtime, &[by_name("hollow")]);
    let Found::Broken { reason } = catalogue.find(&by_name("hollow")) else {
        panic!("not broken")
    };
    let begin = format!("{}: cannot be compiled: ", file.display());
    assert!(reason.starts_with(&begin), "{reason}");
}

#[test]
fn two_files_of_a_name_of_which_one_works_are_not_ambiguous() {
    let directory = tempfile::tempdir().unwrap();
    let section = encode(&manifest("rr")).unwrap();
    write(
        directory.path(),
        "a.wasm",
        &with_section(uncompilable(), &section),
    );
    fs::copy(plugin_file("rr"), directory.path().join("b.wasm")).unwrap();
    let runtime = runtime(Sandbox::default());
    let mut catalogue = Catalogue::scan(&runtime, &[directory.path().to_owned()]);
    catalogue.load(&runtime, &[by_name("rr")]);
    assert_eq!(
        catalogue.get(&by_name("rr")).unwrap().file(),
        directory.path().join("b.wasm")
    );
}

#[test]
fn the_shipped_plugins_say_in_their_files_what_they_say_when_they_run() {
    let runtime = runtime(Sandbox::default());
    for name in ["rr", "wrr", "tcp", "http"] {
        let file = plugin_file(name);
        let described = runtime.describe(&file).unwrap();
        assert!(described.plugin.is_none(), "{name} has no manifest section");
        let plugin = runtime.load(&file).unwrap();
        assert_eq!(described.info.manifest, *plugin.manifest());
        assert_eq!(described.info.kind, plugin.kind());
        assert_eq!(described.info.contract, plugin.contract());
    }
}

/// Names of the cache's files with this extension.
fn kept(cache: &Path, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|it| it == extension))
        .collect()
}

#[test]
fn a_file_without_a_manifest_is_run_once_and_remembered() {
    let parent = tempfile::tempdir().unwrap();
    let cache = parent.path().join("cache");
    let file = write(parent.path(), "old.wasm", &without_section("rr"));
    let cached = |cache: CacheUse| {
        let sandbox = Sandbox::default();
        WasmRuntime::new(WasmConfig { sandbox, cache }).unwrap()
    };
    let own = || cached(CacheUse::Own(cache.clone()));
    let first = own().describe(&file).unwrap();
    // Compiled with little effort, which is nothing to keep.
    assert!(kept(&cache, "compiled").is_empty());
    let inode = || {
        let [said] = kept(&cache, "manifest").try_into().unwrap();
        fs::metadata(said).unwrap().ino()
    };
    // Were it asked again, its answer would be written again.
    let written = inode();
    for runtime in [own(), cached(CacheUse::Borrowed(cache.clone()))] {
        let again = runtime.describe(&file).unwrap();
        assert!(again.plugin.is_none());
        assert_eq!(again.info, first.info);
        assert_eq!(inode(), written);
    }
    // It is the content that counts.
    let section = encode(&first.info.manifest).unwrap();
    let other = with_section(without_section("rr"), &section);
    write(parent.path(), "old.wasm", &other);
    assert!(own().describe(&file).unwrap().plugin.is_none());
    assert_eq!(kept(&cache, "manifest").len(), 1);
    // Without a cache it is just run.
    let old = write(parent.path(), "old.wasm", &without_section("rr"));
    let none = cached(CacheUse::None).describe(&old).unwrap();
    assert_eq!((none.plugin.is_some(), none.info), (false, first.info));
}

#[test]
fn a_manifest_that_the_plugin_denies_is_refused_when_it_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime(Sandbox::default());
    let true_one = runtime.describe(&plugin_file("rr")).unwrap().info.manifest;
    let version = true_one.version.clone();
    let lie = Manifest {
        version: "99.0.0".to_owned(),
        ..true_one
    };
    let lying = with_section(without_section("rr"), &encode(&lie).unwrap());
    let file = write(directory.path(), "rr.wasm", &lying);
    assert_eq!(
        runtime.describe(&file).unwrap().info.manifest.version,
        "99.0.0"
    );
    assert_eq!(
        runtime.load(&file).err().unwrap().reason,
        format!(
            "describes itself otherwise than its file does: its version is \"{version}\" and not \"99.0.0\"; build and pack the plugin again"
        )
    );
}

#[test]
fn a_manifest_that_is_damaged_too_long_or_there_twice_is_refused() {
    let section = encode(&manifest("p")).unwrap();
    let cut = with_section(uncompilable(), &section[..section.len() - 1]);
    assert!(reason(&cut).starts_with("has a damaged manifest"));
    let long = with_section(uncompilable(), &vec![0; MAX_LENGTH + 1]);
    assert!(reason(&long).starts_with("has a manifest of 65537 bytes"));
    let twice = with_section(with_section(uncompilable(), &section), &section);
    assert_eq!(reason(&twice), "has more than one manifest");
    let checker = Manifest {
        abilities: None,
        ..manifest("p")
    };
    let other = with_section(uncompilable(), &encode(&checker).unwrap());
    assert_eq!(
        reason(&other),
        "is a scheduler, and its manifest is of another kind"
    );
}
