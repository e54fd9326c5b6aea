//! The addresses of services.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::model::{Assign, Protocol, ServiceKey};
use evenkeel_core::sync::InKernel;
use evenkeel_tests::{Net, with_net};

use crate::desired::{Desired, ServiceAddress};
use crate::owner::{ActiveOwners, Owner};
use crate::reconciler::Reconciler;
use crate::steps::AddressAction;
use crate::{AddressManager, Addresses, ManagerReport, NetworkView, OwnAddress};

fn assign(interface: &str, addr: &str, prefix: u8) -> Assign {
    Assign {
        interface: interface.to_owned(),
        addr: addr.parse().unwrap(),
        prefix,
    }
}

fn vip() -> Assign {
    assign("eth0", "10.10.54.151", 24)
}

fn wanted(assigns: impl IntoIterator<Item = Assign>) -> BTreeSet<Assign> {
    assigns.into_iter().collect()
}

/// As a service claims it.
fn claim(assign: Assign, in_kernel: InKernel) -> ServiceAddress {
    ServiceAddress {
        service: ServiceKey {
            addr: assign.addr,
            port: 80,
            protocol: Protocol::Tcp,
        },
        assign: Some(assign),
        in_kernel,
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum AddressChange {
    Added(Assign),
    Removed(String),
    Restored(String),
}

#[derive(Debug)]
struct Done {
    changes: Vec<AddressChange>,
    failures: Vec<String>,
}

struct Services {
    reconciler: Reconciler,
    reader: Addresses,
}

impl Services {
    fn open() -> Self {
        Self {
            reconciler: Reconciler::open().unwrap(),
            reader: Addresses::open().unwrap(),
        }
    }

    async fn reconcile(&mut self, wanted: &BTreeSet<Assign>) -> Done {
        let claims = wanted
            .iter()
            .map(|assign| claim(assign.clone(), InKernel::Yes));
        self.claim(claims.collect()).await
    }

    async fn claim(&mut self, claims: Vec<ServiceAddress>) -> Done {
        let mut desired = Desired::default();
        desired.claim_services(&claims);
        self.reconciler.stale = true;
        let outcome = self.reconciler.reconcile(&desired, &mut |_| {}).await;
        assert!(outcome.unseen.is_none(), "{:?}", outcome.unseen);
        let changes = outcome.done.iter().map(|step| match &step.action {
            AddressAction::AddServiceAddress { address, .. } => AddressChange::Added(Assign {
                interface: address.device.clone(),
                addr: address.addr,
                prefix: address.prefix,
            }),
            AddressAction::RemoveAddress(_) => AddressChange::Removed(step.about.clone()),
            AddressAction::RestoreAddress(_) => AddressChange::Restored(step.about.clone()),
            other => panic!("{other:?}"),
        });
        let changes = changes.collect();
        let mut failures = outcome.failures(Some(&Owner::Services));
        failures.extend(outcome.failures(None));
        Done { changes, failures }
    }

    async fn remove_all(&mut self) -> Done {
        self.claim(Vec::new()).await
    }
}

/// The addresses but for the loopback and link-local ones, as text; ours with a star.
async fn shown(addresses: &Services) -> Vec<String> {
    let own = addresses.reader.list().await.unwrap();
    own.into_iter()
        .filter(|own| own.interface != "lo" && !own.addr.to_string().starts_with("fe80"))
        .map(|own| format!("{own}{}", if own.ours { " *" } else { "" }))
        .collect()
}

#[test]
fn addresses_are_put_on_and_taken_away_by_difference() {
    with_net(async |net: Net| {
        net.interface("eth0");
        net.add("eth0", "10.10.54.155", 24);
        let mut addresses = Services::open();
        let v6 = assign("eth0", "2001:db8::151", 64);

        let done = addresses.reconcile(&wanted([vip(), v6.clone()])).await;
        assert!(done.failures.is_empty(), "{:?}", done.failures);
        assert_eq!(
            done.changes,
            [
                AddressChange::Added(vip()),
                AddressChange::Added(v6.clone())
            ]
        );
        let all = [
            "10.10.54.155/24 on eth0",
            "10.10.54.151/24 on eth0 *",
            "2001:db8::151/64 on eth0 *",
        ];
        assert_eq!(shown(&addresses).await, all);

        let again = addresses.reconcile(&wanted([vip(), v6.clone()])).await;
        assert_eq!(again.changes, []);

        addresses.reconcile(&wanted([v6])).await;
        assert_eq!(shown(&addresses).await, [all[0], all[2]]);
    });
}

#[test]
fn another_process_knows_ours_again_and_removes_no_other() {
    with_net(async |net: Net| {
        net.interface("eth0");
        net.add("eth0", "10.10.54.155", 24);
        let mut first = Services::open();
        first.reconcile(&wanted([vip()])).await;
        drop(first); // As after a crash: nothing is taken away.

        let mut second = Services::open();
        assert!(
            shown(&second)
                .await
                .contains(&"10.10.54.151/24 on eth0 *".to_owned())
        );
        let done = second.remove_all().await;
        assert_eq!(done.changes.len(), 1);
        assert_eq!(shown(&second).await, ["10.10.54.155/24 on eth0"]);
    });
}

#[test]
fn an_address_that_was_there_before_is_left_alone_for_good() {
    with_net(async |net: Net| {
        net.interface("eth0");
        net.add("eth0", "10.10.54.151", 32);
        let mut addresses = Services::open();
        for wanted in [wanted([vip()]), wanted([])] {
            let done = addresses.reconcile(&wanted).await;
            assert_eq!(done.changes, []);
            assert!(done.failures.is_empty());
            assert_eq!(shown(&addresses).await, ["10.10.54.151/32 on eth0"]);
        }
    });
}

#[test]
fn an_address_of_ours_that_someone_deletes_or_adds_himself_is_known_for_what_it_is() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        addresses.reconcile(&wanted([vip()])).await;
        net.remove("eth0", "10.10.54.151", 24);
        let repaired = addresses.reconcile(&wanted([vip()])).await;
        assert_eq!(repaired.changes, [AddressChange::Added(vip())]);

        net.remove("eth0", "10.10.54.151", 24);
        net.add("eth0", "10.10.54.151", 24);
        assert_eq!(addresses.remove_all().await.changes, []);
        assert_eq!(shown(&addresses).await, ["10.10.54.151/24 on eth0"]);
    });
}

#[test]
fn another_prefix_length_replaces_the_address() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        for (addr, short, long) in [("10.10.54.151", 24, 32), ("2001:db8::151", 64, 128)] {
            addresses
                .reconcile(&wanted([assign("eth0", addr, short)]))
                .await;
            let done = addresses
                .reconcile(&wanted([assign("eth0", addr, long)]))
                .await;
            assert!(done.failures.is_empty(), "{:?}", done.failures);
            assert_eq!(
                shown(&addresses).await,
                [format!("{addr}/{long} on eth0 *")]
            );
        }
    });
}

#[test]
fn an_address_that_the_kernel_takes_with_ours_is_put_back() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        addresses.reconcile(&wanted([vip()])).await;
        // Added later, so secondary to ours, and lost with it where `promote_secondaries` is not set.
        net.add("eth0", "10.10.54.155", 24);
        std::fs::write("/proc/sys/net/ipv4/conf/all/promote_secondaries", "0").unwrap();
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "0").unwrap();

        let done = addresses.remove_all().await;
        assert!(done.failures.is_empty(), "{:?}", done.failures);
        assert_eq!(shown(&addresses).await, ["10.10.54.155/24 on eth0"]);
        assert!(matches!(
            done.changes.as_slice(),
            [AddressChange::Removed(_), AddressChange::Restored(_)]
        ));
    });
}

#[test]
fn a_missing_interface_is_named_with_those_that_exist_and_the_rest_is_done() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        let typo = assign("eht0", "10.10.54.152", 24);
        let done = addresses.reconcile(&wanted([typo, vip()])).await;
        assert_eq!(done.changes, [AddressChange::Added(vip())]);
        let told: Vec<String> = done.failures.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["no interface \"eht0\" to put 10.10.54.152/24 on; there is: lo, eth0-peer, eth0"]
        );
    });
}

#[test]
fn what_the_kernel_refuses_is_told_and_the_rest_is_done() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        let multicast = assign("eth0", "ff02::1", 64);
        let done = addresses.reconcile(&wanted([multicast, vip()])).await;
        assert_eq!(done.changes, [AddressChange::Added(vip())]);
        assert_eq!(done.failures.len(), 1);
        assert!(
            done.failures[0]
                .to_string()
                .starts_with("cannot put ff02::1/64 on eth0: ")
        );
    });
}

#[test]
fn an_ipv6_address_is_of_use_at_once() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        let v6 = assign("eth0", "2001:db8::151", 64);
        addresses.reconcile(&wanted([v6.clone()])).await;
        // A tentative address cannot be bound.
        std::net::TcpListener::bind((v6.addr, 0)).unwrap();
    });
}

#[test]
fn an_ipv6_address_without_a_network_is_no_source() {
    with_net(async |net: Net| {
        net.interface("eth0");
        net.add_v6("eth0", "2001:db8::1", 64);
        let mut addresses = Services::open();
        let own: IpAddr = "2001:db8::1".parse().unwrap();
        // The service's has more bits in common with the server's than the machine's own.
        let (virtual_one, server) = ("2001:db8::151:1", "2001:db8::151:2".parse().unwrap());
        let address = assign("eth0", virtual_one, 128);
        addresses.reconcile(&wanted([address.clone()])).await;
        assert_eq!(addresses.reader.source(server).await.unwrap(), Some(own));
        std::net::TcpListener::bind((address.addr, 0)).unwrap();
        // It would be, were it not for that.
        net.add_v6("eth0", "2001:db8::151:3", 128);
        let other = "2001:db8::151:3".parse().unwrap();
        assert_eq!(addresses.reader.source(server).await.unwrap(), Some(other));
    });
}

#[test]
fn an_address_waits_for_the_kernel_but_stays_where_it_is_already() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        let other = assign("eth0", "10.10.54.152", 24);
        addresses.reconcile(&wanted([vip()])).await;

        let waiting = vec![
            claim(vip(), InKernel::NotYet),
            claim(other.clone(), InKernel::NotYet),
        ];
        assert_eq!(addresses.claim(waiting).await.changes, []);
        assert_eq!(shown(&addresses).await, ["10.10.54.151/24 on eth0 *"]);

        let ready = vec![
            claim(vip(), InKernel::NotYet),
            claim(other.clone(), InKernel::Yes),
        ];
        let done = addresses.claim(ready).await;
        assert_eq!(done.changes, [AddressChange::Added(other)]);
    });
}

#[test]
fn an_address_of_several_services_comes_when_none_of_them_is_still_on_its_way() {
    use InKernel::{NotYet, Refused, Yes};
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        let cases: [(&[InKernel], bool); 6] = [
            (&[Yes, NotYet], false),
            (&[Yes, Yes], true),
            (&[Yes, Refused], true),
            (&[Refused, NotYet], false),
            (&[Refused], false),
            (&[NotYet], false),
        ];
        for (services, comes) in cases {
            let claims = services.iter().map(|it| claim(vip(), *it)).collect();
            let done = addresses.claim(claims).await;
            assert_eq!(done.changes.len(), usize::from(comes), "{services:?}");
            addresses.remove_all().await;
        }
    });
}

#[test]
fn before_the_services_have_said_what_they_want_nothing_of_them_is_touched() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let mut addresses = Services::open();
        addresses.reconcile(&wanted([vip()])).await;
        for active in [false, true] {
            let owners = ActiveOwners {
                services: false,
                vrrp: active,
            };
            let desired = Desired::nothing_of(owners);
            addresses.reconciler.stale = true;
            let outcome = addresses.reconciler.reconcile(&desired, &mut |_| {}).await;
            assert_eq!(outcome.done, []);
        }
        assert_eq!(shown(&addresses).await, ["10.10.54.151/24 on eth0 *"]);
    });
}

/// A manager without VRRP, and what it reports of the machine.
fn watch() -> (
    AddressManager,
    tokio::sync::mpsc::UnboundedReceiver<ManagerReport>,
) {
    let (sender, reports) = tokio::sync::mpsc::unbounded_channel();
    let manager = AddressManager::start(move |report| drop(sender.send(report))).unwrap();
    (manager, reports)
}

/// Waits for the next report, which has to be of the machine.
async fn changed(reports: &mut tokio::sync::mpsc::UnboundedReceiver<ManagerReport>) -> NetworkView {
    let report = tokio::time::timeout(Duration::from_secs(10), reports.recv()).await;
    match report.unwrap().unwrap() {
        ManagerReport::Network(view) => view,
        problem @ ManagerReport::Problem(_) => panic!("{problem:?}"),
    }
}

#[test]
fn changes_of_others_are_noticed_and_a_swarm_of_them_is_one() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let (_manager, mut reports) = watch();
        // A new interface has more to tell: carrier, link-local addresses.
        let quiet = Duration::from_secs(2);
        while tokio::time::timeout(quiet, reports.recv()).await.is_ok() {}
        for n in 1..=20 {
            net.add("eth0", &format!("10.0.0.{n}"), 24);
        }
        let all = changed(&mut reports).await;
        let added = |view: &NetworkView| {
            view.addresses
                .iter()
                .filter(|it| it.addr.is_ipv4() && it.interface == "eth0")
                .count()
        };
        assert_eq!(added(&all), 20);
        let quiet = tokio::time::timeout(Duration::from_millis(300), reports.recv()).await;
        assert!(quiet.is_err(), "they were one change");

        net.remove("eth0", "10.0.0.7", 24);
        assert_eq!(added(&changed(&mut reports).await), 19);
        net.remove_interface("eth0");
        assert_eq!(changed(&mut reports).await.offloadable.len(), 0);
    });
}

#[test]
fn a_change_is_not_lost_when_the_wait_for_it_is_broken_off() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let (manager, mut reports) = watch();
        let addr: IpAddr = "10.0.0.1".parse().unwrap();
        net.add("eth0", "10.0.0.1", 24);
        // Commands break it off.
        for _ in 0..20 {
            manager.services(Vec::new());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while !changed(&mut reports)
            .await
            .addresses
            .iter()
            .any(|it| it.addr == addr)
        {}
    });
}

#[test]
fn the_manager_puts_services_addresses_there_once_the_kernel_holds_them() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let (manager, mut reports) = watch();
        let has = |view: NetworkView| {
            view.addresses
                .iter()
                .any(|it| it.addr == vip().addr && it.ours)
        };
        manager.services(vec![claim(vip(), InKernel::Yes)]);
        while !has(changed(&mut reports).await) {}
        net.remove("eth0", "10.10.54.151", 24);
        let reader = Addresses::open().unwrap();
        let put_back = async {
            let is = |own: &OwnAddress| own.addr == vip().addr && own.ours;
            while !reader.list().await.unwrap().iter().any(is) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let put_back = tokio::time::timeout(Duration::from_secs(10), put_back).await;
        assert!(put_back.is_ok(), "it was never put back");
        let elsewhere = assign("eth7", "10.10.54.152", 24);
        manager.services(vec![claim(elsewhere, InKernel::Yes)]);
        let problem = async {
            loop {
                if let ManagerReport::Problem(problem) = reports.recv().await.unwrap() {
                    return problem;
                }
            }
        };
        let problem = tokio::time::timeout(Duration::from_secs(10), problem).await;
        assert_eq!(
            problem.unwrap().unwrap(),
            "no interface \"eth7\" to put 10.10.54.152/24 on; there is: lo, eth0-peer, eth0"
        );
    });
}
