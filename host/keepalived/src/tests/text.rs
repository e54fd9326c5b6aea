//! The text as such: words, braces, comments, files.

use super::fixture::{model, note, notes, translated, with_files};
use crate::Kind;

/// An instance with one more line in it.
fn instance(more: &str) -> String {
    format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n  192.0.2.1\n }}\n {more}\n}}\n"
    )
}

#[test]
fn a_block_may_begin_on_the_next_line_or_stand_on_one() {
    let text = "vrrp_instance A\n{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress { 192.0.2.1 }\n}";
    assert_eq!(model(&translated(text)).vrrp.instances.len(), 1);
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_are_passed_over() {
    let found = translated(&format!("\u{feff}{}", instance("").replace('\n', "\r\n")));
    assert_eq!(model(&found).vrrp.instances[0].interface, "eth0");
    assert!(note(&found, "U+FEFF").starts_with("k.conf:1: warning"));
}

#[test]
fn other_spaces_than_plain_ones_are_said_once() {
    let found = translated(&instance("priority\u{3000}90\u{2009}"));
    assert_eq!(model(&found).vrrp.instances[0].priority, 90);
    assert!(note(&found, "U+3000").starts_with("k.conf:7: warning: spaces"));
}

#[test]
fn comments_begin_anywhere_but_in_quotes() {
    let found = translated(&instance("notify \"/bin/x #1 !2\" ! why\n priority 90#so"));
    let model = model(&found);
    assert_eq!(model.vrrp.instances[0].notify.any, ["/bin/x", "#1", "!2"]);
    assert_eq!(model.vrrp.instances[0].priority, 90);
    assert!(found.toml.contains("priority = 90 # so"), "{}", found.toml);
    assert!(found.toml.contains("# why"));
}

#[test]
fn comments_before_a_statement_and_at_the_end_of_a_block_stay_there() {
    let found = translated(&format!(
        "# first\n{}# last\n",
        instance("# before\n priority 90\n # end")
    ));
    let at = |part: &str| {
        found
            .toml
            .find(part)
            .unwrap_or_else(|| panic!("{part}: {}", found.toml))
    };
    assert!(at("# first") < at("[[vrrp]]"));
    assert!(at("# before\npriority = 90") < at("# end"));
    assert!(at("# end") < at("# last"));
}

#[test]
fn a_block_that_is_not_closed_is_reported_where_it_began() {
    let text = "vrrp_instance A {\n interface eth0\n authentication {\n auth_type PASS\n\nvrrp_instance B {\n}\n";
    let found = translated(text);
    assert_eq!(
        note(&found, "k.conf:3: authentication: error"),
        "k.conf:3: authentication: error: the block that begins here is not closed before vrrp_instance at k.conf:6: a } is missing"
    );
    assert!(note(&found, "k.conf:1: vrrp_instance: error: the block").contains("k.conf:6"));
    let found = translated("global_defs {\n router_id a\n");
    let said = note(&found, "not closed");
    assert_eq!(
        said,
        "k.conf:1: global_defs: error: the block that begins here is not closed: a } is missing"
    );
}

#[test]
fn a_brace_too_many_and_a_quote_without_end_are_errors() {
    assert!(
        note(&translated("global_defs {\n}\n}\n"), "too many").starts_with("k.conf:3: }: error")
    );
    assert!(
        note(&translated("global_defs {\n router_id \"a\n}\n"), "quoted")
            .starts_with("k.conf:2: error")
    );
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_said() {
    let mut load = |_: &str, _: &str| Ok(vec![]);
    let found = crate::translate(
        "k.conf",
        b"# \xd6\xf7\nvrrp_script a { # \xff\n script /bin/a\n}\n",
        None,
        &mut load,
    );
    assert!(!found.has_errors());
    assert!(note(&found, "not UTF-8").starts_with("k.conf:1: warning"));
    assert!(found.toml.contains("/bin/a"));
}

#[test]
fn included_files_are_read_in_their_place_and_named() {
    let text = "vrrp_instance A {\n include inner.conf\n virtual_ipaddress {\n 192.0.2.1\n}\n}\ninclude none*\n";
    let inner = "interface eth0\nvirtual_router_id 300\nsmtp_alert\n";
    let found = with_files(text, &[("inner.conf", inner)]);
    assert!(note(&found, "smtp_alert").starts_with("inner.conf:3: "));
    assert!(note(&found, "no such file").starts_with("k.conf:7: include: warning: none*"));
    let wrong = super::fixture::resolved(found).unwrap_err().render();
    assert!(
        wrong.starts_with("inner.conf:2: router_id = 300"),
        "{wrong}"
    );
}

#[test]
fn files_that_include_each_other_are_an_error() {
    let files = [("a", "include b\n"), ("b", "include a\n")];
    let found = with_files("include a\n", &files);
    assert!(note(&found, "circle").starts_with("b:1: include: error: a "));
}

#[test]
fn parameters_are_put_in() {
    let text = "$BASE=192.0.${NET}\n$NET=2\n$IF=eth0\nvrrp_instance A {\n interface $IF\n virtual_router_id 1\n virtual_ipaddress {\n ${BASE}.7/24\n $NET=9\n ${BASE}.7/24\n }\n notify \"/bin/x $HOME\"\n}\n";
    let model = model(&translated(text));
    let addresses = &model.vrrp.instances[0].addresses;
    let shown: Vec<String> = addresses.iter().map(|a| a.addr.to_string()).collect();
    assert_eq!(shown, ["192.0.2.7", "192.0.9.7"]);
    assert_eq!(model.vrrp.instances[0].notify.any, ["/bin/x", "$HOME"]);
}

#[test]
fn definitions_of_several_lines_make_several_lines() {
    let text = "$I= \\\nvrrp_instance A${N} { \\\n interface eth${N} \\\n @main priority 90 \\\n @other priority 50 \\\n virtual_router_id 1 \\\n virtual_ipaddress { \\\n 192.0.2.${N} \\\n } \\\n}\n$N=1\n$I\n$N=2\n$I\n";
    let found = model(&translated(text));
    let shown: Vec<_> = found
        .vrrp
        .instances
        .iter()
        .map(|i| (i.name.as_str(), i.interface.as_str(), i.priority))
        .collect();
    assert_eq!(shown, [("A1", "eth1", 90), ("A2", "eth2", 90)]);
}

#[test]
fn parameters_that_go_round_in_a_circle_are_an_error_and_not_the_end() {
    let found = translated("$A=${B}\n$B=${A}${A}\n${A}\n");
    assert!(note(&found, "circle").starts_with("k.conf:3: $: error"));
    // Each line doubles the one before.
    let mut text = "$A0= \\\nx \\\ny\n".to_owned();
    for n in 1..40 {
        text.push_str(&format!("$A{n}= \\\n$A{} \\\n$A{}\n", n - 1, n - 1));
    }
    text.push_str("$A39\n");
    assert!(translated(&text).has_errors());
}

#[test]
fn sequences_and_lists_repeat_their_line() {
    let lines = "virtual_ipaddress_excluded {\n~SEQ(A, 1, 2, 5) 10.0.0.${A}\n~LST({A,B}, {7,8},{9,10}) 10.1.${A}.${B}\n~SEQx(A, 0x1f, -1, 0x1e) fe80::${A}\n}";
    let model = model(&translated(&instance(lines)));
    let shown: Vec<String> = model.vrrp.instances[0]
        .addresses
        .iter()
        .skip(1)
        .map(|a| a.addr.to_string())
        .collect();
    assert_eq!(
        shown,
        [
            "10.0.0.1",
            "10.0.0.3",
            "10.0.0.5",
            "10.1.7.8",
            "10.1.9.10",
            "fe80::1f",
            "fe80::1e"
        ]
    );
    assert!(note(&translated("~SEQ(A, 1, 0, 5) x\n"), "~SEQ").contains("not understood"));
}

#[test]
fn conditional_lines_are_compared_with_the_directors_name() {
    let found = translated(&instance(
        "@main priority 90\n @^main priority 80\n @backup priority 70",
    ));
    assert_eq!(model(&found).vrrp.instances[0].priority, 90);
    assert!(note(&found, "@^main").starts_with("k.conf:8: @^main: not carried over"));
    assert!(note(&found, "@backup").contains("this one is main"));
}

#[test]
fn what_follows_a_statement_on_its_line_is_listed() {
    let found = translated(&instance("priority 90 advert_int 2"));
    assert_eq!(model(&found).vrrp.instances[0].priority, 90);
    assert!(note(&found, "advert_int").starts_with("k.conf:7: priority: not carried over"));
}

#[test]
fn an_unknown_keyword_is_listed_with_what_was_probably_meant() {
    let found = translated(&instance("priorty 90"));
    assert_eq!(
        note(&found, "priorty"),
        "k.conf:7: priorty: not carried over: not a keyword here; did you mean priority?"
    );
    let found = translated("virtual_sever 192.0.2.1 80 {\n}\n");
    assert!(note(&found, "virtual_sever").ends_with("did you mean virtual_server?"));
    assert_eq!(found.notes[0].kind, Kind::NotCarried);
    assert_eq!(notes(&found).len(), 1);
}
