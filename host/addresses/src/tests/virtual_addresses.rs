use evenkeel_tests::isolated;

use super::*;

#[test]
fn addresses_come_and_go_with_label_scope_prefix_and_mark() {
    isolated(|| {
        interface("eth0");
        interface("eth1");
        ip("addr add 10.0.0.2/24 dev eth0");
        let mut labelled = address("10.0.0.9/24", "eth0");
        labelled.label = Some("eth0:vip".to_owned());
        let mut linked = address("10.1.0.9/32", "eth1");
        linked.scope = 253;
        let six = address("2001:db8::9/64", "eth1");
        let alone = address("2001:db8::8/128", "eth1");
        let all = vec![labelled, linked, six, alone];
        let managed = Managed::looked(vec![instance("V", all)]);

        managed.hold("V");

        let labelled = info("eth0", "10.0.0.9");
        assert_eq!(labelled["label"], "eth0:vip");
        assert_eq!(labelled["prefixlen"], 24);
        assert_eq!(labelled["scope"], "global");
        assert_eq!(mark("eth0", "10.0.0.9"), Some(VRRP_MARK));
        assert_eq!(labelled["valid_life_time"], u32::MAX);
        assert_eq!(info("eth1", "10.1.0.9")["scope"], "link");
        let six = info("eth1", "2001:db8::9");
        assert_eq!(mark("eth1", "2001:db8::9"), Some(VRRP_MARK));
        assert_eq!(six["nodad"], true);
        assert_eq!(six["tentative"], Value::Null);
        assert_eq!(six["deprecated"], Value::Null);
        // No source of the machine's own connections.
        assert_eq!(info("eth1", "2001:db8::8")["deprecated"], true);
        assert_eq!(info("eth1", "2001:db8::8")["valid_life_time"], u32::MAX);
        managed.expect(&here([
            "10.0.0.9",
            "10.1.0.9",
            "2001:db8::8",
            "2001:db8::9",
        ]));
        managed.is_silent();

        managed.release("V");

        assert_eq!(addresses("eth0"), set(["10.0.0.2/24"]));
        assert_eq!(addresses("eth1"), set([]));
        managed.expect(&here([]));
        managed.stop();
        Ok(())
    })
    .unwrap();
}

#[test]
fn nothing_is_here_before_it_is_held() {
    isolated(|| {
        interface("eth0");
        let managed = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);
        managed.is_silent();
        assert_eq!(addresses("eth0"), set([]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_held_address_that_someone_deletes_is_put_back_and_told_again() {
    isolated(|| {
        interface("eth0");
        let managed = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);
        managed.hold("V");
        managed.expect(&here(["10.0.0.9"]));

        ip("addr del 10.0.0.9/24 dev eth0");

        managed.wait(&held("V"));
        assert_eq!(addresses("eth0"), set(["10.0.0.9/24"]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_interface_that_goes_and_comes_back_gets_its_address_again() {
    isolated(|| {
        interface("eth0");
        interface("eth1");
        let both = vec![
            address("10.0.0.9/24", "eth0"),
            address("10.1.0.9/24", "eth1"),
        ];
        let managed = Managed::looked(vec![instance("V", both)]);
        managed.hold("V");

        ip("link del eth1");
        let problem = managed.problem().unwrap();
        assert!(problem.contains("no interface \"eth1\""), "{problem}");
        interface("eth1");

        managed.wait(&held("V"));
        assert_eq!(managed.problem(), None);
        assert_eq!(addresses("eth1"), set(["10.1.0.9/24"]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_cannot_be_added_is_told_and_the_rest_is_held() {
    isolated(|| {
        interface("eth0");
        let both = vec![
            address("10.0.0.9/24", "eth0"),
            address("10.1.0.9/24", "nowhere"),
        ];
        let managed = Managed::looked(vec![instance("V", both)]);

        managed.hold("V");

        assert_eq!(
            managed.problem().unwrap(),
            "10.1.0.9/24 cannot be added: no interface \"nowhere\"; there is: lo, eth0-far, eth0"
        );
        assert_eq!(addresses("eth0"), set(["10.0.0.9/24"]));
        // What is there is put back, and told, as if it were all.
        ip("addr del 10.0.0.9/24 dev eth0");
        managed.wait(&held("V"));
        assert_eq!(addresses("eth0"), set(["10.0.0.9/24"]));
        managed.release("V");
        assert_eq!(managed.problem(), None);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_address_that_the_kernel_refuses_is_told_with_a_reason_and_tried_again() {
    isolated(|| {
        interface("eth0");
        std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1")?;
        let managed = Managed::looked(vec![instance("V", vec![address("2001:db8::9/64", "eth0")])]);

        managed.request_hold("V");

        let problem = managed.problem().unwrap();
        assert!(
            problem.contains("2001:db8::9/64 on eth0: IPv6 is off"),
            "{problem}"
        );
        std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0")?;
        managed.wait(&held("V"));
        assert_eq!(addresses("eth0"), set(["2001:db8::9/64"]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_reload_changes_what_is_held_and_leaves_the_rest_alone() {
    isolated(|| {
        interface("eth0");
        let old = vec![
            address("10.0.0.8/24", "eth0"),
            address("10.0.0.9/24", "eth0"),
        ];
        let managed = Managed::looked(vec![
            instance("V", old),
            instance("W", vec![address("10.5.0.9/24", "eth0")]),
        ]);
        managed.hold("V");
        managed.hold("W");
        let created = |addr: &str| info("eth0", addr)["cstamp"].clone();
        let before = created("10.0.0.9");

        let mut labelled = address("10.0.0.7/24", "eth0");
        labelled.label = Some("eth0:7".to_owned());
        managed.configure(vec![instance(
            "V",
            vec![address("10.0.0.9/24", "eth0"), labelled],
        )]);

        managed.wait(&held("V"));
        // Secondary addresses go with their primary one unless promote_secondaries is set, and are put back.
        eventually("the rest is put back", || {
            addresses("eth0") == set(["10.0.0.7/24", "10.0.0.9/24"])
        });
        assert_eq!(info("eth0", "10.0.0.7")["label"], "eth0:7");
        assert_eq!(created("10.0.0.9"), before);
        Ok(())
    })
    .unwrap();
}

#[test]
fn secondary_addresses_of_others_that_go_with_ours_are_put_back() {
    isolated(|| {
        interface("eth0");
        std::fs::write("/proc/sys/net/ipv4/conf/all/promote_secondaries", "0")?;
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "0")?;
        let managed = Managed::looked(vec![
            instance("V", vec![address("10.0.0.9/24", "eth0")]),
            instance("W", vec![address("10.0.0.8/24", "eth0")]),
        ]);
        managed.hold("V");
        managed.hold("W");
        ip("addr add 10.0.0.2/24 dev eth0");
        assert_eq!(info("eth0", "10.0.0.2")["secondary"], true);

        managed.release("V");

        eventually("both are back", || {
            addresses("eth0") == set(["10.0.0.2/24", "10.0.0.8/24"])
        });
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_lifetime_is_set_and_renewed_while_the_manager_lives_and_runs_out_when_it_does_not() {
    isolated(|| {
        interface("eth0");
        let mut mortal = instance(
            "V",
            vec![
                address("10.0.0.9/24", "eth0"),
                address("2001:db8::9/64", "eth0"),
            ],
        );
        mortal.address_lifetime = Some(Duration::from_secs(3));
        let managed = Managed::looked(vec![mortal]);
        managed.hold("V");
        managed.expect(&here(["10.0.0.9", "2001:db8::9"]));

        for addr in ["10.0.0.9", "2001:db8::9"] {
            let left = info("eth0", addr)["valid_life_time"].as_u64().unwrap();
            assert!((2..=3).contains(&left), "{addr}: {left}");
        }
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(addresses("eth0"), set(["10.0.0.9/24", "2001:db8::9/64"]));
        assert_eq!(mark("eth0", "10.0.0.9"), Some(VRRP_MARK));
        assert_eq!(mark("eth0", "2001:db8::9"), Some(VRRP_MARK));
        managed.is_silent();

        managed.die();

        eventually("the kernel takes them away", || {
            addresses("eth0").is_empty()
        });
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_lifetime_that_is_configured_no_longer_ends() {
    isolated(|| {
        interface("eth0");
        let permanent = instance("V", vec![address("10.0.0.9/24", "eth0")]);
        let mut mortal = permanent.clone();
        mortal.address_lifetime = Some(Duration::from_secs(60));
        let managed = Managed::looked(vec![mortal]);
        managed.hold("V");

        managed.configure(vec![permanent]);

        eventually("it is for ever", || {
            info("eth0", "10.0.0.9")["valid_life_time"] == u32::MAX
        });
        Ok(())
    })
    .unwrap();
}
