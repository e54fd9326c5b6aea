//! Routes and rules.

use evenkeel_core::model::{VirtualRoute, VirtualRule};
use evenkeel_tests::isolated;

use super::*;

/// By `10.0.0.1`.
pub(super) fn route(to: &str) -> VirtualRoute {
    VirtualRoute {
        to: to.parse().unwrap(),
        via: Some("10.0.0.1".parse().unwrap()),
        interface: None,
        source: None,
        metric: None,
        table: 254,
        scope: None,
    }
}

/// For what comes from `192.0.2.0/24`.
pub(super) fn rule(table: u32) -> VirtualRule {
    VirtualRule {
        family: Family::V4,
        from: Some("192.0.2.0/24".parse().unwrap()),
        to: None,
        input: None,
        output: None,
        mark: None,
        priority: None,
        table,
    }
}

fn routes(args: &str) -> Vec<Value> {
    ip_json(&format!("{args} route show table all proto 101"))
}

fn rules(args: &str) -> Vec<Value> {
    let mut rules = ip_json(&format!("{args} -d rule show"));
    rules.retain(|rule| rule["protocol"] == "101");
    rules
}

#[test]
fn routes_and_rules_come_and_go_with_their_instance() {
    isolated(|| {
        interface("eth0");
        ip("addr add 2001:db8::2/64 dev eth0 nodad");
        let mut routed = instance("V", vec![address("10.0.0.9/24", "eth0")]);
        let mut source = route("0.0.0.0/0");
        source.source = Some("10.0.0.9".parse().unwrap());
        source.metric = Some(7);
        source.table = 1000;
        let mut direct = route("192.0.2.0/24");
        (direct.via, direct.interface) = (None, Some("eth0".to_owned()));
        let mut six = route("2001:db8:1::/48");
        six.via = Some("2001:db8::1".parse().unwrap());
        six.interface = Some("eth0".to_owned());
        routed.routes = vec![route("198.51.100.0/24"), source, direct, six];
        let mut full = rule(1000);
        full.to = Some("198.51.100.7/32".parse().unwrap());
        full.input = Some("eth0".to_owned());
        full.mark = Some(3);
        full.priority = Some(99);
        let mut six = rule(200);
        six.family = Family::V6;
        six.from = Some("2001:db8:2::/48".parse().unwrap());
        six.output = Some("eth0".to_owned());
        routed.rules = vec![rule(100), full, six];
        let managed = Managed::looked(vec![routed]);

        managed.hold("V");

        let four = routes("-4");
        assert_eq!(four.len(), 3, "{four:#?}");
        let find = |to: &str| four.iter().find(|route| route["dst"] == to).unwrap();
        assert_eq!(find("198.51.100.0/24")["gateway"], "10.0.0.1");
        assert_eq!(find("192.0.2.0/24")["scope"], "link");
        assert_eq!(find("default")["prefsrc"], "10.0.0.9");
        assert_eq!(find("default")["metric"], 7);
        assert_eq!(find("default")["table"], "1000");
        let six = routes("-6");
        assert_eq!(six.len(), 1);
        assert_eq!(six[0]["gateway"], "2001:db8::1");
        let four = rules("-4");
        assert_eq!(four.len(), 2, "{four:#?}");
        let full = four.iter().find(|rule| rule["priority"] == 99).unwrap();
        assert_eq!(full["src"], "192.0.2.0");
        assert_eq!(full["dst"], "198.51.100.7");
        assert_eq!(full["iif"], "eth0");
        assert_eq!(full["fwmark"], "0x3");
        assert_eq!(full["table"], "1000");
        assert_eq!(rules("-6")[0]["oif"], "eth0");
        // That it is all there is seen as such: nothing is added twice.
        managed.expect(&here(["10.0.0.9"]));
        managed.is_silent();
        assert_eq!(rules("-4").len(), 2);

        managed.release("V");

        eventually("routes and rules are gone", || {
            [routes("-4"), routes("-6"), rules("-4"), rules("-6")]
                .concat()
                .is_empty()
        });
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_route_and_a_rule_that_someone_deletes_are_put_back() {
    isolated(|| {
        interface("eth0");
        let mut routed = instance("V", vec![address("10.0.0.9/24", "eth0")]);
        routed.routes = vec![route("198.51.100.0/24")];
        routed.rules = vec![rule(100)];
        let managed = Managed::looked(vec![routed]);
        managed.hold("V");

        ip("route del 198.51.100.0/24");
        eventually("the route is back", || routes("-4").len() == 1);
        ip("rule del table 100");
        eventually("the rule is back", || rules("-4").len() == 1);
        ip("link set eth0 down");
        ip("link set eth0 up");
        eventually("the route is back", || routes("-4").len() == 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_route_that_someone_else_has_already_is_a_problem_in_words() {
    isolated(|| {
        interface("eth0");
        ip("addr add 10.0.0.2/24 dev eth0");
        ip("route add default via 10.0.0.254");
        let mut routed = instance("V", vec![address("10.0.0.9/24", "eth0")]);
        routed.routes = vec![route("0.0.0.0/0")];
        let managed = Managed::looked(vec![routed]);

        managed.hold("V");

        assert_eq!(
            managed.problem().unwrap(),
            "cannot add the route to 0.0.0.0/0: there is such a route already, which is not ours: \
             give this one another metric or table"
        );
        ip("route del default");
        assert_eq!(managed.problem(), None);
        assert_eq!(routes("-4").len(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn routes_and_rules_left_by_a_manager_that_died_go_when_they_are_configured_no_longer() {
    isolated(|| {
        interface("eth0");
        let plain = instance("V", vec![address("10.0.0.9/24", "eth0")]);
        let mut routed = plain.clone();
        routed.routes = vec![route("198.51.100.0/24")];
        routed.rules = vec![rule(100)];
        let dead = Managed::looked(vec![routed]);
        dead.hold("V");
        drop(dead);

        let managed = Managed::start(vec![plain]);

        managed.expect(&VrrpReport::Found {
            instance: "V".to_owned(),
        });
        eventually("they go", || {
            routes("-4").is_empty() && rules("-4").is_empty()
        });
        assert_eq!(addresses("eth0"), set(["10.0.0.9/24"]));
        Ok(())
    })
    .unwrap();
}
