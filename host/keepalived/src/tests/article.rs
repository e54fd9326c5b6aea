//! The director pair that all this began from: pasted from a web page, with comments in Chinese.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::fixture::{model, note, notes, translated};
use crate::is_keepalived;
use evenkeel_core::model::{Family, Model, PluginRef, VirtualAddress, VrrpVersion};

const MASTER: &str = include_str!("master.conf");
const BACKUP: &str = include_str!("backup.conf");

fn is_the_articles(model: &Model, priority: u8) {
    let [vrrp] = model.vrrp.instances.as_slice() else {
        panic!("{:?}", model.vrrp);
    };
    assert_eq!(
        (vrrp.name.as_str(), vrrp.interface.as_str()),
        ("VI_1", "eth0")
    );
    assert_eq!((vrrp.router_id, vrrp.priority), (51, priority));
    assert_eq!((vrrp.version, vrrp.family), (VrrpVersion::V2, Family::V4));
    assert_eq!(vrrp.advert_interval, Duration::from_secs(1));
    assert!(vrrp.preempt && vrrp.preempt_delay.is_zero());
    assert_eq!(vrrp.password.map(|p| p.0), Some(*b"1111\0\0\0\0"));
    let address = |addr: [u8; 4], interface: &str| VirtualAddress {
        addr: IpAddr::V4(Ipv4Addr::from(addr)),
        prefix: 24,
        interface: interface.to_owned(),
        label: Some(format!("{interface}:1")),
        scope: 0,
        advertised: true,
    };
    let both = [
        address([10, 10, 54, 151], "eth0"),
        address([172, 16, 50, 254], "eth1"),
    ];
    assert_eq!(vrrp.addresses, both);

    let [service] = model.services.as_slice() else {
        panic!("{:?}", model.services);
    };
    assert_eq!(service.key.to_string(), "tcp 10.10.54.151:80");
    assert_eq!(service.scheduler.plugin, PluginRef::Name("rr".to_owned()));
    assert_eq!((service.quorum, service.hysteresis), (1, 0));
    let servers: Vec<SocketAddr> = service.servers.iter().map(|s| s.address).collect();
    let addresses = ["172.16.50.157:80", "172.16.50.159:80"].map(|a| a.parse().unwrap());
    assert_eq!(servers, addresses);
    for server in &service.servers {
        let [check] = server.checks.as_slice() else {
            panic!("{server:?}");
        };
        assert_eq!(check.plugin.plugin, PluginRef::Name("tcp".to_owned()));
        assert_eq!((server.weight, check.target), (1, server.address));
        assert_eq!(check.timing.interval, Duration::from_secs(6));
        assert_eq!(check.timing.timeout, Duration::from_secs(3));
        assert_eq!(check.timing.retries, 3);
        assert_eq!(check.timing.retry_delay, Duration::from_secs(3));
    }
}

#[test]
fn both_files_are_translated_as_they_are() {
    is_the_articles(&model(&translated(MASTER)), 100);
    is_the_articles(&model(&translated(BACKUP)), 80);
}

#[test]
fn the_translation_can_be_read() {
    insta::assert_snapshot!(translated(BACKUP).toml);
}

#[test]
fn what_is_not_carried_over_is_listed_by_line() {
    insta::assert_snapshot!(notes(&translated(BACKUP)).join("\n"));
}

#[test]
fn non_breaking_spaces_are_said_once_with_their_first_line_and_number() {
    for text in [MASTER, BACKUP] {
        let commented = |line: &str| {
            let comment = line.split_once('#').map(|(_, comment)| comment);
            comment.map_or(0, |comment| comment.matches('\u{a0}').count())
        };
        // Those in comments are nobody's trouble.
        let in_comments: usize = text.lines().map(commented).sum();
        let count = text.matches('\u{a0}').count() - in_comments;
        let said = note(&translated(text), "U+00A0");
        assert!(
            said.starts_with("k.conf:3: warning: non-breaking spaces"),
            "{said}"
        );
        assert!(said.contains(&format!(" {count} from here on")), "{said}");
        assert!(said.contains("keepalived itself would refuse"), "{said}");
    }
}

#[test]
fn all_comments_are_carried_over() {
    for text in [MASTER, BACKUP] {
        let toml = translated(text).toml;
        for (_, comment) in text.lines().filter_map(|line| line.split_once('#')) {
            let comment = comment.trim_matches(|c: char| c.is_whitespace());
            assert!(toml.contains(comment), "{comment}");
        }
    }
}

#[test]
fn each_line_of_the_toml_knows_its_line_in_the_original() {
    let found = translated(BACKUP);
    assert_eq!(found.toml.lines().count(), found.origin.len());
    let original: Vec<&str> = BACKUP.lines().collect();
    let pairs = [
        ("priority = 80", "priority 80"),
        ("10.10.54.151/24", "10.10.54.151/24"),
        ("retry_delay = \"3s\"", "delay_before_retry"),
        ("interval = \"6s\"", "delay_loop"),
        ("address = \"172.16.50.159:80\"", "real_server"),
    ];
    for (line, from) in pairs {
        let at = found.toml.lines().position(|l| l.contains(line)).unwrap();
        let (file, number) = found.origin[at].clone().unwrap();
        assert_eq!(file, "k.conf");
        assert!(original[number - 1].contains(from), "{line}: {number}");
    }
}

#[test]
fn a_file_is_keepaliveds_by_what_is_in_it() {
    for text in [
        MASTER,
        BACKUP,
        "! x\n\n vrrp_instance a {\n",
        "include conf.d/*\n",
        "$A=1\n",
    ] {
        assert!(is_keepalived("x", text.as_bytes()), "{text}");
    }
    for text in [
        "",
        "# nothing\n",
        "[[vrrp]]\nname = \"a\"\n",
        "resync = \"1s\"\n",
        "instance = 1\n",
    ] {
        assert!(!is_keepalived("evenkeel.toml", text.as_bytes()), "{text}");
    }
    assert!(is_keepalived("keepalived.conf", b"# nothing\n"));
    // A slip in the first word is to be reported as one.
    assert!(is_keepalived("keepalived.conf", b"vrrp_instnce a {\n"));
    for text in ["[[vrrp]]\n", "resync = \"1s\"\n", "resync=\"1s\"\n"] {
        assert!(!is_keepalived("evenkeel.conf", text.as_bytes()), "{text}");
    }
}
