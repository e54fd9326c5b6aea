//! Settings that are secrets or match a pattern, and labels that a scheduler declares.

use super::fixture::{Shelf, spec};
use crate::parse;
use evenkeel_core::manifest::{Setting, SettingKind, SettingSpec, SettingValue};
use evenkeel_core::model::Model;
use evenkeel_core::pattern::Pattern;

fn shelf() -> Shelf {
    let pattern = Pattern::new("/[a-z]*").unwrap();
    let cpus = SettingKind::Integer { min: 1, max: 64 };
    let sites = vec!["north".to_owned(), "south".to_owned()];
    let mut shelf = Shelf::new()
        .and_checker(
            "api",
            vec![
                spec("token", SettingKind::Secret, None, false),
                spec("path", SettingKind::Matching(pattern), None, false),
                spec("ca", SettingKind::File, None, false),
                spec("steps", SettingKind::Tables(step()), None, false),
            ],
        )
        .and_scheduler(
            "sites",
            vec![
                spec("site", SettingKind::Choice(sites), None, true),
                spec("cpus", cpus, Some(SettingValue::Integer(1)), false),
            ],
        );
    shelf.secrets = [
        ("file /etc/tokens/api", "zq7xv9wk"),
        ("credential api", "of systemd"),
    ]
    .into();
    shelf
}

/// The keys of a table.
fn step() -> Vec<SettingSpec> {
    let times = SettingKind::Integer { min: 1, max: 9 };
    vec![
        spec("send", SettingKind::Text, None, true),
        spec("times", times, Some(SettingValue::Integer(1)), false),
        spec("token", SettingKind::Secret, None, false),
    ]
}

fn service(scheduler: &str, check: &str, server: &str) -> String {
    format!(
        "[[service]]\nname = \"web\"\nlisten = \"10.0.0.1:80\"\nscheduler = \"{scheduler}\"\ncheck = {check}\n\
         [[service.server]]\naddress = \"10.0.1.1:80\"\n{server}\n"
    )
}

fn resolve(text: &str) -> Result<Model, String> {
    let shelf = shelf();
    let resolved = parse("/etc/lb.toml", text).resolve(&shelf, &shelf);
    resolved
        .map(|(model, _)| model)
        .map_err(|report| report.render())
}

fn check(settings: &str) -> Result<Model, String> {
    let check = format!("{{ plugin = \"api\", settings = {{ {settings} }} }}");
    resolve(&service("rr", &check, ""))
}

fn labels(labels: &str) -> Result<Model, String> {
    resolve(&service(
        "sites",
        "\"none\"",
        &format!("labels = {{ {labels} }}"),
    ))
}

#[test]
fn a_secret_comes_from_a_file_or_a_credential_and_is_in_no_text_of_the_model() {
    for (token, wanted) in [
        ("{ file = \"tokens/api\" }", "zq7xv9wk"),
        ("{ file = \"/etc/tokens/api\" }", "zq7xv9wk"),
        ("{ credential = \"api\" }", "of systemd"),
    ] {
        let model = check(&format!("token = {token}")).unwrap();
        let setting = &model.services[0].servers[0].checks[0].plugin.settings[0];
        let SettingValue::Secret(secret) = &setting.value else {
            panic!("{setting:?}");
        };
        assert_eq!(secret.expose(), wanted);
        let text = format!("{model:?}");
        assert!(!text.contains(wanted), "{text}");
    }
}

#[test]
fn a_secret_in_the_configuration_itself_is_refused_and_not_shown() {
    for token in [
        "\"zq7xv9wk\"",
        "'zq7xv9wk'",
        "[\"zq7xv9wk\"]",
        "{ value = \"zq7xv9wk\" }",
        "{ file = \"/a\", value = \"zq7xv9wk\" }",
    ] {
        let error = check(&format!("token = {token}")).unwrap_err();
        assert!(
            !error.contains("zq7x") && !error.contains("v9wk"),
            "{error}"
        );
        assert!(error.contains("/etc/lb.toml:5:"), "{error}");
    }
    let error = check("token = \"zq7xv9wk\"").unwrap_err();
    assert!(
        error.contains("a secret does not stand in the configuration"),
        "{error}"
    );
    assert!(
        error.contains("token = { file = \"/etc/evenkeel/token\" }"),
        "{error}"
    );
    assert!(error.contains("token = ***"), "{error}");
}

#[test]
fn a_secret_that_cannot_be_had_is_an_error_with_its_place() {
    let error = check("token = { file = \"/etc/other\" }").unwrap_err();
    assert!(
        error.contains("token: file /etc/other: No such file"),
        "{error}"
    );
    let error = check("token = { credential = \"../shadow\" }").unwrap_err();
    assert!(error.contains("LoadCredential=NAME:FILE"), "{error}");
    let error = check("token = { fil = \"/etc/tokens/api\" }").unwrap_err();
    assert!(error.contains("did you mean file?"), "{error}");
}

#[test]
fn a_file_is_its_content_and_one_that_cannot_be_had_is_an_error_with_its_place() {
    for path in ["ca.pem", "/etc/ca.pem"] {
        let model = check(&format!("ca = \"{path}\"")).unwrap();
        let setting = &model.services[0].servers[0].checks[0].plugin.settings[0];
        assert_eq!(
            setting.value,
            SettingValue::Text("of an authority".to_owned())
        );
    }
    let error = check("ca = \"/etc/other\"").unwrap_err();
    assert!(
        error.contains("ca = \"/etc/other\": No such file"),
        "{error}"
    );
    let error = check("ca = [1]").unwrap_err();
    assert!(error.contains("expected a path"), "{error}");
}

#[test]
fn a_text_matches_its_pattern_as_a_whole() {
    let model = check("path = \"/health\"").unwrap();
    let setting = &model.services[0].servers[0].checks[0].plugin.settings[0];
    assert_eq!(setting.value, SettingValue::Text("/health".to_owned()));
    for wrong in ["health", "/health?x", ""] {
        let error = check(&format!("path = \"{wrong}\"")).unwrap_err();
        assert!(
            error.contains("expected a string that matches /[a-z]*"),
            "{error}"
        );
    }
    let error = check("path = 7").unwrap_err();
    assert!(error.contains("write it in quotes"), "{error}");
}

#[test]
fn labels_that_a_scheduler_declares_are_checked_as_settings_are() {
    let model = labels("site = \"north\", cpus = \"8\", rack = \"7\"").unwrap();
    assert_eq!(model.services[0].servers[0].labels["cpus"], "8");
    for (written, wanted) in [
        ("cpus = \"8\"", "scheduler sites needs the label site"),
        (
            "site = \"east\"",
            "labels.site = \"east\": expected one of \"north\", \"south\"",
        ),
        (
            "site = \"north\", cpus = \"many\"",
            "labels.cpus = \"many\": expected a whole number from 1 to 64",
        ),
        (
            "site = \"north\", cpus = \"65\"",
            "labels.cpus = \"65\": not a whole number from 1 to 64",
        ),
        ("site = \"north\", cpu = \"8\"", "did you mean cpus?"),
        ("sit = \"north\"", "did you mean site?"),
    ] {
        let error = labels(written).unwrap_err();
        assert!(error.contains(wanted), "{written}: {error}");
        assert!(error.contains("/etc/lb.toml:"), "{error}");
    }
}

#[test]
fn labels_that_only_a_shadow_declares_are_checked_and_are_no_slips_of_the_first_ones() {
    let service = |labels: &str| {
        let scheduler = "scheduler = { plugin = \"rr\", shadow = \"sites\" }";
        let text = service("rr", "\"none\"", &format!("labels = {{ {labels} }}"));
        resolve(&text.replace("scheduler = \"rr\"", scheduler))
    };
    assert!(service("site = \"north\"").is_ok());
    let error = service("cpus = \"8\"").unwrap_err();
    assert!(
        error.contains("scheduler sites needs the label site"),
        "{error}"
    );
}

#[test]
fn labels_are_free_where_the_scheduler_declares_none_or_nothing_like_them() {
    assert!(labels("site = \"north\", cpus = \"8\", cpu = \"fast\", owner = \"me\"").is_ok());
    assert!(resolve(&service("rr", "\"none\"", "labels = { sit = \"x\" }")).is_ok());
}

#[test]
fn a_list_of_tables_is_read_key_by_key_with_defaults_and_secrets() {
    let steps =
        "steps = [{ send = \"a\", token = { credential = \"api\" } }, { times = 3, send = \"b\" }]";
    let model = check(steps).unwrap();
    let setting = &model.services[0].servers[0].checks[0].plugin.settings[0];
    let SettingValue::Tables(tables) = &setting.value else {
        panic!("{setting:?}");
    };
    let shown = |table: &Vec<Setting>| {
        let entries = table.iter();
        entries
            .map(|it| format!("{} {:?}", it.key, it.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        shown(&tables[0]),
        [
            "send Text(\"a\")",
            "times Integer(1)",
            "token Secret(Secret(...))"
        ]
    );
    assert_eq!(shown(&tables[1]), ["send Text(\"b\")", "times Integer(3)"]);
    assert!(check("steps = []").is_ok());
}

#[test]
fn what_is_wrong_in_a_table_is_told_with_its_place_and_all_of_it() {
    for (steps, wanted) in [
        ("{ send = \"a\" }", "write one alone as [{ ... }]"),
        (
            "[\"a\"]",
            "expected a list of tables with send, times, token",
        ),
        (
            "[{ times = 2 }]",
            "a table of plugin api's steps needs the key send",
        ),
        (
            "[{ send = \"a\", sned = 1 }]",
            "a table of plugin api's steps has no key sned",
        ),
        (
            "[{ send = \"a\", times = 10 }]",
            "times = 10: not a whole number from 1 to 9",
        ),
        (
            "[{ send = \"a\", times = [2] }]",
            "expected a whole number from 1 to 9",
        ),
    ] {
        let error = check(&format!("steps = {steps}")).unwrap_err();
        assert!(error.contains(wanted), "{steps}: {error}");
        assert!(error.contains("/etc/lb.toml:5:"), "{error}");
    }
    let error = check("steps = [{ send = 1 }, { send = \"a\", time = 2 }]").unwrap_err();
    assert!(error.contains("send = 1: expected a string"), "{error}");
    assert!(error.contains("did you mean times?"), "{error}");
    let many = vec!["{ send = \"a\" }"; 1025].join(", ");
    let error = check(&format!("steps = [{many}]")).unwrap_err();
    assert!(error.contains("1025 tables; 1024 are allowed"), "{error}");
    let error = check("steps = [{ send = \"a\", token = \"zq7xv9wk\" }]").unwrap_err();
    assert!(!error.contains("zq7x"), "{error}");
}
