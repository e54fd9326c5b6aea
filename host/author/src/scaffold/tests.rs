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

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_new_plugin_is_whole_and_nothing_in_it_is_left_to_fill_in() {
    let dir = tempfile::tempdir().unwrap();
    // For C a compiler has to be there.
    let languages = Language::ALL.into_iter().filter(|it| *it != Language::C);
    for (number, language) in languages.enumerate() {
        for (name, kind) in [("calm", Kind::Scheduler), ("greets", Kind::Checker)] {
            let place = new(dir.path(), &format!("{name}{number}"), kind, language).unwrap();
            let files = files(&place);
            for file in [".gitignore", "README.md", language.sign()] {
                assert!(files.contains(&place.join(file)), "{language}: {file}");
            }
            for file in files {
                let Ok(text) = fs::read_to_string(&file) else {
                    continue;
                };
                for left in ["{{name}}", "{{kind}}", "{{rust}}", "{{example}}"] {
                    assert!(!text.contains(left), "{}: {left}", file.display());
                }
            }
            assert_eq!(Language::of(&place), Some(language));
        }
    }
}

#[test]
fn the_contract_of_a_new_plugin_has_its_own_world_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, own, other) in [
        (Kind::Scheduler, "world scheduler-plugin {", "world health"),
        (
            Kind::Checker,
            "world health-checker-plugin {",
            "world sched",
        ),
    ] {
        let place = new(dir.path(), &format!("a-{kind}"), kind, Language::Python).unwrap();
        let wit = fs::read_to_string(place.join("evenkeel/plugin.wit")).unwrap();
        assert!(wit.contains(own) && !wit.contains(other), "{wit}");
        assert!(wit.contains("interface health-checker {") && wit.ends_with("}\n"));
    }
}
