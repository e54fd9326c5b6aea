//! `MISC_CHECK` and `FILE_CHECK`, and the grants that they are.

use std::path::PathBuf;
use std::time::Duration;

use super::fixture::{model, note, notes, translated};
use crate::Translation;
use evenkeel_core::manifest::SettingValue;
use evenkeel_core::model::{Check, Model};

fn file(checks: &[&str]) -> Translation {
    let servers = (1..)
        .zip(checks)
        .map(|(n, check)| format!("real_server 10.0.0.{n} 80 {{\n weight 10\n {check}\n }}\n"));
    translated(&format!(
        "track_file load {{\n file /run/load\n weight 0\n}}\nvirtual_server 192.0.2.1 80 {{\n protocol TCP\n lb_algo rr\n delay_loop 7\n {}}}\n",
        servers.collect::<String>()
    ))
}

fn check(model: &Model, n: usize) -> &Check {
    &model.services[0].servers[n].checks[0]
}

fn setting(check: &Check, key: &str) -> Option<SettingValue> {
    let settings = &check.plugin.settings;
    let found = settings.iter().find(|it| it.key == key);
    found.map(|it| it.value.clone())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&it| it.to_owned()).collect()
}

#[test]
fn a_command_becomes_a_check_and_the_grant_for_exactly_that_command() {
    let found = file(&[
        "MISC_CHECK {\n misc_path \"/bin/check -v 'a b'\"\n misc_timeout 3\n user app\n }",
        "MISC_CHECK {\n misc_path \"/bin/check | grep x\"\n }",
        "MISC_CHECK {\n misc_path check\n user app\n }",
    ]);
    let model = model(&found);
    let first = check(&model, 0);
    let command = words(&["/bin/check", "-v", "a b"]);
    assert_eq!(
        setting(first, "command"),
        Some(SettingValue::TextList(command.clone()))
    );
    let times = &first.timing;
    let shown = (times.interval, times.timeout, times.retries);
    assert_eq!(shown, (Duration::from_secs(7), Duration::from_secs(3), 0));
    assert_eq!(check(&model, 1).timing.timeout, Duration::from_secs(7));
    let grant = &model.daemon.grants["script"];
    let shell = words(&["/bin/sh", "-c", "/bin/check | grep x"]);
    let env = words(&["/usr/bin/env", "check"]);
    assert_eq!(grant.commands, [command, shell, env]);
    assert_eq!(grant.user.as_deref(), Some("app"));
    assert!(note(&found, "needs a shell").starts_with("k.conf:"));
    assert!(note(&found, "/usr/bin/env").starts_with("k.conf:"));
}

#[test]
fn a_command_without_a_user_runs_as_nobody_which_is_said_and_a_second_user_is_listed() {
    let found = file(&["MISC_CHECK {\n misc_path /bin/check\n }"]);
    assert!(note(&found, "runs as nobody").contains("MISC_CHECK: carried over, but"));
    assert_eq!(model(&found).daemon.grants["script"].user, None);
    let of = |user: &str| format!("MISC_CHECK {{\n misc_path /bin/check\n user {user}\n }}");
    let found = file(&[&of("a"), &of("b")]);
    assert!(
        note(&found, "one user, a").contains("user: not carried over"),
        "{:?}",
        notes(&found)
    );
    assert_eq!(model(&found).daemon.grants["script"].commands.len(), 1);
}

#[test]
fn a_dynamic_weight_is_a_part_of_the_servers() {
    let found = file(&["MISC_CHECK {\n misc_path /bin/check\n misc_dynamic\n user app\n }"]);
    let model = model(&found);
    let check = check(&model, 0);
    assert_eq!(
        setting(check, "dynamic-weight"),
        Some(SettingValue::Boolean(true))
    );
    assert_eq!(
        setting(check, "full-weight"),
        Some(SettingValue::Integer(10))
    );
    assert!(note(&found, "raise weight").contains("MISC_CHECK"));
}

#[test]
fn a_file_becomes_a_check_and_the_grant_for_exactly_that_file() {
    let found = file(&[
        "FILE_CHECK {\n track_file load\n }",
        "FILE_CHECK {\n track_file load\n weight 2 reverse\n }",
    ]);
    let model = model(&found);
    let grant = &model.daemon.grants["file"];
    assert_eq!(grant.files, [PathBuf::from("/run/load")]);
    assert_eq!(check(&model, 0).timing.interval, Duration::from_secs(1));
    assert_eq!(setting(check(&model, 0), "means"), None);
    let second = check(&model, 1);
    for (key, number) in [("factor", -2), ("base", 10), ("full-weight", 10)] {
        assert_eq!(
            setting(second, key),
            Some(SettingValue::Integer(number)),
            "{key}"
        );
    }
    let missing = file(&["FILE_CHECK {\n track_file other\n }"]);
    assert!(note(&missing, "there is no track_file other").contains("error"));
}
