//! VRRP instances, groups, and what they track.

use std::time::Duration;

use super::fixture::{model, note, notes, translated};
use evenkeel_core::model::{Family, Notify, Track, Tracked, VrrpInstance, VrrpVersion};

/// An instance with more lines in it, and what stands before and after it.
fn around(before: &str, lines: &str, after: &str) -> String {
    format!(
        "{before}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n  192.0.2.1/24\n }}\n {lines}\n}}\n{after}\n"
    )
}

fn instance(lines: &str) -> VrrpInstance {
    only(&around("", lines, ""))
}

fn only(text: &str) -> VrrpInstance {
    let mut instances = model(&translated(text)).vrrp.instances;
    assert_eq!(instances.len(), 1);
    instances.remove(0)
}

fn said(lines: &str, part: &str) -> String {
    note(&translated(&around("", lines, "")), part)
}

#[test]
fn defaults_are_keepaliveds_own() {
    let plain = instance("");
    assert_eq!((plain.version, plain.priority), (VrrpVersion::V2, 100));
    assert_eq!(plain.advert_interval, Duration::from_secs(1));
    assert!(plain.preempt && plain.preempt_delay.is_zero() && plain.password.is_none());
    assert_eq!(
        (plain.announce.repeat, plain.announce.delay),
        (5, Duration::from_secs(5))
    );
    assert_eq!(plain.announce.refresh, None);
    assert_eq!(plain.announce.lower_priority_repeat, 5);
    for line in [
        "priority = 100",
        "version = 2",
        "advert_interval = \"1s\"",
        "refresh = \"0s\"",
    ] {
        let toml = translated(&around("", "", "")).toml;
        assert!(
            toml.contains(&format!("{line} # keepalived's default")),
            "{line}"
        );
    }
}

#[test]
fn global_defaults_are_those_of_instances() {
    let globals = "global_defs {\n vrrp_version 3\n vrrp_garp_master_delay 9\n vrrp_garp_master_repeat 2\n vrrp_garp_master_refresh 60\n vrrp_garp_master_refresh_repeat 3\n}";
    let found = only(&around(globals, "garp_master_delay 4", ""));
    assert_eq!(found.version, VrrpVersion::V3);
    assert_eq!(
        (found.announce.repeat, found.announce.delay),
        (2, Duration::from_secs(4))
    );
    assert_eq!(found.announce.refresh, Some(Duration::from_secs(60)));
    assert_eq!(found.announce.refresh_repeat, 3);
    // Seen with keepalived 2.2.7: from the global ones, not the instance's.
    assert_eq!(found.announce.lower_priority_delay, Duration::from_secs(9));
    assert_eq!(found.announce.lower_priority_repeat, 2);
}

#[test]
fn sub_second_intervals_are_for_version_3() {
    assert_eq!(
        instance("version 3\n advert_int 0.1").advert_interval,
        Duration::from_millis(100)
    );
    assert_eq!(
        instance("advert_int 0.1").advert_interval,
        Duration::from_secs(1)
    );
    assert_eq!(
        instance("advert_int 1.6").advert_interval,
        Duration::from_secs(2)
    );
    assert!(said("advert_int 1.6", "advert_int").contains("whole seconds"));
    assert_eq!(
        instance("version 3\n advert_int 45").advert_interval,
        Duration::from_millis(40_950)
    );
    assert_eq!(
        instance("advert_int 300").advert_interval,
        Duration::from_secs(1)
    );
}

#[test]
fn nopreempt_does_not_go_with_state_master() {
    assert!(instance("state MASTER\n nopreempt").preempt);
    assert!(said("state MASTER\n nopreempt", "nopreempt").contains("state MASTER"));
    assert!(!instance("state BACKUP\n nopreempt").preempt);
    assert!(instance("priority 255\n nopreempt").preempt);
    assert_eq!(
        instance("preempt_delay 300").preempt_delay,
        Duration::from_secs(300)
    );
    assert!(
        instance("state MASTER\n preempt_delay 300")
            .preempt_delay
            .is_zero()
    );
    assert!(said("nopreempt\n preempt_delay 3", "preempt_delay").contains("nopreempt"));
}

#[test]
fn a_password_is_cut_to_eight_bytes() {
    let lines = "authentication {\n auth_type PASS\n auth_pass 123456789\n }";
    assert_eq!(instance(lines).password.map(|p| p.0), Some(*b"12345678"));
    assert!(said(lines, "auth_pass").contains("first 8"));
}

#[test]
fn authentication_is_for_version_2_and_pass_only() {
    let ah = "authentication {\n auth_type AH\n auth_pass x\n }";
    assert_eq!(instance(ah).password, None);
    assert!(said(ah, "auth_type").contains("AH"));
    let v3 = "version 3\n authentication {\n auth_type PASS\n auth_pass x\n }";
    assert_eq!(instance(v3).password, None);
    assert!(said(v3, "auth_pass").contains("version 3"));
}

#[test]
fn addresses_of_all_blocks_are_taken_with_their_options() {
    let lines = "virtual_ipaddress {\n 192.0.2.2 dev eth1 scope link label eth1:x brd 192.0.2.255\n }\n virtual_ipaddress_excluded {\n 2001:db8::1/64\n }";
    let found = instance(lines);
    let shown: Vec<_> = found
        .addresses
        .iter()
        .map(|a| {
            (
                a.addr.to_string(),
                a.prefix,
                a.interface.as_str(),
                a.label.as_deref(),
                a.scope,
                a.advertised,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("192.0.2.1".to_owned(), 24, "eth0", None, 0, true),
            (
                "192.0.2.2".to_owned(),
                32,
                "eth1",
                Some("eth1:x"),
                253,
                true
            ),
            ("2001:db8::1".to_owned(), 64, "eth0", None, 0, false),
        ]
    );
    assert!(said(lines, "brd").starts_with("k.conf:9: virtual_ipaddress"));
}

#[test]
fn addresses_of_both_families_go_together() {
    let found = instance("virtual_ipaddress {\n fe80::1/64\n }");
    assert_eq!((found.family, found.addresses.len()), (Family::V4, 2));
    assert!(!found.addresses[1].advertised);
    let six = "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 2001:db8::1\n 192.0.2.1\n }\n}\n";
    let found = only(six);
    assert_eq!((found.family, found.version), (Family::V6, VrrpVersion::V3));
    assert!(note(&translated(six), "link-local").contains("keepalived warns"));
}

#[test]
fn unicast_peers_and_the_virtual_mac_are_carried_over() {
    let found = instance(
        "unicast_src_ip 192.0.2.8\n unicast_peer {\n 192.0.2.9 min_ttl 255 # other\n }\n use_vmac vmac1",
    );
    assert_eq!(
        found.source.map(|a| a.to_string()).as_deref(),
        Some("192.0.2.8")
    );
    assert_eq!(found.peers.len(), 1);
    assert_eq!(found.virtual_mac.as_deref(), Some("vmac1"));
    assert_eq!(instance("use_vmac").virtual_mac.as_deref(), Some("vrrp.1"));
}

#[test]
fn routes_and_rules_are_carried_over_as_far_as_they_can_be() {
    let lines = "virtual_routes {\n src 192.0.2.1 to 10.0.0.0/8 via 192.0.2.254 dev eth1 metric 5 table 100 mtu 1400\n default via 192.0.2.254\n blackhole 10.9.0.0/16\n 10.1.0.0/16 via 192.0.2.2 or 192.0.2.3\n 10.2.0.0/16 dev eth1 table small\n }\n virtual_rules {\n from 10.0.0.0/8 to 10.1.0.0/16 iif eth1 fwmark 0x10 preference 30 table 100\n from 10.0.0.0/8 uidrange 1-2 table 1\n fwmark 1/2 table 1\n }";
    let found = instance(lines);
    assert_eq!(found.routes.len(), 2);
    let first = &found.routes[0];
    assert_eq!(
        (first.to.to_string().as_str(), first.metric, first.table),
        ("10.0.0.0/8", Some(5), 100)
    );
    assert_eq!(found.routes[1].to.to_string(), "0.0.0.0/0");
    assert_eq!(found.rules.len(), 1);
    let rule = &found.rules[0];
    assert_eq!(
        (rule.mark, rule.priority, rule.input.as_deref()),
        (Some(16), Some(30), Some("eth1"))
    );
    for (part, line) in [
        ("mtu", 9),
        ("blackhole", 11),
        ("one gateway", 12),
        ("small", 13),
        ("uidrange", 17),
        ("mask", 18),
    ] {
        assert!(
            said(lines, part).starts_with(&format!("k.conf:{line}: virtual_r")),
            "{part}"
        );
    }
}

const TRACKED: &str = "vrrp_script s {\n script \"/bin/check 'a b'\"\n interval 2\n timeout 1\n weight -4\n rise 3\n fall 2\n}\nvrrp_track_process p {\n process nginx\n weight 10\n}\ntrack_file f {\n file /run/weight\n}";

#[test]
fn what_is_tracked_has_its_weight_from_the_instance_or_from_where_it_is_defined() {
    let lines = "track_interface {\n eth1\n eth2 weight -20\n }\n track_script {\n s\n }\n track_process {\n p weight 7\n }\n track_file {\n f\n }";
    let text = around(TRACKED, lines, "");
    let found = only(&text);
    let track = |what, weight| Track {
        what,
        weight,
        reverse: false,
    };
    assert_eq!(
        found.track,
        [
            track(Tracked::Interface("eth1".to_owned()), 0),
            track(Tracked::Interface("eth2".to_owned()), -20),
            track(Tracked::Script("s".to_owned()), -4),
            track(Tracked::Process("nginx".to_owned()), 7),
            track(Tracked::File("/run/weight".into()), 1),
        ]
    );
    let script = &model(&translated(&text)).vrrp.scripts[0];
    assert_eq!(script.command, ["/bin/check", "a b"]);
    assert_eq!(
        (script.interval, script.timeout),
        (Duration::from_secs(2), Duration::from_secs(1))
    );
    assert_eq!((script.rise, script.fall), (3, 2));
}

#[test]
fn what_is_tracked_must_be_there() {
    let found = translated(&around("", "track_script {\n nothing\n }", ""));
    assert_eq!(
        note(&found, "nothing"),
        "k.conf:9: track_script: error: nothing: there is nothing of this name to be tracked"
    );
    assert!(found.has_errors());
}

#[test]
fn what_counts_the_other_way_round_does_so_here() {
    let tracked = "vrrp_script s {\n script /bin/s\n weight -20 reverse\n}\nvrrp_track_process p {\n process nginx\n weight 0 reverse\n}\ntrack_file f {\n file /run/f\n weight 2 reverse\n}";
    let lines = "track_interface {\n eth1 weight 5 reverse\n }\n track_script {\n s\n }\n track_process {\n p\n }\n track_file {\n f weight 3 noreverse\n }";
    let found = translated(&around(tracked, lines, ""));
    let track = &model(&found).vrrp.instances[0].track;
    let shown: Vec<_> = track.iter().map(|it| (it.weight, it.reverse)).collect();
    assert_eq!(shown, [(5, true), (-20, true), (0, true), (3, false)]);
    assert_eq!(notes(&found), Vec::<String>::new());
    // A weight of the instance's own keeps what is said where it is defined, as keepalived takes it.
    let lines = "track_script {\n s weight 7\n }";
    let track = &model(&translated(&around(tracked, lines, "")))
        .vrrp
        .instances[0]
        .track;
    assert_eq!((track[0].weight, track[0].reverse), (7, true));
}

#[test]
fn reverse_without_a_weight_is_listed_with_its_line_which_keepalived_ignores() {
    let lines = "track_interface {\n eth1 reverse\n }";
    assert!(
        said(lines, "reverse").starts_with("k.conf:9: track_interface: not carried over"),
        "{}",
        said(lines, "reverse")
    );
    assert!(instance(lines).track.is_empty());
}

const GROUP: &str = "vrrp_instance B {\n interface eth1\n virtual_router_id 1\n virtual_ipaddress {\n 192.0.3.1\n }\n}\nvrrp_sync_group G {\n group {\n A\n B # too\n }\n notify_master \"/bin/m g\"\n track_interface {\n eth5 weight 9\n }\n}";

#[test]
fn sync_groups_are_carried_over_and_their_members_track_what_they_do() {
    let found = model(&translated(&around("", "", GROUP)));
    let [group] = found.vrrp.groups.as_slice() else {
        panic!("{:?}", found.vrrp.groups);
    };
    assert_eq!(
        (group.name.as_str(), group.members.as_slice()),
        ("G", ["A".to_owned(), "B".to_owned()].as_slice())
    );
    assert_eq!(group.notify.master, ["/bin/m", "g"]);
    for member in &found.vrrp.instances {
        let eth5 = Track {
            what: Tracked::Interface("eth5".to_owned()),
            weight: 9,
            reverse: false,
        };
        assert_eq!(member.track, [eth5]);
    }
}

#[test]
fn in_a_sync_group_weights_do_not_count() {
    // Seen with keepalived 2.2.7.
    let lines = "track_interface {\n eth1 weight 5\n }\n track_script {\n s\n }";
    let text = around(TRACKED, lines, GROUP);
    let found = model(&translated(&text)).vrrp.instances.remove(0);
    let shown: Vec<String> = found
        .track
        .iter()
        .map(|t| format!("{} {}", t.what, t.weight))
        .collect();
    assert_eq!(shown, ["interface eth1 0", "interface eth5 9"]);
    let counted = text.replace(
        "notify_master",
        "sync_group_tracking_weight\n notify_master",
    );
    let found = model(&translated(&counted)).vrrp.instances.remove(0);
    assert_eq!(found.track.len(), 3);
}

#[test]
fn a_sync_group_of_one_is_left_out() {
    let found = translated(&around("", "", "vrrp_sync_group G {\n group {\n A\n }\n}"));
    assert!(note(&found, "vrrp_sync_group").contains("at least two"));
    assert!(model(&found).vrrp.groups.is_empty());
}

#[test]
fn commands_are_split_as_keepalived_does_and_need_no_shell_but_where_they_do() {
    let found = instance(
        "notify_master \"/bin/m  A 'b c'\"\n notify_backup /bin/b\n notify_fault \"/bin/f\"\n notify_stop \"echo > /run/x\"\n notify /bin/any",
    );
    let words = |text: &[&str]| text.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        found.notify,
        Notify {
            master: words(&["/bin/m", "A", "b c"]),
            backup: words(&["/bin/b"]),
            fault: words(&["/bin/f"]),
            stop: words(&["/bin/sh", "-c", "echo > /run/x"]),
            any: words(&["/bin/any"]),
        }
    );
    assert!(said("notify /bin/any nobody", "nobody").contains("user"));
}

#[test]
fn a_name_that_evenkeel_does_not_take_is_written_otherwise() {
    let text = around("", "", "").replace("vrrp_instance A", "vrrp_instance \"VI 1/öffentlich\"");
    assert_eq!(only(&text).name, "VI-1--ffentlich");
    assert!(
        note(&translated(&text), "its name")
            .starts_with("k.conf:2: vrrp_instance: carried over, but")
    );
}

#[test]
fn the_second_of_two_statements_counts() {
    let found = translated(&around("", "priority 90\n priority 80", ""));
    assert_eq!(model(&found).vrrp.instances[0].priority, 80);
    assert_eq!(
        note(&found, "priority"),
        "k.conf:9: priority: warning: takes the place of the one at k.conf:8"
    );
    assert_eq!(notes(&found).len(), 1);
}

#[test]
fn what_an_instance_cannot_do_without_is_an_error() {
    let found = translated("vrrp_instance A {\n}\n");
    let shown = notes(&found);
    for part in ["interface", "virtual_router_id", "virtual_ipaddress"] {
        assert!(
            shown
                .iter()
                .any(|n| n.contains(&format!("it has no {part}"))),
            "{part}"
        );
    }
}

#[test]
fn a_password_is_in_no_note_whatever_is_wrong_with_its_line() {
    for line in [
        "auth_pass zq7x v9wk",
        "auth_pass zq7xv9wkandmore",
        "auth_pass \"zq7x v9wk",
        "auth_pass zq7x{v9wk}",
        "auth_pas zq7xv9wk",
        "auth_passzq7xv9wk",
        "auth_pass zq7xv9wk\n auth_pass zq7xv9wk",
        "auth_pass zq7x\u{e4}v9wk",
    ] {
        for kind in ["PASS", "AH", ""] {
            let block = format!("authentication {{\n auth_type {kind}\n {line}\n }}");
            let found = translated(&around("", &block, ""));
            for note in notes(&found) {
                let told = note.contains("zq7x") || note.contains("v9wk");
                assert!(!told, "{line}: {note}");
            }
        }
    }
}

#[test]
fn whether_there_is_a_password_is_known() {
    let with = around(
        "",
        "authentication {\n auth_type PASS\n auth_pass 1111\n }",
        "",
    );
    assert!(translated(&with).has_password());
    assert!(!translated(&around("", "", "")).has_password());
}
