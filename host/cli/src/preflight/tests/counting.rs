//! What is said about counting connections.

use super::*;

/// A director whose `net.netfilter.nf_conntrack_events` is this.
fn with_events(conntrack_events: Option<u64>) -> Facts {
    Facts {
        conntrack_events,
        ..director()
    }
}

/// The article's service with a threshold.
fn with_threshold() -> Model {
    let mut model = article();
    model.services[0].servers[1].upper_threshold = Some(100);
    model
}

#[test]
fn nothing_is_said_while_nobody_counts() {
    for events in [None, Some(0), Some(1), Some(2)] {
        assert_eq!(amiss(&article(), &with_events(events)), [], "{events:?}");
    }
}

#[test]
fn thresholds_need_the_kernel_to_tell_of_connections() {
    let set = "sysctl -w net.netfilter.nf_conntrack_events=1";
    assert_only(
        &with_threshold(),
        &with_events(Some(0)),
        Level::Error,
        &["service web: connections cannot be counted", set],
    );
    assert_only(
        &with_threshold(),
        &with_events(Some(2)),
        Level::Warning,
        &["service web", "older than the daemon", set],
    );
    assert_only(
        &with_threshold(),
        &with_events(None),
        Level::Error,
        &["CONFIG_NF_CONNTRACK_EVENTS"],
    );
    assert_eq!(amiss(&with_threshold(), &with_events(Some(1))), []);
    assert!(
        rendered(&with_threshold(), &probe(), &with_events(Some(1)))
            .contains("ok       service web: connections can be counted")
    );
}

#[test]
fn a_scheduler_that_counts_needs_it_too() {
    let (counted, facts) = (
        WantedCounts {
            connections: BTreeSet::from([article().services[0].key]),
            ..WantedCounts::default()
        },
        with_events(Some(0)),
    );
    let findings = judge(&article(), &counted, &probe(), &facts);
    let errors = findings
        .iter()
        .filter(|finding| finding.level == Level::Error);
    let errors: Vec<String> = errors.map(ToString::to_string).collect();
    assert!(
        matches!(errors.as_slice(), [error] if error.contains("service web: connections cannot be counted")),
        "{errors:#?}"
    );
}

#[test]
fn what_cannot_be_seen_before_connections_are_tracked_is_not_held_against_the_machine() {
    let facts = Facts {
        conntrack: None,
        ..with_events(None)
    };
    assert_eq!(amiss(&with_threshold(), &facts), []);
}

#[test]
fn a_scheduler_that_goes_by_bytes_needs_them_to_be_counted() {
    let wanted = WantedCounts {
        bytes: BTreeSet::from([article().services[0].key]),
        ..WantedCounts::default()
    };
    let said = |conntrack_acct| {
        let facts = Facts {
            conntrack_acct,
            ..with_events(Some(1))
        };
        let findings = judge(&article(), &wanted, &probe(), &facts);
        let lines = findings.iter().map(ToString::to_string);
        lines
            .filter(|it| it.contains("goes by bytes"))
            .collect::<Vec<_>>()
    };
    assert!(said(Some(1)).is_empty());
    let [off] = said(Some(0)).try_into().unwrap();
    assert!(
        off.contains("service web") && off.contains("sysctl -w net.netfilter.nf_conntrack_acct=1"),
        "{off}"
    );
    let [none] = said(None).try_into().unwrap();
    assert!(none.contains("cannot count"), "{none}");
}
