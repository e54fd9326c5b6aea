//! Whether what a plugin says about itself can be used.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use evenkeel_core::manifest::{MAX_DELEGATES, Manifest, SettingKind, SettingSpec, SettingValue};

use crate::text::{clean, is_plain};

/// Characters of a name or key, and of a one-line text.
const NAME: usize = 64;
const LINE: usize = 500;
/// Words of a choice, and elements of a default list.
const WORDS: usize = 64;
/// Settings of one plugin.
const SETTINGS: usize = 256;

/// The manifest with its texts made fit for a terminal, or what is wrong with it.
pub(crate) fn checked(mut manifest: Manifest) -> Result<Manifest, String> {
    let name = &manifest.name;
    if !is_name(name, b"-") {
        return Err(format!(
            "its name \"{}\" is not of the form [a-z][a-z0-9-]* with at most {NAME} characters",
            clean(name, NAME)
        ));
    }
    if manifest.version.len() > NAME {
        return Err(format!(
            "its version has {} characters; {NAME} are allowed",
            manifest.version.len()
        ));
    }
    if let Err(error) = semver::Version::parse(&manifest.version) {
        let version = clean(&manifest.version, NAME);
        return Err(format!(
            "its version \"{version}\" is no semantic version such as 1.2.3: {error}"
        ));
    }
    if let Some(abilities) = &mut manifest.abilities {
        if abilities.decisions.is_empty() {
            return Err("it names no decision that it can make".to_owned());
        }
        let mut seen = BTreeSet::new();
        abilities
            .decisions
            .retain(|decision| seen.insert(*decision));
        check_specs(&mut abilities.labels, "label")?;
        if let Some(label) = abilities.labels.iter().find(|it| !it.kind.is_for_labels()) {
            return Err(format!(
                "its label \"{}\" is a list, a duration, a secret, a file or tables, which a label cannot be",
                label.key
            ));
        }
        let delegates = &mut abilities.delegates;
        if delegates.len() > MAX_DELEGATES {
            let count = delegates.len();
            return Err(format!(
                "it names {count} delegates; {MAX_DELEGATES} are allowed"
            ));
        }
        if let Some(wrong) = delegates.iter().find(|it| !is_name(it, b"-")) {
            return Err(format!(
                "its delegate \"{}\" is not of the form [a-z][a-z0-9-]*",
                clean(wrong, NAME)
            ));
        }
        if delegates.contains(&manifest.name) {
            return Err("it names itself as a delegate".to_owned());
        }
        delegates.sort();
        delegates.dedup();
    }
    manifest.summary = clean(&manifest.summary, LINE);
    check_specs(&mut manifest.settings, "setting")?;
    Ok(manifest)
}

/// Settings, or labels, which are described as those are.
fn check_specs(specs: &mut [SettingSpec], what: &str) -> Result<(), String> {
    if specs.len() > SETTINGS {
        let count = specs.len();
        return Err(format!("it has {count} {what}s; {SETTINGS} are allowed"));
    }
    let mut keys = BTreeSet::new();
    for spec in specs {
        spec.doc = clean(&spec.doc, LINE);
        if !is_name(&spec.key, b"-_") {
            return Err(format!(
                "the key \"{}\" of a {what} is not of the form [a-z][a-z0-9_-]* with at most {NAME} characters",
                clean(&spec.key, NAME)
            ));
        }
        if !keys.insert(spec.key.clone()) {
            return Err(format!("it names the {what} \"{}\" twice", spec.key));
        }
        check_spec(spec).map_err(|problem| format!("its {what} \"{}\" {problem}", spec.key))?;
        if let SettingKind::Tables(keys) = &mut spec.kind {
            check_specs(keys, "key")
                .map_err(|problem| format!("its {what} \"{}\": {problem}", spec.key))?;
        }
    }
    Ok(())
}

/// A list of tables; their keys are checked as settings are.
fn check_tables(spec: &SettingSpec, keys: &[SettingSpec]) -> Result<(), String> {
    if keys.is_empty() {
        return Err("is a list of tables without a key".to_owned());
    }
    if spec.default.is_some() {
        return Err("is a list of tables and has a default, which there is none of".to_owned());
    }
    let nested = |key: &&SettingSpec| matches!(key.kind, SettingKind::Tables(_));
    match keys.iter().find(nested) {
        Some(key) => Err(format!(
            "has tables in the key \"{}\" of its tables",
            key.key
        )),
        None => Ok(()),
    }
}

/// How what a plugin says of itself differs from what its file says.
pub(crate) fn difference(file: &Manifest, plugin: &Manifest) -> Option<String> {
    let texts = [
        ("name", &file.name, &plugin.name),
        ("version", &file.version, &plugin.version),
        ("summary", &file.summary, &plugin.summary),
    ];
    for (what, file, plugin) in texts {
        if file != plugin {
            return Some(format!("its {what} is \"{plugin}\" and not \"{file}\""));
        }
    }
    if file.abilities != plugin.abilities {
        return Some("its decisions, facts or promises are others".to_owned());
    }
    (file.settings != plugin.settings).then(|| "its settings are others".to_owned())
}

fn is_name(name: &str, also: &[u8]) -> bool {
    name.len() <= NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
}

fn is_short(text: &str, most: usize) -> bool {
    text.chars().count() <= most
}

fn check_spec(spec: &SettingSpec) -> Result<(), String> {
    match &spec.kind {
        SettingKind::Integer { min, max } if min > max => {
            return Err(format!(
                "allows no number: its least is {min}, its greatest {max}"
            ));
        }
        // What is no number is in no order.
        SettingKind::Number { min, max }
            if matches!(min.partial_cmp(max), None | Some(Ordering::Greater)) =>
        {
            return Err(format!(
                "allows no number: its least is {min}, its greatest {max}"
            ));
        }
        SettingKind::Duration { min, max } if min > max => {
            return Err(format!(
                "allows no time: its least is {min:?}, its greatest {max:?}"
            ));
        }
        SettingKind::Choice(words) if words.is_empty() => {
            return Err("is a choice of nothing".to_owned());
        }
        SettingKind::Choice(words) if words.len() > WORDS => {
            return Err(format!(
                "is a choice of {} words; {WORDS} are allowed",
                words.len()
            ));
        }
        SettingKind::Tables(keys) => return check_tables(spec, keys),
        SettingKind::Choice(words)
            if !words
                .iter()
                .all(|word| is_plain(word) && is_short(word, NAME)) =>
        {
            return Err(format!(
                "is a choice of a word with control characters or more than {NAME} characters"
            ));
        }
        _ => {}
    }
    let Some(default) = &spec.default else {
        return Ok(());
    };
    match spec.kind {
        SettingKind::Secret => {
            return Err("is a secret and has a default, which everybody could read".to_owned());
        }
        SettingKind::File => {
            return Err("is a file and has a default, which no machine need have".to_owned());
        }
        _ => {}
    }
    if spec.required {
        return Err("has a default and is required: one of the two is a mistake".to_owned());
    }
    let short = match default {
        SettingValue::Text(text) => is_short(text, LINE),
        SettingValue::TextList(list) => {
            list.len() <= WORDS && list.iter().all(|text| is_short(text, LINE))
        }
        _ => true,
    };
    if !short {
        return Err(format!(
            "has a default with more than {LINE} characters, or more than {WORDS} elements"
        ));
    }
    let fits = match (&spec.kind, default) {
        (SettingKind::Boolean, SettingValue::Boolean(_))
        | (SettingKind::Text, SettingValue::Text(_))
        | (SettingKind::TextList, SettingValue::TextList(_)) => true,
        (SettingKind::Duration { min, max }, SettingValue::Duration(value)) => {
            (min..=max).contains(&value)
        }
        (SettingKind::Integer { min, max }, SettingValue::Integer(value)) => {
            (min..=max).contains(&value)
        }
        (SettingKind::Number { min, max }, SettingValue::Number(value)) => {
            value.is_finite() && (min..=max).contains(&value)
        }
        (SettingKind::Choice(words), SettingValue::Text(value)) => words.contains(value),
        (SettingKind::Matching(pattern), SettingValue::Text(value)) => pattern.matches(value),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "has a default that it does not allow itself: it takes {}",
            spec.kind
        ))
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::manifest::{Abilities, Decision, Facts};
    use evenkeel_core::pattern::Pattern;

    use super::*;

    fn manifest(name: &str, version: &str, settings: Vec<SettingSpec>) -> Manifest {
        let summary = "one\nline".to_owned();
        Manifest {
            abilities: None,
            name: name.to_owned(),
            version: version.to_owned(),
            summary,
            settings,
        }
    }

    fn spec(key: &str, kind: SettingKind, default: Option<SettingValue>) -> SettingSpec {
        SettingSpec {
            key: key.to_owned(),
            doc: String::new(),
            kind,
            default,
            required: false,
        }
    }

    fn refused(settings: Vec<SettingSpec>) -> String {
        checked(manifest("p", "1.0.0", settings)).unwrap_err()
    }

    #[test]
    fn a_good_manifest_passes_and_its_texts_become_one_line() {
        let port = spec(
            "port_2-x",
            SettingKind::Integer { min: 1, max: 2 },
            Some(SettingValue::Integer(2)),
        );
        let checked = checked(manifest("a-1", "1.0.0-rc.1+x", vec![port])).unwrap();
        assert_eq!(checked.summary, "one\\nline");
    }

    #[test]
    fn names_and_versions_of_another_form_are_refused() {
        for name in ["", "A", "1a", "a_b", "a/b", "ä", &"a".repeat(65)] {
            let reason = checked(manifest(name, "1.0.0", vec![])).unwrap_err();
            assert!(reason.starts_with("its name"), "{reason}");
        }
        for version in ["", "1", "1.0", "v1.0.0"] {
            let reason = checked(manifest("a", version, vec![])).unwrap_err();
            assert!(reason.starts_with("its version"), "{reason}");
        }
    }

    #[test]
    fn a_scheduler_that_names_no_decision_is_refused_and_one_named_twice_counts_once() {
        let able = |decisions: &[Decision]| Manifest {
            abilities: Some(Abilities {
                decisions: decisions.to_vec(),
                facts: Facts::default(),
                deterministic: false,
                stateless: false,
                labels: Vec::new(),
                delegates: Vec::new(),
            }),
            ..manifest("p", "1.0.0", vec![])
        };
        assert_eq!(
            checked(able(&[])).unwrap_err(),
            "it names no decision that it can make"
        );
        let (pick, plan) = (Decision::PerConnection, Decision::Plan);
        let abilities = checked(able(&[pick, plan, pick])).unwrap().abilities;
        assert_eq!(abilities.unwrap().decisions, [pick, plan]);
    }

    #[test]
    fn a_key_that_comes_twice_is_refused() {
        let twice = vec![
            spec("a", SettingKind::Text, None),
            spec("a", SettingKind::NUMBER, None),
        ];
        assert_eq!(refused(twice), "it names the setting \"a\" twice");
    }

    #[test]
    fn a_default_that_the_setting_itself_does_not_allow_is_refused() {
        let choice = SettingKind::Choice(vec!["x".to_owned()]);
        for (kind, default) in [
            (SettingKind::Boolean, SettingValue::Text("true".to_owned())),
            (
                SettingKind::Integer { min: 1, max: 2 },
                SettingValue::Integer(3),
            ),
            (SettingKind::NUMBER, SettingValue::Number(f64::NAN)),
            (choice, SettingValue::Text("y".to_owned())),
        ] {
            let reason = refused(vec![spec("k", kind, Some(default))]);
            assert!(reason.contains("does not allow itself"), "{reason}");
        }
    }

    #[test]
    fn texts_without_end_are_refused_and_not_shown() {
        let long = "x".repeat(200_000);
        let version = format!("1.0.0+{long}");
        let reason = checked(manifest("a", &version, vec![])).unwrap_err();
        assert_eq!(reason, "its version has 200006 characters; 64 are allowed");
        let choice = |words: Vec<String>| spec("k", SettingKind::Choice(words), None);
        let many = (0..65).map(|n| n.to_string()).collect();
        assert!(refused(vec![choice(many)]).contains("65 words"));
        for word in [long.clone(), "a\x1b[2J".to_owned()] {
            let reason = refused(vec![choice(vec![word])]);
            assert!(reason.len() < 200 && !reason.contains('\x1b'), "{reason}");
        }
        let default = SettingValue::Text(long);
        let reason = refused(vec![spec("k", SettingKind::Text, Some(default))]);
        assert!(reason.contains("more than 500 characters"), "{reason}");
    }

    #[test]
    fn settings_that_no_value_can_satisfy_are_refused() {
        assert!(refused(vec![spec("k", SettingKind::Choice(vec![]), None)]).contains("nothing"));
        let empty = SettingKind::Integer { min: 2, max: 1 };
        assert!(refused(vec![spec("k", empty, None)]).contains("allows no number"));
        let mut both = spec("k", SettingKind::Boolean, Some(SettingValue::Boolean(true)));
        both.required = true;
        assert!(refused(vec![both]).contains("one of the two is a mistake"));
    }

    #[test]
    fn tables_have_keys_as_settings_and_no_tables_in_them() {
        let tables = |keys: Vec<SettingSpec>| spec("rows", SettingKind::Tables(keys), None);
        let key = || spec("name", SettingKind::Text, None);
        checked(manifest("p", "1.0.0", vec![tables(vec![key()])])).unwrap();
        let wrong = |keys| refused(vec![tables(keys)]);
        assert!(wrong(vec![]).contains("without a key"));
        assert_eq!(
            wrong(vec![key(), key()]),
            "its setting \"rows\": it names the key \"name\" twice"
        );
        let nested = wrong(vec![
            key(),
            spec("more", SettingKind::Tables(vec![key()]), None),
        ]);
        assert!(
            nested.contains("has tables in the key \"more\""),
            "{nested}"
        );
        let empty = SettingKind::Integer { min: 2, max: 1 };
        assert_eq!(
            wrong(vec![spec("n", empty, None)]),
            "its setting \"rows\": its key \"n\" allows no number: its least is 2, its greatest 1"
        );
        let mut default = tables(vec![key()]);
        default.default = Some(SettingValue::Tables(Vec::new()));
        assert!(refused(vec![default]).contains("there is none of"));
        let label = checked(Manifest {
            abilities: Some(Abilities {
                decisions: vec![Decision::Plan],
                facts: Facts::default(),
                deterministic: false,
                stateless: false,
                labels: vec![tables(vec![key()])],
                delegates: Vec::new(),
            }),
            ..manifest("p", "1.0.0", vec![])
        });
        assert!(label.unwrap_err().contains("which a label cannot be"));
    }

    #[test]
    fn a_secret_has_no_default_and_a_default_matches_its_pattern() {
        let text = |text: &str| Some(SettingValue::Text(text.to_owned()));
        let reason = refused(vec![spec("k", SettingKind::Secret, text("hunter2"))]);
        assert!(reason.contains("everybody could read"), "{reason}");
        let kind = || SettingKind::Matching(Pattern::new("/.*").unwrap());
        let reason = refused(vec![spec("k", kind(), text("index"))]);
        let wanted = "does not allow itself: it takes a string that matches /.*";
        assert!(reason.contains(wanted), "{reason}");
        checked(manifest(
            "p",
            "1.0.0",
            vec![spec("k", kind(), text("/index"))],
        ))
        .unwrap();
    }

    #[test]
    fn delegates_have_names_of_plugins_and_are_not_the_plugin_itself() {
        let with = |delegates: &[&str]| Manifest {
            abilities: Some(Abilities {
                decisions: vec![Decision::Plan],
                facts: Facts::default(),
                deterministic: false,
                stateless: false,
                labels: Vec::new(),
                delegates: delegates.iter().map(|&it| it.to_owned()).collect(),
            }),
            ..manifest("p", "1.0.0", vec![])
        };
        let kept = checked(with(&["wrr", "lc", "wrr"])).unwrap();
        assert_eq!(kept.abilities.unwrap().delegates, ["lc", "wrr"]);
        let wrong = |delegates: &[&str]| checked(with(delegates)).unwrap_err();
        assert_eq!(wrong(&["p"]), "it names itself as a delegate");
        assert!(wrong(&["L\u{1b}C"]).starts_with("its delegate \"L"));
        assert!(wrong(&["a"; 17]).contains("17 delegates; 16 are allowed"));
    }

    #[test]
    fn labels_are_checked_as_settings_are_and_have_fewer_kinds() {
        let with = |labels: Vec<SettingSpec>| Manifest {
            abilities: Some(Abilities {
                decisions: vec![Decision::Plan],
                facts: Facts::default(),
                deterministic: false,
                stateless: false,
                labels,
                delegates: Vec::new(),
            }),
            ..manifest("p", "1.0.0", vec![])
        };
        let cpus = || spec("cpus", SettingKind::Integer { min: 1, max: 64 }, None);
        checked(with(vec![cpus()])).unwrap();
        let twice = checked(with(vec![cpus(), cpus()])).unwrap_err();
        assert_eq!(twice, "it names the label \"cpus\" twice");
        for kind in [
            SettingKind::TextList,
            SettingKind::DURATION,
            SettingKind::Secret,
            SettingKind::File,
        ] {
            let reason = checked(with(vec![spec("k", kind, None)])).unwrap_err();
            assert!(reason.contains("which a label cannot be"), "{reason}");
        }
    }
}
