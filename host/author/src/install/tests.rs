use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::sign::{NewKeys, Password, new_keys, sign};

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    )
}

/// A shipped plugin, or one that misbehaves.
fn built(name: &str) -> PathBuf {
    let target = target();
    let file = ["plugins", "test-plugins"]
        .map(|directory| target.join(directory).join(format!("{name}.wasm")))
        .into_iter()
        .find(|file| file.exists());
    file.unwrap_or_else(|| panic!("there is no {name}.wasm: run `cargo xtask build`"))
}

/// As if the plugin had been built with another version.
fn versioned(name: &str, version: &str) -> Source {
    let (old, new) = (b"0.1.0", version.as_bytes());
    let mut content = fs::read(built(name)).unwrap();
    let places = (0..content.len() - old.len()).filter(|at| content[*at..].starts_with(old));
    for at in places.collect::<Vec<_>>() {
        content[at..at + old.len()].copy_from_slice(new);
    }
    Source {
        from: "new.wasm".into(),
        content,
        signature: None,
    }
}

fn options(into: &Path, force: bool) -> Options {
    Options {
        into: into.to_owned(),
        trust: Trust::default(),
        force,
        seed: 7,
        cache: CacheUse::Own(target().join("lab-cache")),
    }
}

fn installed(source: &Source, options: &Options) -> Installed {
    match install(source, options).unwrap() {
        Outcome::Installed(installed) => installed,
        Outcome::Failed(report) => panic!("{report:?}"),
    }
}

/// What a directory holds, by name.
fn listed(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|it| it.unwrap().path());
    let mut listed: Vec<_> = entries
        .map(|it| {
            let name = it.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(it).unwrap())
        })
        .collect();
    listed.sort();
    listed
}

fn names(directory: &Path) -> Vec<String> {
    listed(directory)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_plugin_comes_to_a_new_directory_and_a_newer_one_takes_its_place_whatever_its_file_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("a/plugins");
    let first = installed(&Source::read(&built("rr")).unwrap(), &options(&into, false));
    assert_eq!(first.file, into.join("rr.wasm"));
    assert!(first.before.is_none());
    assert_eq!(
        first.file.metadata().unwrap().permissions().mode() & 0o777,
        0o644
    );
    let own = into.join("own-name.wasm");
    fs::rename(&first.file, &own).unwrap();
    let second = installed(&versioned("rr", "0.1.1"), &options(&into, false));
    assert_eq!((&second.file, &*second.version), (&own, "0.1.1"));
    let before = second.before.unwrap();
    assert_eq!(before.plugin, Some(("rr".to_owned(), "0.1.0".to_owned())));
    assert_eq!(before.sha256, Some(first.sha256));
    assert_eq!(names(&into), ["own-name.wasm"]);
}

#[test]
fn what_is_older_is_another_plugin_or_none_is_replaced_by_force_only() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path();
    let refused = |source: &Source, wanted: &str| {
        let before = listed(into);
        let error = install(source, &options(into, false))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(wanted) && error.contains("--force"),
            "{error}"
        );
        assert_eq!(listed(into), before);
    };
    installed(&versioned("rr", "0.2.0"), &options(into, false));
    let rr = Source::read(&built("rr")).unwrap();
    refused(
        &rr,
        "is rr 0.2.0, and the new one is the older version 0.1.0",
    );
    fs::copy(built("tcp"), into.join("wrr.wasm")).unwrap();
    let wrr = Source::read(&built("wrr")).unwrap();
    refused(&wrr, "is another plugin, tcp 0.1.0");
    fs::write(into.join("wrr.wasm"), "").unwrap();
    refused(&wrr, "is no usable plugin (is empty)");
    for source in [&rr, &wrr] {
        let installed = installed(source, &options(into, true));
        assert!(installed.before.is_some());
        assert_eq!(fs::read(installed.file).unwrap(), source.content);
    }
    fs::copy(built("rr"), into.join("second.wasm")).unwrap();
    let error = install(&rr, &options(into, true)).unwrap_err().to_string();
    assert!(error.contains("remove all but one"), "{error}");
}

#[test]
fn what_fails_its_test_or_is_no_plugin_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path();
    fs::copy(built("rr"), into.join("rr.wasm")).unwrap();
    let before = listed(into);
    let no_plugin = Source {
        content: b"\0asm".to_vec(),
        ..Source::read(&built("rr")).unwrap()
    };
    assert!(install(&no_plugin, &options(into, true)).is_err());
    // A name for which there is no room, and a directory in the place of the file.
    fs::create_dir(into.join("wrr.wasm")).unwrap();
    let wrr = Source::read(&built("wrr")).unwrap();
    let error = install(&wrr, &options(into, true)).unwrap_err().to_string();
    assert!(error.contains("is no file"), "{error}");
    fs::remove_dir(into.join("wrr.wasm")).unwrap();
    assert_eq!(listed(into), before);
    let file = into.join("rr.wasm");
    assert!(
        install(&wrr, &options(&file, true)).is_err(),
        "a file, not a directory"
    );
}

/// The plugin with a signature by a new key.
fn signed(name: &str) -> (TempDir, Source, NewKeys) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.wasm");
    fs::copy(built(name), &file).unwrap();
    let keys = new_keys(&directory.path().join("k"), &Password::None).unwrap();
    sign(&file, &keys.secret, &Password::Ask).unwrap();
    (directory, Source::read(&file).unwrap(), keys)
}

#[test]
fn a_signature_comes_with_its_plugin_and_goes_with_it_and_is_judged_before() {
    let (_directory, source, keys) = signed("rr");
    let into = tempfile::tempdir().unwrap();
    let into = into.path();
    let trusting = Options {
        trust: Trust::new(vec![keys.key.clone()], true),
        ..options(into, false)
    };
    let unsigned = Source {
        signature: None,
        ..source.clone()
    };
    assert!(install(&unsigned, &trusting).is_err());
    assert!(names(into).is_empty());
    assert!(installed(&source, &trusting).signature.signer().is_some());
    assert_eq!(names(into), ["rr.wasm", "rr.wasm.minisig"]);
    assert!(
        trusting
            .trust
            .judge(&into.join("rr.wasm"), &source.content)
            .is_ok()
    );
    let other = Source {
        content: versioned("rr", "0.1.1").content,
        ..source
    };
    let error = install(&other, &options(into, true));
    assert!(
        error.is_ok(),
        "of a key that is not trusted nothing is known"
    );
    let error = install(&other, &trusting).unwrap_err().to_string();
    assert!(error.contains("does not fit"), "{error}");
    installed(&unsigned, &options(into, true));
    assert_eq!(
        names(into),
        ["rr.wasm"],
        "the signature was of another content"
    );
}

#[test]
fn a_link_is_replaced_and_what_it_led_to_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (into, elsewhere) = (
        directory.path().join("into"),
        directory.path().join("elsewhere"),
    );
    fs::create_dir(&into).unwrap();
    fs::copy(built("rr"), &elsewhere).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    symlink(&elsewhere, into.join("rr.wasm")).unwrap();
    installed(&versioned("rr", "0.1.1"), &options(&into, false));
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
    assert!(!into.join("rr.wasm").is_symlink());
}
