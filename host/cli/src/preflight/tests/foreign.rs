//! Rules of other programs.

use evenkeel_core::model::DataPlaneKind;
use evenkeel_dataplane::nftables::machine::{foreign_rules, parse};

use super::*;

/// Where all is well but for these objects in the ruleset, as `nft -j` prints them.
fn with(objects: &str) -> Facts {
    let ruleset = parse(&format!("{{\"nftables\": [{objects}]}}")).unwrap();
    Facts {
        foreign_rules: foreign_rules(&ruleset, "evenkeel"),
        ..director()
    }
}

/// A base chain at the forward hook of tables of this family, and a rule in it.
fn forward(family: &str, policy: &str, rule: &str) -> Facts {
    let of = format!("\"family\": \"{family}\", \"table\": \"filter\"");
    with(&format!(
        "{{\"chain\": {{{of}, \"name\": \"forward\", \"type\": \"filter\", \"hook\": \"forward\", \"prio\": 0, \"policy\": \"{policy}\"}}}},
         {{\"rule\": {{{of}, \"chain\": \"forward\", \"expr\": [{rule}]}}}}"
    ))
}

const DROP: &str = r#"{"drop": null}"#;
const MARK: &str = r#"{"mangle": {"key": {"ct": {"key": "mark"}}, "value": 7}}"#;

#[test]
fn what_drops_forwarded_packets_is_a_warning_with_what_to_accept() {
    for facts in [
        forward("ip", "drop", MARK.replace("ct", "meta").as_str()),
        forward("inet", "accept", DROP),
    ] {
        let words = ["filter, chain forward", "ct status dnat accept"];
        assert_only(&article(), &facts, Level::Warning, &words);
    }
    let mut ipvs = article();
    ipvs.dataplane.kind = DataPlaneKind::Ipvs;
    let words = ["table ip filter", "goes to real servers"];
    let facts = forward("ip", "drop", DROP);
    let amiss = amiss(&ipvs, &facts);
    assert!(amiss.iter().any(|(level, text)| {
        *level == Level::Warning && words.iter().all(|word| text.contains(word))
    }));
}

#[test]
fn what_drops_the_other_ip_version_is_none_of_ours() {
    for family in ["ip6", "bridge"] {
        assert_eq!(amiss(&article(), &forward(family, "drop", DROP)), []);
    }
}

#[test]
fn whoever_else_sets_the_connection_mark_is_named() {
    let facts = forward("ip", "accept", MARK);
    let words = ["table ip filter, chain forward", "connection mark"];
    assert_only(&article(), &facts, Level::Warning, &words);
}

#[test]
fn a_table_with_our_name_that_is_not_ours_is_named() {
    let facts = with(r#"{"table": {"family": "inet", "name": "evenkeel"}}"#);
    let words = ["table inet evenkeel", "replaced", "`table`"];
    assert_only(&article(), &facts, Level::Warning, &words);
}
