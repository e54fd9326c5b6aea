//! Second schedulers: shadows and canaries.

use std::time::Duration;

use super::errors::reports;
use super::fixture::{Shelf, model, resolve};
use crate::{AnyMachine, parse};
use evenkeel_core::model::{Canary, PluginRef, SecondRole, Share};

/// A service with this scheduler, and more keys.
fn service(scheduler: &str, keys: &str) -> String {
    format!(
        "[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\nserver = [{{ address = \"10.9.0.2:80\" }}]\n\
         scheduler = {scheduler}\n{keys}\n"
    )
}

#[test]
fn a_shadow_is_a_plugin_or_a_table_with_settings() {
    let cases = [
        ("{ plugin = \"rr\", shadow = \"hash\" }", "source"),
        (
            "{ plugin = \"rr\", shadow = { plugin = \"hash\", settings = { by = \"flow\" } } }",
            "flow",
        ),
    ];
    for (scheduler, by) in cases {
        let service = model(&service(scheduler, "")).services.remove(0);
        assert_eq!(service.scheduler.plugin.to_string(), "rr");
        let second = service.second.unwrap();
        assert_eq!(second.role, SecondRole::Shadow);
        assert_eq!(second.scheduler.plugin.to_string(), "hash");
        let settings = format!("{:?}", second.scheduler.settings);
        assert!(settings.contains(by), "{settings}");
    }
    assert_eq!(model(&service("\"rr\"", "")).services[0].second, None);
}

#[test]
fn a_canary_has_a_share_and_limits_with_defaults() {
    let canary = |keys: &str| {
        let scheduler = format!("{{ plugin = \"rr\", canary = {{ plugin = \"wrr\", {keys} }} }}");
        let second = model(&service(&scheduler, "")).services.remove(0).second;
        let second = second.unwrap();
        assert_eq!(second.scheduler.plugin.to_string(), "wrr");
        second.role
    };
    let default = Canary {
        share: 5,
        max_call: Duration::from_millis(10),
        max_uneven: Share::percent(10),
    };
    assert_eq!(canary("share = 5"), SecondRole::Canary(default));
    let written = Canary {
        share: 50,
        max_call: Duration::from_millis(5),
        max_uneven: Share::ALL,
    };
    assert_eq!(
        canary("share = 50, max_call = \"5ms\", max_uneven = \"100%\""),
        SecondRole::Canary(written)
    );
}

#[test]
fn a_shadow_may_decide_each_connection_and_so_may_the_first_beside_it() {
    for scheduler in [
        "{ plugin = \"rr\", shadow = \"ask\" }",
        "{ plugin = \"ask\", shadow = \"rr\" }",
    ] {
        assert!(model(&service(scheduler, "")).services[0].second.is_some());
    }
}

#[test]
fn second_schedulers_are_loaded_like_first_ones() {
    let text = service(
        "{ plugin = \"rr\", shadow = \"one\" }",
        "[[service]]\nname = \"b\"\nlisten = \"10.0.0.1:81\"\nserver = [{ address = \"10.9.0.2:80\" }]\n\
         scheduler = { plugin = \"rr\", canary = { plugin = \"two.wasm\", share = 5 } }",
    );
    assert_eq!(
        parse("/etc/lb.toml", &text).plugin_refs(),
        [
            PluginRef::Name("one".into()),
            PluginRef::Name("rr".into()),
            PluginRef::File("/etc/two.wasm".into()),
        ]
    );
}

#[test]
fn a_second_scheduler_is_asked_whether_it_takes_its_settings_and_may_be_pinned() {
    let shelf = Shelf::new();
    let text = service("{ plugin = \"rr\", shadow = { plugin = \"hash\" } }", "");
    parse("/etc/lb.toml", &text)
        .resolve(&shelf, &AnyMachine)
        .unwrap();
    assert_eq!(shelf.asked.get(), 2);
    let pinned = |sum: &str| {
        let shadow = format!(
            "{{ plugin = \"wrr\", shadow = {{ plugin = \"rr\", sha256 = \"{}\" }} }}",
            sum.repeat(32)
        );
        resolve(&service(&shadow, ""))
    };
    assert!(pinned("ab").is_ok());
    let report = pinned("cd").unwrap_err().render();
    assert!(report.contains("rr is another file"), "{report}");
}

#[test]
fn what_cannot_be_a_second_scheduler_says_why() {
    let with = |second: &str| format!("{{ plugin = \"rr\", {second} }}");
    let canary = |keys: &str| with(&format!("canary = {{ plugin = \"wrr\"{keys} }}"));
    let cases = [
        service(&with("shadow = \"hsh\""), ""),
        service(&with("shadow = \"tcp\""), ""),
        service(&with("shadow = 5"), ""),
        service(&with("shadow = { plugin = \"hash\", share = 5 }"), ""),
        service(
            &with("shadow = { plugin = \"hash\", settings = { by = \"port\" } }"),
            "",
        ),
        service(&with("canary = \"wrr\""), ""),
        service(&canary(""), ""),
        service(&canary(", share = 0"), ""),
        service(&canary(", share = 51"), ""),
        service(&canary(", share = \"5%\""), ""),
        service(&canary(", share = 5, max_call = 5"), ""),
        service(&canary(", share = 5, max_call = \"11s\""), ""),
        service(&canary(", share = 5, max_uneven = 10"), ""),
        service(&canary(", shar = 5"), ""),
        service(&with("canary = { plugin = \"ask\", share = 5 }"), ""),
        service(
            "{ plugin = \"hash\", canary = { plugin = \"wrr\", share = 5 } }",
            "decision = \"per-connection\"",
        ),
        service(
            &with("shadow = \"wrr\", canary = { plugin = \"wrr\", share = 5 }"),
            "",
        ),
    ];
    insta::assert_snapshot!(reports(cases));
}
