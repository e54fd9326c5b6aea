//! `[plugins.grants]`.

use std::path::PathBuf;

use super::fixture::{Shelf, spec};
use crate::parse;
use evenkeel_core::manifest::SettingKind;
use evenkeel_core::model::{Grant, Model};

fn resolve(text: &str) -> Result<Model, String> {
    let command = || spec("command", SettingKind::TextList, None, true);
    let path = || spec("path", SettingKind::Text, None, true);
    let shelf = Shelf::new()
        .and_checker("script", vec![command()])
        .and_checker("file", vec![path()])
        .and_checker("reach", vec![])
        .and_checker("ping", vec![]);
    let model = parse("lb.toml", text).resolve(&shelf, &shelf);
    model.map(|(model, _)| model).map_err(|it| it.render())
}

fn checked(grants: &str, check: &str) -> Result<Model, String> {
    resolve(&format!(
        "[plugins.grants]\n{grants}\n[[service]]\nname = \"web\"\nlisten = \"10.0.0.1:80\"\ncheck = {check}\nserver = [{{ address = \"10.1.0.1:80\" }}]\n"
    ))
}

const SCRIPT: &str = "{ plugin = \"script\", settings = { command = [\"/opt/check\", \"-v\"] } }";

#[test]
fn commands_files_users_and_icmp_are_granted_by_the_name_of_the_plugin() {
    let text = "script = { commands = [\"/opt/check -v\", [\"/opt/a b\"]], user = \"app\" }\nfile = { files = [\"/run/load\"] }\nreach = { icmp = true }";
    let model = checked(text, SCRIPT).unwrap();
    let grants = &model.daemon.grants;
    let words = |words: &[&str]| words.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
    let script = Grant {
        commands: vec![words(&["/opt/check", "-v"]), words(&["/opt/a b"])],
        user: Some("app".to_owned()),
        ..Grant::default()
    };
    assert_eq!(grants["script"], script);
    assert_eq!(grants["file"].files, [PathBuf::from("/run/load")]);
    assert!(grants["reach"].icmp && grants["ping"].icmp && grants["udp"].icmp);
}

#[test]
fn a_command_that_is_not_granted_word_by_word_is_refused_with_the_line_to_add() {
    for (grants, line) in [
        ("", "script = { commands = [[\"/opt/check\", \"-v\"]] }"),
        (
            "script = { commands = [\"/opt/check\"], user = \"app\" }",
            "script = { commands = [[\"/opt/check\"], [\"/opt/check\", \"-v\"]], user = \"app\" }",
        ),
        (
            "other = { commands = [\"/opt/check -v\"] }",
            "script = { commands = [[\"/opt/check\", \"-v\"]] }",
        ),
    ] {
        let shown = checked(grants, SCRIPT).unwrap_err();
        let message = "plugin script is not granted this command";
        assert!(shown.contains(message), "{shown}");
        assert!(shown.contains("[plugins.grants]"), "{shown}");
        assert!(shown.contains(line), "{shown}");
        assert!(
            shown.starts_with("error: lb.toml:") || shown.contains("lb.toml:"),
            "{shown}"
        );
        let added = checked(line, SCRIPT);
        added.unwrap();
    }
    let relative = SCRIPT.replace("/opt/", "");
    let shown = checked("", &relative).unwrap_err();
    assert!(shown.contains("the whole path of its program"), "{shown}");
}

#[test]
fn a_file_that_is_not_granted_is_refused_with_the_line_to_add() {
    let check = "{ plugin = \"file\", settings = { path = \"/run/load\" } }";
    let shown = checked("", check).unwrap_err();
    let line = "file = { files = [\"/run/load\"] }";
    assert!(shown.contains(line), "{shown}");
    checked(line, check).unwrap();
}

#[test]
fn icmp_is_granted_to_ping_unless_the_file_says_no_and_to_others_if_it_says_so() {
    checked("", "\"ping\"").unwrap();
    let shown = checked("ping = { icmp = false }", "\"ping\"").unwrap_err();
    assert!(
        shown.contains("plugin ping sends ICMP, which is not granted"),
        "{shown}"
    );
    let shown = checked("", "\"reach\"").unwrap_err();
    let line = "reach = { icmp = true }";
    assert!(shown.contains(line), "{shown}");
    checked(line, "\"reach\"").unwrap();
}

#[test]
fn what_is_wrong_in_the_grants_is_told_alone() {
    for (grants, wanted) in [
        (
            "script = { command = [\"/opt/check -v\"] }",
            "did you mean commands?",
        ),
        (
            "script = { commands = \"/opt/check -v\" }",
            "expected a list",
        ),
        ("script = true", "expected a table"),
        ("Script = { icmp = true }", "write \"script\""),
        ("script = { user = \"\" }", "1 to 64 characters"),
    ] {
        let shown = checked(grants, SCRIPT).unwrap_err();
        assert!(shown.contains(wanted), "{grants}: {shown}");
        if !grants.contains("command =") {
            assert!(!shown.contains("not granted"), "{grants}: {shown}");
        }
    }
}
