//! Whatever the file holds: no panic, places that exist, TOML that can be read.

use proptest::prelude::*;

use super::every_keyword::EVERYTHING;
use super::fixture::Shipped;
use crate::{Included, Translation, is_keepalived, translate};
use evenkeel_config::{AnyMachine, parse_translated};

const MASTER: &str = include_str!("master.conf");

/// Translates, and resolves what comes of it.
fn read(bytes: &[u8]) -> Translation {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let last = text.split('\n').count();
    let _ = is_keepalived("k.conf", bytes);
    // A file that includes others is among them.
    let mut load = |pattern: &str, _: &str| {
        let contents = if pattern.len().is_multiple_of(2) {
            Ok(bytes.to_vec())
        } else {
            Err("gone".to_owned())
        };
        Ok(vec![Included {
            name: pattern.to_owned(),
            contents,
        }])
    };
    let found = translate("k.conf", bytes, Some("main"), &mut load);
    for note in &found.notes {
        let shown = note.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!((1..=last).contains(&note.line), "{shown}");
    }
    assert_eq!(found.toml.lines().count(), found.origin.len());
    for (_, line) in found.origin.iter().flatten() {
        assert!((1..=last).contains(line));
    }
    let parsed = parse_translated("k.conf", &found.toml, found.origin.clone());
    if let Err(report) = parsed.resolve(&Shipped::new(), &AnyMachine) {
        for error in report.errors() {
            assert!(!error.render().is_empty());
        }
    }
    found
}

/// The TOML must be TOML, whatever its values are. What repeats an option in one line is the exception: keepalived
/// refuses it too.
fn is_toml(found: &Translation) {
    if let Err(error) = found.toml.parse::<toml::Table>() {
        let message = error.message();
        assert!(message.contains("duplicate key"), "{error}\n{}", found.toml);
    }
}

fn mutate(text: &str, changes: &[(f64, usize, String)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, length, with) in changes {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the place is from 0 to 1 of a short text's length"
        )]
        let at = (place * bytes.len() as f64) as usize;
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, with.bytes());
    }
    bytes
}

fn snippet() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[{}\"'#!$@~\\\\\n\r\t 0-9a-z./:_=()-]{0,12}",
        proptest::sample::select(EVERYTHING.lines().collect::<Vec<_>>())
            .prop_map(|line| format!("\n{line}\n")),
        Just("$A=${A}x\n${A}\n".to_owned()),
        Just("\ninclude ab\n".to_owned()),
        Just("\u{a0}".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        is_toml(&read(&bytes));
    }

    #[test]
    fn any_text_of_keepaliveds_characters_is_read_without_a_panic(
        text in "(\\{|\\}|\"|'|#|!|\\$|@|~|\\\\|\n|\r|\t| |\u{a0}|\\.|:|/|=|[0-9a-f]|vrrp_instance|virtual_server|real_server|TCP_CHECK|virtual_ipaddress|include|SEQ\\(|é){0,120}"
    ) {
        is_toml(&read(text.as_bytes()));
    }

    #[test]
    fn a_damaged_file_is_read_without_a_panic(
        changes in proptest::collection::vec((0.0..1.0_f64, 0_usize..20, snippet()), 1..4)
    ) {
        is_toml(&read(&mutate(MASTER, &changes)));
        is_toml(&read(&mutate(EVERYTHING, &changes)));
    }
}

#[test]
fn a_file_cut_off_anywhere_is_read_without_a_panic() {
    for end in 0..=MASTER.len() {
        read(&MASTER.as_bytes()[..end]);
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_the_end() {
    let found = read("a {\n".repeat(20_000).as_bytes());
    assert!(found.has_errors());
    assert!(read("}".repeat(20_000).as_bytes()).has_errors());
}

#[test]
fn ten_thousand_services_are_translated() {
    let mut text = String::new();
    for n in 0..10_000 {
        let (a, b) = (n / 250, n % 250 + 1);
        text.push_str(&format!(
            "virtual_server 10.{a}.0.{b} 80 {{\n protocol TCP\n lb_algo wrr\n real_server 172.16.{a}.{b} 80 {{\n weight 2\n TCP_CHECK {{\n }}\n }}\n}}\n"
        ));
    }
    let found = read(text.as_bytes());
    assert!(found.notes.is_empty());
    assert_eq!(found.toml.matches("[[service]]").count(), 10_000);
}
