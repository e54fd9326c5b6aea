use super::*;

/// What nft 1.0.6 prints of our table, among those of other programs.
const RULESET: &str = include_str!("ruleset.json");

/// What is found: table, chain, effect.
fn found(json: &str, table: &str) -> Vec<(String, ForeignEffect)> {
    let rules = foreign_rules(&parse(json).unwrap(), table);
    rules
        .iter()
        .map(|rule| (rule.to_string(), rule.effect))
        .collect()
}

#[test]
fn what_gets_in_the_way_is_found_and_nothing_else() {
    use ForeignEffect::{ConnectionMark, ForwardDrop, ForwardPolicy};
    let expected = [
        ("table ip filter, chain FORWARD", ForwardPolicy),
        ("table inet firewall, chain forward_rest", ForwardDrop),
        ("table inet vpn, chain marking", ConnectionMark),
        ("table ip mangle, chain PREROUTING", ConnectionMark),
    ];
    let expected = expected.map(|(what, effect)| (what.to_owned(), effect));
    assert_eq!(found(RULESET, "evenkeel"), expected);
}

#[test]
fn a_table_of_our_name_that_is_not_ours_is_found() {
    let name = |table| {
        let found = found(RULESET, table);
        found
            .iter()
            .any(|(_, effect)| *effect == ForeignEffect::TableName)
    };
    assert!(name("vpn") && name("firewall"));
    // That of another family is no trouble.
    assert!(!name("mangle") && !name("evenkeel") && !name("nosuch"));
}

#[test]
fn our_own_table_under_another_name_shows_as_one_that_sets_the_mark() {
    let found = found(RULESET, "other");
    let ours = |(what, effect): &&(String, ForeignEffect)| {
        what.starts_with("table inet evenkeel") && *effect == ForeignEffect::ConnectionMark
    };
    assert!(found.iter().any(|it| ours(&it)), "{found:?}");
}

#[test]
fn which_ip_version_is_concerned_is_the_family_s() {
    let rules = foreign_rules(&parse(RULESET).unwrap(), "evenkeel");
    let sees: Vec<_> = rules
        .iter()
        .map(|it| (it.sees(true), it.sees(false)))
        .collect();
    assert_eq!(
        sees,
        [(true, false), (true, true), (true, true), (true, false)]
    );
}

#[test]
fn what_is_not_known_is_left_out_and_what_is_no_ruleset_is_an_error() {
    let odd = r#"{"nftables": [
        {"metainfo": {"version": "9", "json_schema_version": 1}},
        {"tunnel": {"family": "ip", "name": "x"}},
        {"chain": {"family": "ip", "table": "t", "name": "f", "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
        {"rule": {"family": "ip", "table": "t", "chain": "f", "handle": 2, "expr": [{"never heard": 1}, {"drop": null}]}}
    ]}"#;
    let expected = [(
        "table ip t, chain f".to_owned(),
        ForeignEffect::ForwardPolicy,
    )];
    assert_eq!(found(odd, "evenkeel"), expected);
    assert_eq!(found(r#"{"nftables": []}"#, "evenkeel"), []);
    for bad in ["", "[]", "{}", r#"{"nftables": 3}"#] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn chains_that_jump_to_each_other_end() {
    let json = r#"{"nftables": [
        {"chain": {"family": "ip", "table": "t", "name": "f", "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}},
        {"chain": {"family": "ip", "table": "t", "name": "g"}},
        {"rule": {"family": "ip", "table": "t", "chain": "f", "expr": [{"goto": {"target": "g"}}]}},
        {"rule": {"family": "ip", "table": "t", "chain": "g", "expr": [{"jump": {"target": "f"}}]}}
    ]}"#;
    assert_eq!(found(json, "evenkeel"), []);
}
