mod signed;

use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::{Found, PluginCatalogue as _};
use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::Sandbox;
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use super::*;
use crate::native::NativeRuntime;
use crate::testing::{keeping_runtime, native_file, plugin_file, runtime};
use crate::wasm::WasmRuntime;
use crate::{Described, LoadError, ServiceContext};

fn by_name(name: &str) -> PluginRef {
    PluginRef::Name(name.to_owned())
}

/// A directory with copies of these plugins.
fn directory(plugins: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (file, plugin) in plugins {
        fs::copy(plugin_file(plugin), directory.path().join(file)).unwrap();
    }
    directory
}

/// Everything in the directories, with these plugins loaded.
fn loaded(directories: &[PathBuf], names: &[&str]) -> Catalogue {
    let runtime = runtime(Sandbox::default());
    let mut catalogue = Catalogue::scan(&runtime, directories);
    load(&mut catalogue, &runtime, names);
    catalogue
}

fn load(catalogue: &mut Catalogue, runtime: &dyn PluginRuntime, names: &[&str]) {
    let names: Vec<PluginRef> = names.iter().map(|name| by_name(name)).collect();
    catalogue.load(runtime, &names);
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().to_owned()
}

#[test]
fn plugins_are_found_by_the_name_that_they_give_themselves() {
    let directory = directory(&[("a.wasm", "tcp"), ("b.wasm", "rr"), ("c.txt", "wrr")]);
    fs::create_dir(directory.path().join("d.wasm")).unwrap();
    let catalogue = loaded(&[path(&directory)], &["tcp", "wrr"]);
    let files: Vec<_> = catalogue
        .entries()
        .map(|entry| entry.file.clone())
        .collect();
    assert_eq!(
        files,
        ["a.wasm", "b.wasm"].map(|name| directory.path().join(name))
    );
    let Found::One { kind, manifest } = catalogue.find(&by_name("rr")) else {
        panic!("not found")
    };
    assert_eq!(
        (kind, manifest.name.as_str()),
        (PluginKind::Scheduler, "rr")
    );
    assert_eq!(
        catalogue.get(&by_name("tcp")).unwrap().manifest().name,
        "tcp"
    );
    assert!(catalogue.get(&by_name("wrr")).is_none());
}

#[test]
fn delegates_are_loaded_with_a_scheduler_and_a_new_file_of_one_makes_another_plugin() {
    let directory = directory(&[("lc.wasm", "lc")]);
    fs::copy(
        plugin_file("site-scheduler"),
        directory.path().join("s.wasm"),
    )
    .unwrap();
    let runtime = keeping_runtime(Sandbox::default());
    let sites = by_name("sites");
    let next = |before: &Catalogue| {
        let mut next = before.rescan(&runtime, &[path(&directory)]);
        load(&mut next, &runtime, &["sites"]);
        next
    };
    let first = next(&Catalogue::default());
    let plugin = first.get(&sites).unwrap();
    // It wants to know what its delegate does.
    assert!(
        plugin
            .manifest()
            .abilities
            .as_ref()
            .unwrap()
            .facts
            .connections
    );
    let same = next(&first);
    assert!(Arc::ptr_eq(&plugin, &same.get(&sites).unwrap()));
    // Another file that calls itself so.
    fs::copy(plugin_file("wlc"), directory.path().join("w.wasm")).unwrap();
    let still = next(&same);
    assert!(Arc::ptr_eq(&plugin, &still.get(&sites).unwrap()));
    fs::write(directory.path().join("lc.wasm"), "damaged").unwrap();
    let mut without = next(&still);
    assert!(without.get(&sites).is_none());
    let Found::Broken { reason } = without.find(&sites) else {
        panic!("{:?}", without.find(&sites));
    };
    assert!(
        reason.starts_with("leaves servers to the scheduler lc, which is broken: "),
        "{reason}"
    );
    assert_eq!(without.problem(&sites).as_deref(), Some(&*reason));
    without.keep(&sites, &still);
    assert!(Arc::ptr_eq(&plugin, &without.get(&sites).unwrap()));
    fs::copy(plugin_file("lc"), directory.path().join("lc.wasm")).unwrap();
    let other = next(&without);
    assert!(!Arc::ptr_eq(&plugin, &other.get(&sites).unwrap()));
}

#[test]
fn a_name_that_nobody_has_comes_back_with_those_that_there_are() {
    let directory = directory(&[("a.wasm", "tcp"), ("b.wasm", "rr")]);
    let catalogue = Catalogue::scan(&runtime(Sandbox::default()), &[path(&directory)]);
    assert_eq!(
        catalogue.find(&by_name("nope")),
        Found::Missing {
            available: vec![
                ("rr".to_owned(), PluginKind::Scheduler),
                ("tcp".to_owned(), PluginKind::Checker)
            ],
            searched: vec![directory.path().display().to_string()],
        }
    );
}

#[test]
fn a_directory_that_is_missing_or_none_is_named_beside_those_that_were_searched() {
    let directory = directory(&[]);
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let directories = [path(&directory), PathBuf::from("/nowhere"), file.clone()];
    let catalogue = Catalogue::scan(&runtime(Sandbox::default()), &directories);
    let Found::Missing { searched, .. } = catalogue.find(&by_name("rr")) else {
        panic!("found")
    };
    let [good, missing, none] = searched.as_slice() else {
        panic!("{searched:?}")
    };
    assert_eq!(*good, directory.path().display().to_string());
    assert_eq!(missing, "/nowhere (there is no such directory)");
    assert!(
        none.starts_with(&format!("{} (cannot be read: ", file.display())),
        "{none}"
    );
}

#[test]
fn a_name_that_two_files_of_a_directory_have_is_ambiguous_and_hurts_no_other() {
    let one = directory(&[("a.wasm", "rr"), ("b.wasm", "rr"), ("c.wasm", "tcp")]);
    let catalogue = loaded(&[path(&one)], &["rr", "tcp"]);
    let files = ["a.wasm", "b.wasm"].map(|file| one.path().join(file).display().to_string());
    let files = files.to_vec();
    assert_eq!(catalogue.find(&by_name("rr")), Found::Ambiguous { files });
    assert!(catalogue.get(&by_name("rr")).is_none());
    assert!(catalogue.get(&by_name("tcp")).is_some());
}

#[test]
fn of_two_files_with_one_name_in_two_directories_the_first_directorys_counts() {
    let (one, other) = (
        directory(&[("z.wasm", "rr")]),
        directory(&[("b.wasm", "rr"), ("c.wasm", "tcp")]),
    );
    let (first, second) = (one.path().join("z.wasm"), other.path().join("b.wasm"));
    let catalogue = loaded(&[path(&one), path(&other)], &["rr", "tcp"]);
    assert_eq!(catalogue.get(&by_name("rr")).unwrap().file(), first);
    assert!(matches!(catalogue.find(&by_name("rr")), Found::One { .. }));
    let shadowed = Shadowed {
        name: "rr".to_owned(),
        file: second.clone(),
        by: first,
    };
    assert_eq!(catalogue.shadowed(), [shadowed]);
    // The order of the directories decides, not that of their names.
    let turned = loaded(&[path(&other), path(&one)], &["rr"]);
    assert_eq!(turned.get(&by_name("rr")).unwrap().file(), second);
}

/// Breaks the code of a plugin, and leaves its manifest whole.
fn break_code(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let body = wasmparser::Parser::new(0)
        .parse_all(&bytes)
        .find_map(|payload| match payload.unwrap() {
            wasmparser::Payload::CodeSectionEntry(body) => Some(body.range()),
            _ => None,
        })
        .unwrap();
    bytes[body].fill(0xff);
    fs::write(file, bytes).unwrap();
}

#[test]
fn where_the_first_directorys_is_broken_the_next_ones_is_used() {
    let (one, other) = (
        directory(&[("a.wasm", "rr")]),
        directory(&[("b.wasm", "rr")]),
    );
    break_code(&one.path().join("a.wasm"));
    let catalogue = loaded(&[path(&one), path(&other)], &["rr"]);
    let used = catalogue.get(&by_name("rr")).unwrap();
    assert_eq!(used.file(), other.path().join("b.wasm"));
}

fn cached(cache: &Path) -> WasmRuntime {
    WasmRuntime::new(crate::wasm::WasmConfig {
        sandbox: Sandbox::default(),
        cache: crate::wasm::CacheUse::Own(cache.to_owned()),
    })
    .unwrap()
}

#[test]
fn a_file_that_has_been_broken_is_replaced_by_its_last_good_copy_at_the_start() {
    let directory = directory(&[("rr.wasm", "rr"), ("tcp.wasm", "tcp")]);
    let parent = tempfile::tempdir().unwrap();
    let cache = parent.path().join("cache");
    let names = ["rr", "tcp"].map(by_name);
    let good = {
        let runtime = cached(&cache);
        let mut catalogue = Catalogue::scan(&runtime, &[path(&directory)]);
        catalogue.load(&runtime, &names);
        let plugin = catalogue.get(&names[0]).unwrap();
        runtime.keep_good(&names[0], plugin.as_ref(), &Signature::None);
        plugin.sha256()
    };
    for broken in ["", "no wasm"] {
        fs::write(directory.path().join("rr.wasm"), broken).unwrap();
        let runtime = cached(&cache);
        let mut catalogue = Catalogue::scan(&runtime, &[path(&directory)]);
        catalogue.load(&runtime, &names);
        assert!(catalogue.get(&names[0]).is_none());
        catalogue.fall_back(&runtime, &names);
        let plugin = catalogue.get(&names[0]).unwrap();
        assert_eq!(
            (plugin.sha256(), plugin.kind()),
            (good, PluginKind::Scheduler)
        );
        plugin
            .scheduler(&ServiceContext::trial("service"), &[])
            .unwrap();
        assert!(matches!(catalogue.find(&names[0]), Found::One { .. }));
        // The next reading of the configuration wants the file.
        let next = catalogue.rescan(&runtime, &[path(&directory)]);
        assert!(next.get(&names[0]).is_none());
    }
}

#[test]
fn where_there_is_no_good_copy_what_stands_in_fails_and_says_why() {
    let directory = directory(&[("tcp.wasm", "tcp")]);
    fs::write(directory.path().join("rr.wasm"), "no wasm").unwrap();
    let runtime = runtime(Sandbox::default());
    let name = by_name("rr");
    let mut catalogue = Catalogue::scan(&runtime, &[path(&directory)]);
    catalogue.fall_back(&runtime, [&name, &by_name("tcp"), &by_name("none")]);
    assert!(catalogue.get(&name).is_none());
    assert!(catalogue.goes_without(&name));
    assert!(!catalogue.goes_without(&by_name("tcp")));
    assert!(
        !catalogue.goes_without(&by_name("none")),
        "it is missing, which is an error"
    );
    let plugin = catalogue.stand_in(&name, PluginKind::Scheduler).unwrap();
    let mut scheduler = plugin
        .scheduler(&ServiceContext::trial("service"), &[])
        .unwrap();
    let error = scheduler.make_plan().unwrap_err().to_string();
    assert!(
        error.contains("cannot be used: ") && error.contains("is no WebAssembly"),
        "{error}"
    );
}

#[test]
fn the_same_directory_twice_makes_nothing_ambiguous() {
    let one = directory(&[("a.wasm", "rr")]);
    let catalogue = loaded(&[path(&one), path(&one)], &["rr"]);
    assert!(catalogue.get(&by_name("rr")).is_some());
}

#[test]
fn a_broken_plugin_stops_no_other_and_is_reported_to_who_wants_it() {
    let directory = directory(&[("a.wasm", "rr")]);
    let broken = directory.path().join("least.wasm");
    fs::write(&broken, "not wasm").unwrap();
    let catalogue = loaded(&[path(&directory)], &["rr", "least"]);
    assert!(catalogue.get(&by_name("rr")).is_some());
    let reason = format!("{}: is no WebAssembly", broken.display());
    assert_eq!(catalogue.find(&by_name("least")), Found::Broken { reason });
    let entry = catalogue
        .entries()
        .find(|entry| entry.file == broken)
        .unwrap();
    assert_eq!(entry.info().unwrap_err(), "is no WebAssembly");
}

#[test]
fn a_directory_that_is_not_there_is_noted() {
    let there = directory(&[("a.wasm", "rr")]);
    let missing = there.path().join("missing");
    let catalogue = loaded(&[missing.clone(), path(&there)], &["rr"]);
    assert!(catalogue.get(&by_name("rr")).is_some());
    let [unreadable] = catalogue.unreadable() else {
        panic!("not one")
    };
    assert_eq!(
        (&unreadable.directory, unreadable.missing),
        (&missing, true)
    );
}

#[test]
fn a_plugin_named_by_file_is_found_by_that_file_only() {
    let directory = directory(&[("mine.wasm", "rr")]);
    let file = directory.path().join("mine.wasm");
    let missing = directory.path().join("other.wasm");
    let mut catalogue = Catalogue::default();
    let names = [
        PluginRef::File(file.clone()),
        PluginRef::File(missing.clone()),
        by_name("x"),
    ];
    let runtime = runtime(Sandbox::default());
    catalogue.add_files(&runtime, &names);
    catalogue.load(&runtime, &names);
    assert!(matches!(catalogue.find(&names[0]), Found::One { .. }));
    assert!(matches!(catalogue.find(&names[1]), Found::Broken { .. }));
    assert!(matches!(
        catalogue.find(&by_name("rr")),
        Found::Missing { .. }
    ));
    assert!(catalogue.get(&names[0]).is_some());
    assert_eq!(catalogue.entries().count(), 2);
}

#[test]
fn a_new_scan_keeps_what_has_not_changed_and_loads_what_has() {
    let directory = directory(&[("a.wasm", "rr"), ("b.wasm", "tcp")]);
    let runtime = runtime(Sandbox::default());
    let mut before = Catalogue::scan(&runtime, &[path(&directory)]);
    load(&mut before, &runtime, &["rr", "tcp"]);
    fs::copy(plugin_file("http"), directory.path().join("b.wasm")).unwrap();
    fs::copy(plugin_file("wrr"), directory.path().join("c.wasm")).unwrap();
    let mut after = before.rescan(&runtime, &[path(&directory)]);
    load(&mut after, &runtime, &["rr", "tcp", "http", "wrr"]);
    let kept = |catalogue: &Catalogue| catalogue.get(&by_name("rr")).unwrap();
    assert!(Arc::ptr_eq(&kept(&before), &kept(&after)));
    assert!(after.get(&by_name("tcp")).is_none());
    assert!(after.get(&by_name("http")).is_some());
    assert!(after.get(&by_name("wrr")).is_some());
    // The old catalogue is what it was: a configuration in use goes on with it.
    assert!(before.get(&by_name("tcp")).is_some());
}

/// A catalogue of that directory with these native plugins, and a file that is named; all loaded.
fn with_native(directory: &TempDir, native: &[PathBuf], file: Option<&Path>) -> Catalogue {
    let wasm = runtime(Sandbox::default());
    let mut catalogue = Catalogue::scan(&wasm, &[path(directory)]);
    catalogue.load_native(&NativeRuntime::trusting_everyone(), native);
    let named = file.map(|file| PluginRef::File(file.to_owned()));
    catalogue.add_files(&wasm, named.iter());
    let names = ["rr", "tcp", "lc"].map(by_name);
    catalogue.load(&wasm, named.iter().chain(&names));
    catalogue
}

#[test]
fn a_native_plugin_is_found_by_name_and_by_file() {
    let (directory, file) = (directory(&[("a.wasm", "rr")]), native_file("lc"));
    let catalogue = with_native(&directory, std::slice::from_ref(&file), Some(&file));
    for name in [by_name("lc"), PluginRef::File(file.clone())] {
        assert!(matches!(catalogue.find(&name), Found::One { .. }));
        assert_eq!(catalogue.get(&name).unwrap().file(), file);
    }
    assert!(catalogue.get(&by_name("rr")).is_some());
    assert_eq!(catalogue.entries().count(), 2);
}

#[test]
fn a_name_that_a_native_plugin_has_too_is_ambiguous_and_each_is_found_by_its_file() {
    let (directory, native) = (directory(&[("a.wasm", "rr")]), native_file("rr"));
    let wasm = directory.path().join("a.wasm");
    let catalogue = with_native(&directory, std::slice::from_ref(&native), Some(&wasm));
    let files = [&wasm, &native].map(|file| file.display().to_string());
    assert_eq!(
        catalogue.find(&by_name("rr")),
        Found::Ambiguous {
            files: files.to_vec()
        }
    );
    assert!(catalogue.get(&by_name("rr")).is_none());
    for file in [wasm, native] {
        let found = catalogue.get(&PluginRef::File(file.clone())).unwrap();
        assert_eq!(found.file(), file);
    }
}

#[test]
fn a_shared_object_in_a_plugin_directory_is_not_loaded() {
    let directory = directory(&[("a.wasm", "tcp")]);
    fs::copy(native_file("rr"), directory.path().join("rr.so")).unwrap();
    let catalogue = with_native(&directory, &[], None);
    assert_eq!(catalogue.entries().count(), 1);
    assert!(matches!(
        catalogue.find(&by_name("rr")),
        Found::Missing { .. }
    ));
}

#[test]
fn a_broken_native_plugin_stops_no_other_and_one_that_is_no_longer_listed_is_forgotten() {
    let directory = directory(&[("a.wasm", "tcp")]);
    let broken = directory.path().join("mine.so");
    fs::write(&broken, "no shared object").unwrap();
    let listed = [broken.clone(), native_file("rr")];
    let mut catalogue = with_native(&directory, &listed, None);
    assert!(catalogue.get(&by_name("rr")).is_some());
    for name in [by_name("mine"), PluginRef::File(broken)] {
        let Found::Broken { reason } = catalogue.find(&name) else {
            panic!("not broken")
        };
        assert!(reason.contains("is no shared object"), "{reason}");
    }
    catalogue.load_native(&NativeRuntime::trusting_everyone(), &[]);
    assert!(catalogue.get(&by_name("rr")).is_none());
    assert!(catalogue.get(&by_name("tcp")).is_some());
}

/// Loads a plugin only once another one is being loaded, too.
struct Together {
    runtime: WasmRuntime,
    loading: Mutex<usize>,
    more: Condvar,
}

impl PluginRuntime for Together {
    fn read(&self, file: &Path) -> Result<Vec<u8>, LoadError> {
        self.runtime.read(file)
    }

    fn describe_content(&self, file: &Path, content: &[u8]) -> Result<Described, LoadError> {
        self.runtime.describe_content(file, content)
    }

    fn load_content(&self, file: &Path, content: &[u8]) -> Result<Arc<dyn Plugin>, LoadError> {
        let mut loading = self.loading.lock();
        *loading += 1;
        self.more.notify_all();
        let limit = Duration::from_secs(60);
        let alone = |loading: &mut usize| *loading < 2;
        let waited = self.more.wait_while_for(&mut loading, alone, limit);
        assert!(!waited.timed_out(), "one after the other");
        drop(loading);
        self.runtime.load_content(file, content)
    }
}

#[test]
fn plugins_are_compiled_several_at_once_where_there_are_several_cores() {
    if std::thread::available_parallelism().is_ok_and(|it| it.get() == 1) {
        return;
    }
    let directory = directory(&[("a.wasm", "tcp"), ("b.wasm", "rr"), ("c.wasm", "wrr")]);
    let together = Together {
        runtime: runtime(Sandbox::default()),
        loading: Mutex::new(0),
        more: Condvar::new(),
    };
    let mut catalogue = Catalogue::scan(&together, &[path(&directory)]);
    load(&mut catalogue, &together, &["tcp", "rr"]);
    for (name, loaded) in [("tcp", true), ("rr", true), ("wrr", false)] {
        let found = catalogue.get(&by_name(name));
        assert_eq!(found.is_some(), loaded, "{name}");
    }
    assert_eq!(*together.loading.lock(), 2, "what is named, and no more");
}
