use evenkeel_dataplane::nftables::Nftables;
use evenkeel_dataplane::{DataPlane, conformance};

use evenkeel_tests::{in_a_namespace, sh};

in_a_namespace! {
    fn nftables_is_a_data_plane() {
        for name in conformance::INTERFACES {
            sh(&format!("ip link add {name} type bridge; ip link set {name} up"));
        }
        conformance::run(&mut || Box::new(Nftables::new("evenkeel").unwrap()));
    }
}

in_a_namespace! {
    fn this_machine_offers_all_that_is_needed() {
        let mut plane = Nftables::new("evenkeel").unwrap();
        let probe = plane.probe().unwrap();
        assert_eq!(probe.problems, [], "{}", probe.summary);
        assert!(probe.summary.contains("kernel"), "{}", probe.summary);
        // Nothing was changed by asking.
        assert_eq!(sh("nft list ruleset"), "");
    }
}

#[test]
fn a_name_that_nft_would_not_take_is_refused() {
    for name in ["", "a b", "1st", "a;flush ruleset", "é", &"x".repeat(65)] {
        assert!(Nftables::new(name).is_err(), "{name}");
    }
}
