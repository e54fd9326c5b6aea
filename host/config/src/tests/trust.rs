//! `[plugins]`.

use std::path::PathBuf;

use super::fixture::{model, report};
use crate::parse;
use evenkeel_core::model::{PluginTrust, TrustedKey};

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

/// Of a file in /etc/evenkeel.
fn trust(text: &str) -> PluginTrust {
    let parsed = parse("/etc/evenkeel/lb.toml", text);
    parsed.daemon().plugin_trust.clone()
}

#[test]
fn keys_are_given_as_such_or_as_files_which_start_from_the_directory_of_the_configuration() {
    assert_eq!(model("").daemon.plugin_trust, PluginTrust::default());
    let text = format!(
        "[plugins]\nrequire = \"signed\"\ntrust = [\"{KEY}\", \"ours.pub\", \"/keys/theirs.pub\"]\n"
    );
    let keys = vec![
        TrustedKey::Key(KEY.to_owned()),
        TrustedKey::File(PathBuf::from("/etc/evenkeel/ours.pub")),
        TrustedKey::File(PathBuf::from("/keys/theirs.pub")),
    ];
    let expected = PluginTrust {
        keys,
        required: true,
    };
    assert_eq!(trust(&text), expected);
    let none = trust("[plugins]\nrequire = \"any\"\n");
    assert_eq!(none, PluginTrust::default());
}

#[test]
fn what_is_no_key_is_refused_in_its_place_with_what_would_be_right() {
    for (written, wanted) in [
        ("[\"RWQf6LRC\"]", "a key has 56 characters, this has 8"),
        ("[\"key\"]", "ends in .pub"),
        ("[\"\"]", "ends in .pub"),
        ("[\"minisign.key\"]", "ends in .pub"),
        ("[7]", "a public key of minisign"),
        (KEY, "expected a list"),
    ] {
        let written = if written == KEY {
            format!("\"{KEY}\"")
        } else {
            written.to_owned()
        };
        let text = format!("[plugins]\ntrust = {written}\n");
        let shown = report(&text);
        assert!(shown.contains("trust"), "{shown}");
        assert!(shown.contains(wanted), "{written}: {shown}");
    }
}

#[test]
fn where_it_is_wrong_about_what_is_required_no_plugin_is_looked_at_that_is_not_signed() {
    for text in [
        "plugins = \"signed\"\n",
        "[plugins]\nrequire = \"sined\"\n",
        "[plugins]\nrequire = true\n",
        "[plugins]\nrequire = \"signed\"\ntrust = 3\n",
    ] {
        let expected = PluginTrust {
            keys: Vec::new(),
            required: true,
        };
        assert_eq!(trust(text), expected, "{text}");
        assert!(!report(text).is_empty());
    }
}
