//! The address manager with a real kernel, in a network of its own.

mod left;
mod macvlan;
mod owners;
mod reading;
mod routing;
mod services;
mod speed;
mod virtual_addresses;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use evenkeel_core::model::{
    Announce, Checksum, Family, Notify, VirtualAddress, Vrrp, VrrpInstance, VrrpVersion,
};
use rtnetlink::packet_route::address::{AddressAttribute, AddressProtocol};
use serde_json::Value;

use crate::machine::MachineState;
use crate::netlink::Netlink;
use crate::{AddressManager, VRRP_MARK, VrrpAddresses, VrrpReport};

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(10);

/// Shows that something does not come.
const SILENCE: Duration = Duration::from_millis(300);

/// `ip`, which has to succeed.
fn ip(args: &str) -> String {
    let output = Command::new("ip")
        .args(args.split_whitespace())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {args}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// `ip -j`.
fn ip_json(args: &str) -> Vec<Value> {
    let text = ip(&format!("-j {args}"));
    let text = if text.trim().is_empty() { "[]" } else { &text };
    serde_json::from_str(text).unwrap()
}

/// A cable whose other end nobody uses.
fn interface(name: &str) {
    ip(&format!(
        "link add name {name} type veth peer name {name}-far"
    ));
    for end in [name, &format!("{name}-far")] {
        ip(&format!("link set dev {end} up"));
    }
}

/// The addresses of an interface, as `10.0.0.1/24`, without IPv6 link-local ones of the kernel's own.
fn addresses(name: &str) -> BTreeSet<String> {
    infos(name)
        .iter()
        .map(|info| format!("{}/{}", info["local"].as_str().unwrap(), info["prefixlen"]))
        .filter(|address| !address.starts_with("fe80::"))
        .collect()
}

/// All that is known of the addresses of an interface.
fn infos(name: &str) -> Vec<Value> {
    let links = ip_json(&format!("addr show dev {name}"));
    let infos = links
        .iter()
        .flat_map(|link| link["addr_info"].as_array().unwrap());
    infos.cloned().collect()
}

/// All that is known of one address.
fn info(name: &str, addr: &str) -> Value {
    let mut infos = infos(name).into_iter();
    infos.find(|info| info["local"] == addr).unwrap_or_default()
}

/// `IFA_PROTO` of an address, which not every `ip` shows.
fn mark(name: &str, addr: &str) -> Option<u8> {
    let addr: IpAddr = addr.parse().unwrap();
    let machine = block_on(async {
        let netlink = Netlink::open().unwrap();
        MachineState::look(&netlink, false).await.unwrap()
    });
    let mut there = machine.at(machine.index(name)?, addr);
    let attributes = there.next()?.message.attributes.clone();
    attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Protocol(protocol) => Some(u8::from(*protocol)),
        _ => None,
    })
}

/// Puts an address there as the daemon does for a service.
fn assign(name: &str, addr: &str) {
    let wanted = address(addr, name);
    let index = nix::net::if_::if_nametoindex(name).unwrap();
    let done = block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let mut request = handle.address().add(index, wanted.addr, wanted.prefix);
        let attributes = &mut request.message_mut().attributes;
        attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(0x65)));
        request.execute().await
    });
    assert_eq!(done, Ok(()), "{addr}");
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(work)
}

fn set<const N: usize>(items: [&str; N]) -> BTreeSet<String> {
    items.map(str::to_owned).into()
}

fn address(text: &str, interface: &str) -> VirtualAddress {
    let (addr, prefix) = text.split_once('/').unwrap();
    let addr: IpAddr = addr.parse().unwrap();
    VirtualAddress {
        addr,
        prefix: prefix.parse().unwrap(),
        interface: interface.to_owned(),
        label: None,
        scope: 0,
        advertised: true,
    }
}

/// An instance on `eth0`.
fn instance(name: &str, addresses: Vec<VirtualAddress>) -> VrrpInstance {
    VrrpInstance {
        name: name.to_owned(),
        interface: "eth0".to_owned(),
        router_id: 51,
        version: VrrpVersion::V3,
        family: Family::V4,
        priority: 100,
        advert_interval: Duration::from_secs(1),
        preempt: true,
        preempt_delay: Duration::ZERO,
        password: None,
        checksum: Checksum::PseudoHeader,
        source: None,
        peers: Vec::new(),
        addresses,
        routes: Vec::new(),
        rules: Vec::new(),
        announce: Announce::default(),
        virtual_mac: None,
        address_lifetime: None,
        track: Vec::new(),
        notify: Notify::default(),
    }
}

/// An address manager with VRRP, and what it reports.
struct Managed {
    /// Dropped first, so that the manager leaves everything as it is.
    vrrp: RefCell<VrrpAddresses>,
    manager: AddressManager,
    reports: Receiver<VrrpReport>,
}

impl Managed {
    fn start(instances: Vec<VrrpInstance>) -> Self {
        let (sender, reports) = mpsc::channel();
        let manager = AddressManager::start(|_| {}).unwrap();
        let vrrp = manager
            .attach_vrrp(move |report| drop(sender.send(report)), || {})
            .unwrap();
        let managed = Self {
            vrrp: RefCell::new(vrrp),
            manager,
            reports,
        };
        managed.configure(instances);
        managed
    }

    /// With [`VrrpReport::Looked`] waited for; nothing may be found.
    fn looked(instances: Vec<VrrpInstance>) -> Self {
        let kept = Self::start(instances);
        kept.expect(&looked([]));
        kept
    }

    fn configure(&self, instances: Vec<VrrpInstance>) {
        self.vrrp.borrow_mut().configure(Arc::new(Vrrp {
            instances,
            ..Vrrp::default()
        }));
        self.hand_over();
    }

    fn hand_over(&self) {
        while !self.vrrp.borrow_mut().hand_over() {
            std::thread::yield_now();
        }
    }

    /// Without waiting for the report.
    fn request_hold(&self, instance: &str) {
        self.vrrp.borrow_mut().hold(instance);
        self.hand_over();
    }

    /// Without waiting for the report.
    fn request_release(&self, instance: &str) {
        self.vrrp.borrow_mut().release(instance);
        self.hand_over();
    }

    fn stop(self) {
        self.vrrp.into_inner().stop();
    }

    /// As a daemon that dies: everything stays, and nobody puts anything back any more.
    fn die(self) {
        let Self {
            vrrp,
            manager,
            reports,
        } = self;
        drop((vrrp, manager));
        // It ends by itself, on its thread, and reports go with it.
        loop {
            match reports.recv_timeout(LIMIT) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("the manager goes on"),
            }
        }
    }

    fn next(&self) -> VrrpReport {
        match self.reports.recv_timeout(LIMIT) {
            Ok(report) => report,
            Err(error) => panic!("no report: {error}"),
        }
    }

    /// The next report is this one.
    fn expect(&self, report: &VrrpReport) {
        assert_eq!(self.next(), *report);
    }

    /// Reports up to this one; only [`VrrpReport::Here`] may come before it.
    fn wait(&self, report: &VrrpReport) {
        loop {
            let next = self.next();
            if next == *report {
                return;
            }
            assert!(
                matches!(next, VrrpReport::Here(_)),
                "{next:?} before {report:?}"
            );
        }
    }

    fn hold(&self, instance: &str) {
        self.request_hold(instance);
        self.wait(&held(instance));
    }

    fn release(&self, instance: &str) {
        self.request_release(instance);
        self.wait(&released(instance));
    }

    fn problem(&self) -> Option<String> {
        loop {
            match self.next() {
                VrrpReport::Problem { text, .. } => return text,
                VrrpReport::Here(_) => {}
                other => panic!("{other:?} instead of a problem"),
            }
        }
    }

    fn is_silent(&self) {
        match self.reports.recv_timeout(SILENCE) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn held(instance: &str) -> VrrpReport {
    let instance = instance.to_owned();
    VrrpReport::Held { instance }
}

fn released(instance: &str) -> VrrpReport {
    let instance = instance.to_owned();
    VrrpReport::Released { instance }
}

fn here<const N: usize>(addrs: [&str; N]) -> VrrpReport {
    VrrpReport::Here(addrs.map(|addr| addr.parse().unwrap()).into())
}

fn looked<const N: usize>(addrs: [&str; N]) -> VrrpReport {
    VrrpReport::Looked {
        here: addrs.map(|addr| addr.parse().unwrap()).into(),
    }
}

/// Waits for something that no report tells.
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
