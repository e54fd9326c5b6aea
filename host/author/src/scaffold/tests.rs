use super::*;

#[test]
fn a_name_that_no_plugin_can_have_is_refused_with_the_form_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for bad in [
        "",
        "Calm",
        "2c",
        "-a",
        "a_b",
        "a b",
        "../a",
        "a/b",
        "ä",
        &"a".repeat(65),
    ] {
        let error = new(dir.path(), bad, Kind::Scheduler, Language::Rust)
            .unwrap_err()
            .to_string();
        assert!(error.contains("a-z, 0-9 and -"), "{bad}: {error}");
    }
    for taken in ["std", "test", "match", "evenkeel-sdk"] {
        let error = new(dir.path(), taken, Kind::Checker, Language::Rust)
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("my-{taken}")), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("calm"), "mine").unwrap();
    let error = new(dir.path(), "calm", Kind::Scheduler, Language::Rust)
        .unwrap_err()
        .to_string();
    assert!(error.contains("calm is there already"), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join("calm")).unwrap(), "mine");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_new_plugin_is_whole_and_nothing_in_it_is_left_to_fill_in() {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in [("calm", Kind::Scheduler), ("greets", Kind::Checker)] {
        let place = new(dir.path(), name, kind, Language::Rust).unwrap();
        assert_eq!(place, dir.path().join(name));
        for file in ["Cargo.toml", ".gitignore", "README.md", "src/lib.rs"] {
            let text = fs::read_to_string(place.join(file)).unwrap();
            assert!(!text.contains("{{"), "{file}");
        }
        assert!(place.join("vendor/evenkeel-sdk/src/lib.rs").exists());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}
