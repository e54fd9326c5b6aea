//! Services and VRRP on one interface.

use evenkeel_core::model::{Assign, Protocol, ServiceKey};
use evenkeel_core::sync::InKernel;
use evenkeel_tests::isolated;

use super::*;
use crate::{SERVICE_MARK, ServiceAddress};

fn service(addr: &str, prefix: u8) -> ServiceAddress {
    let addr: IpAddr = addr.parse().unwrap();
    ServiceAddress {
        service: ServiceKey {
            addr,
            port: 80,
            protocol: Protocol::Tcp,
        },
        assign: Some(Assign {
            interface: "eth0".to_owned(),
            addr,
            prefix,
        }),
        in_kernel: InKernel::Yes,
    }
}

/// The kernel removes the secondary addresses of a network with its primary one.
fn without_promotion() {
    interface("eth0");
    for name in ["all", "eth0"] {
        let path = format!("/proc/sys/net/ipv4/conf/{name}/promote_secondaries");
        std::fs::write(path, "0").unwrap();
    }
}

#[test]
fn a_services_address_that_goes_with_a_virtual_one_is_put_back() {
    isolated(|| {
        without_promotion();
        let managed = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);
        managed.hold("V");
        managed.manager.services(vec![service("10.0.0.3", 24)]);
        eventually("both are there", || addresses("eth0").len() == 2);
        assert_eq!(info("eth0", "10.0.0.3")["secondary"], true);

        managed.release("V");

        eventually("the service's is there", || {
            addresses("eth0") == set(["10.0.0.3/24"])
        });
        assert_eq!(mark("eth0", "10.0.0.3"), Some(SERVICE_MARK));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_virtual_address_that_goes_with_a_services_is_put_back_and_told_again() {
    isolated(|| {
        without_promotion();
        let managed = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);
        managed.manager.services(vec![service("10.0.0.3", 24)]);
        eventually("the service's is there", || addresses("eth0").len() == 1);
        managed.hold("V");
        assert_eq!(info("eth0", "10.0.0.9")["secondary"], true);

        managed.manager.services(Vec::new());

        managed.wait(&held("V"));
        assert_eq!(addresses("eth0"), set(["10.0.0.9/24"]));
        assert_eq!(mark("eth0", "10.0.0.9"), Some(VRRP_MARK));
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_vrrp_left_goes_when_it_is_configured_no_longer_and_a_services_address_stays() {
    isolated(|| {
        interface("eth0");
        let dead = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);
        dead.manager.services(vec![service("10.0.0.3", 32)]);
        dead.hold("V");
        eventually("both are there", || addresses("eth0").len() == 2);
        drop(dead);

        let manager = AddressManager::start(|_| {}).unwrap();
        manager.flush_vrrp();

        eventually("the virtual one is gone", || {
            addresses("eth0") == set(["10.0.0.3/32"])
        });
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_master_takes_an_added_address_when_the_kernel_has_its_service_and_not_before() {
    isolated(|| {
        interface("eth0");
        let first = address("10.0.0.9/24", "eth0");
        let managed = Managed::looked(vec![instance("V", vec![first.clone()])]);
        managed.hold("V");
        managed.expect(&here(["10.0.0.9"]));
        let claim = |in_kernel| ServiceAddress {
            assign: None,
            in_kernel,
            ..service("10.0.0.8", 24)
        };
        managed.manager.services(vec![claim(InKernel::NotYet)]);
        let both = vec![first, address("10.0.0.8/24", "eth0")];
        managed.configure(vec![instance("V", both)]);
        managed.hold("V");
        assert_eq!(addresses("eth0"), set(["10.0.0.9/24"]));
        managed.is_silent();

        managed.manager.services(vec![claim(InKernel::Yes)]);

        managed.wait(&held("V"));
        assert_eq!(addresses("eth0"), set(["10.0.0.8/24", "10.0.0.9/24"]));
        managed.expect(&here(["10.0.0.8", "10.0.0.9"]));
        // It stays while the kernel has lost the rules.
        managed.manager.services(vec![claim(InKernel::Refused)]);
        managed.is_silent();
        assert_eq!(addresses("eth0"), set(["10.0.0.8/24", "10.0.0.9/24"]));
        Ok(())
    })
    .unwrap();
}
