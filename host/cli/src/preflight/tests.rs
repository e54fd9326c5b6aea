mod counting;
mod foreign;
mod ipvs;
mod rules;
mod vrrp;
mod whole;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::model::{
    Assign, Chosen, Daemon, DataPlaneChoice, Forward, IpvsTimeouts, Offload, OnDown, OnDrain,
    PluginRef, PluginUse, Protocol, Sandbox, Server, Service, ServiceKey, Vrrp,
};
use evenkeel_dataplane::Problem;
use ipnet::IpNet;

use super::facts::Conntrack;
use super::*;
use evenkeel_addresses::{Interface, OwnAddress, Route};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn service(name: &str, listen: &str, servers: &[&str]) -> Service {
    let listen: SocketAddr = listen.parse().unwrap();
    Service {
        decision: evenkeel_core::manifest::Decision::Plan,
        persistence: None,
        name: name.to_owned(),
        key: ServiceKey {
            addr: listen.ip(),
            port: listen.port(),
            protocol: Protocol::Tcp,
        },
        scheduler: PluginUse {
            plugin: PluginRef::Name("rr".to_owned()),
            settings: Vec::new(),
        },
        snat: false,
        on_down: OnDown::Keep,
        on_drain: OnDrain::Keep,
        assign: None,
        quorum: 1,
        hysteresis: 0,
        second: None,
        max_moves: None,
        pool: Default::default(),
        notify: Default::default(),
        ha_suspend: false,
        servers: servers.iter().map(|address| server(address)).collect(),
    }
}

fn server(address: &str) -> Server {
    Server {
        lower_threshold: None,
        upper_threshold: None,
        required: Default::default(),
        notify: None,
        role: Default::default(),
        name: address.to_owned(),
        address: address.parse().unwrap(),
        forward: Forward::Nat,
        inhibit_on_failure: false,
        weight: 1,
        labels: [].into(),
        checks: Vec::new(),
    }
}

fn assign(interface: &str, addr: &str, prefix: u8) -> Assign {
    Assign {
        interface: interface.to_owned(),
        addr: ip(addr),
        prefix,
    }
}

fn model(services: Vec<Service>) -> Model {
    Model {
        daemon: Daemon {
            grants: std::collections::BTreeMap::new(),
            plugin_sandboxes: std::collections::BTreeMap::new(),
            native_plugins: Vec::new(),
            allow_empty: false,
            plugin_trust: evenkeel_core::model::PluginTrust::default(),
            plugin_dirs: Vec::new(),
            cache_dir: PathBuf::from("cache"),
            state_dir: PathBuf::from("state"),
            socket: PathBuf::from("socket"),
            table: "evenkeel".to_owned(),
            dataplane: DataPlaneChoice::Auto,
            offload: Offload::Auto,
            resync: Duration::from_secs(30),
            sandbox: Sandbox::default(),
        },
        dataplane: Chosen::default(),
        services,
        vrrp: Vrrp::default(),
        connection_sync: None,
        ipvs_timeouts: IpvsTimeouts::default(),
    }
}

fn own(interface: &str, index: u32, network: &str) -> OwnAddress {
    let network: IpNet = network.parse().unwrap();
    OwnAddress {
        interface: interface.to_owned(),
        index,
        addr: network.addr(),
        network: network.trunc(),
        ours: false,
    }
}

/// The article's virtual service.
fn article() -> Model {
    model(vec![service(
        "web",
        "10.10.54.151:80",
        &["172.16.50.157:80", "172.16.50.159:80"],
    )])
}

/// A master director as in the article, where all is well.
fn director() -> Facts {
    let interface = |name: &str| Interface {
        name: name.to_owned(),
        bridge: false,
    };
    Facts {
        net_admin: true,
        net_raw: true,
        forwards_v4: Some(true),
        forwards_v6: Some(false),
        conntrack: Some(Conntrack {
            count: 12,
            max: 262_144,
        }),
        conntrack_events: Some(2),
        conntrack_acct: Some(1),
        interfaces: [
            (1, interface("lo")),
            (2, interface("eth0")),
            (3, interface("eth1")),
        ]
        .into(),
        addresses: vec![
            own("lo", 1, "127.0.0.1/8"),
            own("eth0", 2, "10.10.54.155/24"),
            own("eth0", 2, "10.10.54.151/24"),
            own("eth1", 3, "172.16.50.155/24"),
        ],
        routes: [
            (ip("172.16.50.157"), Route::Direct(3)),
            (ip("172.16.50.159"), Route::Direct(3)),
        ]
        .into(),
        ..Facts::default()
    }
}

fn probe() -> Probe {
    Probe {
        summary: "nftables: Linux 6.1, nft 1.0.6".to_owned(),
        problems: Vec::new(),
    }
}

fn rendered(model: &Model, probe: &Probe, facts: &Facts) -> String {
    let findings = judge(model, &WantedCounts::default(), probe, facts);
    findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// All that is not as it should be: its level and both its sentences.
fn amiss(model: &Model, facts: &Facts) -> Vec<(Level, String)> {
    judge(model, &WantedCounts::default(), &probe(), facts)
        .into_iter()
        .filter(|finding| finding.level != Level::Ok)
        .map(|finding| {
            (
                finding.level,
                format!("{} -> {}", finding.what, finding.remedy.unwrap()),
            )
        })
        .collect()
}

/// There is this one thing amiss, and its sentences have these words.
#[track_caller]
fn assert_only(model: &Model, facts: &Facts, level: Level, words: &[&str]) {
    let amiss = amiss(model, facts);
    let [(found, text)] = amiss.as_slice() else {
        panic!("not one finding: {amiss:#?}")
    };
    assert_eq!(*found, level, "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text:?}");
    }
}
