//! The driver as the daemon uses it.

mod common;

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::{Net, SOON, VIP, ip};
use evenkeel_addresses::AddressManager;
use evenkeel_core::model::{
    self, Announce, Checksum, Family, Notify, Tracked, VirtualAddress, VrrpInstance, VrrpVersion,
};
use evenkeel_core::vrrp::{Notified, Reading, State};
use evenkeel_tests::{Node, Watch, isolated, isolated_with, wait_until};
use evenkeel_vrrp::{Vrrp, VrrpEvent};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// An instance with these addresses on `eth0`, every 100 ms.
fn config(addresses: &[&str]) -> model::Vrrp {
    let address = |text: &&str| VirtualAddress {
        addr: ip(text),
        prefix: 24,
        interface: "eth0".into(),
        label: None,
        scope: 0,
        advertised: true,
    };
    let instance = VrrpInstance {
        name: "web".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: VrrpVersion::V3,
        family: Family::V4,
        priority: 150,
        advert_interval: Duration::from_millis(100),
        preempt: true,
        preempt_delay: Duration::ZERO,
        password: None,
        checksum: Checksum::PseudoHeader,
        source: None,
        peers: Vec::new(),
        addresses: addresses.iter().map(address).collect(),
        routes: Vec::new(),
        rules: Vec::new(),
        announce: Announce::default(),
        virtual_mac: None,
        address_lifetime: None,
        track: Vec::new(),
        notify: Notify::default(),
    };
    model::Vrrp {
        instances: vec![instance],
        ..model::Vrrp::default()
    }
}

fn start(node: &Node, config: model::Vrrp) -> Result<(Vrrp, UnboundedReceiver<VrrpEvent>)> {
    let (to_events, events) = unbounded_channel();
    let vrrp = node.enter(|| -> Result<Vrrp> {
        let addresses = AddressManager::start(|_| {})?;
        Ok(Vrrp::start(config, &addresses, to_events)?)
    })??;
    Ok((vrrp, events))
}

fn stop(vrrp: &Vrrp) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(vrrp.stop());
    Ok(())
}

fn wait_for(node: &Node, address: &str) -> Result<()> {
    wait_until(&format!("{address} is there"), SOON, || {
        Ok(node.addresses()?.contains(&ip(address)))
    })?;
    Ok(())
}

fn wait_without(node: &Node, address: &str) -> Result<()> {
    wait_until(&format!("{address} is gone"), SOON, || {
        Ok(!node.addresses()?.contains(&ip(address)))
    })?;
    Ok(())
}

#[test]
fn no_instance_is_master_before_the_data_plane_is_ready() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let (vrrp, mut events) = start(&net.a, config(&[VIP]))?;
        sleep(Duration::from_secs(1));
        ensure!(!net.a.addresses()?.contains(&ip(VIP)));
        ensure!(vrrp.status().instances[0].state == State::Backup);
        vrrp.ready();
        wait_for(&net.a, VIP)?;
        let status = vrrp.status();
        let web = &status.instances[0];
        ensure!(web.state == State::Master && web.holding, "{status:?}");
        ensure!(status.problems.is_empty(), "{status:?}");
        sleep(Duration::from_millis(300));
        let later = vrrp.status();
        ensure!(later.instances[0].since >= web.since + Duration::from_millis(300));
        stop(&vrrp)?;
        ensure!(!net.a.addresses()?.contains(&ip(VIP)));
        let (mut states, mut here) = (Vec::new(), Vec::new());
        while let Ok(event) = events.try_recv() {
            match event {
                VrrpEvent::Notify { state, .. } => states.push(state),
                VrrpEvent::Here(addresses) => here.push(addresses),
                VrrpEvent::Log(_) => {}
            }
        }
        ensure!(states.contains(&Notified::Master), "{states:?}");
        ensure!(states.last() == Some(&Notified::Stop), "{states:?}");
        ensure!(here.iter().any(|all| all.contains(&ip(VIP))), "{here:?}");
        ensure!(here.last().is_some_and(|all| all.is_empty()), "{here:?}");
        Ok(())
    })
}

#[test]
fn what_a_crash_leaves_is_taken_over_by_the_next_daemon_without_a_gap() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let (vrrp, _events) = start(&net.a, config(&[VIP]))?;
        vrrp.ready();
        wait_for(&net.a, VIP)?;
        let watch = Watch::start(std::slice::from_ref(&net.a), &[ip(VIP)])?;
        drop(vrrp);
        sleep(Duration::from_millis(500));
        let (vrrp, _events) = start(&net.a, config(&[VIP]))?;
        vrrp.ready();
        wait_until("it is master again", SOON, || {
            Ok(vrrp.status().instances[0].state == State::Master)
        })?;
        sleep(Duration::from_millis(500));
        let seen = watch.stop()?;
        ensure!(seen.missing() == Duration::ZERO, "{:?}", seen.missing());
        Ok(())
    })
}

#[test]
fn a_new_configuration_changes_addresses_and_a_master_stays_master() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let (vrrp, _events) = start(&net.a, config(&[VIP, "10.9.0.101"]))?;
        vrrp.ready();
        wait_for(&net.a, "10.9.0.101")?;
        let watch = Watch::start(std::slice::from_ref(&net.a), &[ip(VIP)])?;
        vrrp.configure(config(&[VIP, "10.9.0.102"]));
        wait_for(&net.a, "10.9.0.102")?;
        wait_without(&net.a, "10.9.0.101")?;
        ensure!(watch.stop()?.missing() == Duration::ZERO);
        let became = vrrp.status().instances[0].counters.became_master;
        ensure!(became == 1, "{became}");
        vrrp.configure(model::Vrrp::default());
        wait_without(&net.a, VIP)?;
        wait_until("status shows none", SOON, || {
            Ok(vrrp.status().instances.is_empty())
        })?;
        vrrp.configure(config(&[VIP]));
        wait_for(&net.a, VIP)
    })
}

#[test]
fn a_failing_tracker_takes_the_addresses_away() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let service = Tracked::Service("web".into());
        let mut config = config(&[VIP]);
        config.instances[0].track.push(model::Track {
            what: service.clone(),
            weight: 0,
            reverse: false,
        });
        let (vrrp, _events) = start(&net.a, config)?;
        vrrp.tracked(service.clone(), Reading::Up);
        vrrp.ready();
        wait_for(&net.a, VIP)?;
        vrrp.tracked(service.clone(), Reading::Down);
        wait_without(&net.a, VIP)?;
        ensure!(vrrp.status().instances[0].state == State::Fault);
        vrrp.tracked(service, Reading::Up);
        wait_for(&net.a, VIP)
    })
}

#[test]
fn a_firewall_that_drops_adverts_is_told_with_what_to_do() -> Result<()> {
    isolated_with(&["nft"], || {
        let net = Net::new()?;
        net.a.run("nft", &["add table inet wall"])?;
        let chain = "add chain inet wall out { type filter hook output priority 0; }";
        net.a.run("nft", &[chain])?;
        let rule = "add rule inet wall out ip protocol 112 drop";
        net.a.run("nft", &[rule])?;
        let (vrrp, mut events) = start(&net.a, config(&[VIP]))?;
        vrrp.ready();
        wait_until("status tells of the firewall", SOON, || {
            let problems = vrrp.status().problems;
            Ok(problems.iter().any(|text| text.contains("protocol 112")))
        })?;
        sleep(Duration::from_secs(1));
        net.a.run("nft", &["delete table inet wall"])?;
        wait_until("status tells of no problem", SOON, || {
            Ok(vrrp.status().problems.is_empty())
        })?;
        let mut told = 0;
        while let Ok(event) = events.try_recv() {
            if let VrrpEvent::Log(event) = event {
                told += usize::from(event.warning && event.text.contains("protocol 112"));
            }
        }
        ensure!(told == 1, "told {told} times");
        Ok(())
    })
}

#[test]
fn adverts_have_real_time_priority_where_it_is_allowed() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let (vrrp, mut events) = start(&net.a, config(&[VIP]))?;
        wait_until("status is there", SOON, || {
            Ok(!vrrp.status().instances.is_empty())
        })?;
        let status = vrrp.status();
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let VrrpEvent::Log(event) = event {
                told.push(event.text);
            }
        }
        let degraded = |what: &str| told.iter().any(|text| text.contains(what));
        ensure!(status.realtime != degraded("real-time"), "{told:?}");
        ensure!(status.locked != degraded("not locked"), "{told:?}");
        let threads = net.a.run("ps", &["-eLo", "comm,rtprio"])?;
        let line = threads.lines().find(|line| line.starts_with("vrrp "));
        let priority = line
            .context("no thread called vrrp")?
            .trim_start_matches("vrrp");
        let expected = if status.realtime { "10" } else { "-" };
        ensure!(priority.trim() == expected, "{threads}");
        Ok(())
    })
}
