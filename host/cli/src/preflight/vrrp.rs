//! The virtual routers: whether this machine can take part in them.

use std::collections::BTreeSet;

use evenkeel_core::model::{Family, Model, VrrpInstance};

use evenkeel_vrrp::Insecure;

use super::Finding;
use super::facts::{Facts, commands, notified};

pub(super) fn judge(model: &Model, facts: &Facts) -> Vec<Finding> {
    let instances = &model.vrrp.instances;
    if instances.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !facts.net_raw {
        findings.push(Finding::error(
            "may not send adverts (CAP_NET_RAW)",
            "run as root, or give the service CAP_NET_RAW",
        ));
    }
    if facts.vrrp_sockets {
        findings.push(Finding::warning(
            "a process of this machine takes part in VRRP already: keepalived, or an Evenkeel that is running",
            "stop keepalived before Evenkeel is started: the two would fight for the same addresses",
        ));
    }
    findings.extend(instances.iter().map(|instance| judge_one(instance, facts)));
    findings.extend(programs(model, facts));
    findings
}

/// Programs that will not be run.
fn programs(model: &Model, facts: &Facts) -> Vec<Finding> {
    let why = |command: &[String]| facts.not_run.get(command.first()?);
    let mut findings = Vec::new();
    for script in &model.vrrp.scripts {
        if let Some(why) = why(&script.command) {
            findings.push(Finding::error(
                format!(
                    "script {}: is not run, and counts as failing: {why}",
                    script.name
                ),
                mend(why),
            ));
        }
    }
    for (name, notify) in notified(model) {
        // The same program may be named for several states.
        let whys: BTreeSet<String> = commands(notify)
            .into_iter()
            .filter_map(|command| why(command))
            .map(ToString::to_string)
            .collect();
        let remedy = commands(notify).into_iter().find_map(|it| why(it));
        if let Some(remedy) = remedy.map(mend) {
            let whys: Vec<String> = whys.into_iter().collect();
            findings.push(Finding::error(
                format!("notify commands of {name} are not run: {}", whys.join("; ")),
                remedy,
            ));
        }
    }
    findings
}

fn mend(why: &Insecure) -> &'static str {
    match why {
        Insecure::Missing(_) => "name a program that is there, by its whole path",
        Insecure::Owner { .. } | Insecure::Writable(_) => {
            "see that root alone can change the program and the directories on the way to it: chown root, chmod go-w"
        }
    }
}

fn judge_one(instance: &VrrpInstance, facts: &Facts) -> Finding {
    let name = &instance.name;
    let there = |interface: &str| {
        let mut interfaces = facts.interfaces.values();
        interfaces.any(|it| it.name == *interface)
            || instance.virtual_mac.as_deref() == Some(interface)
    };
    let addresses = instance.addresses.iter().map(|it| it.interface.as_str());
    let used: BTreeSet<&str> = addresses.chain([instance.interface.as_str()]).collect();
    let missing: Vec<&str> = used.iter().copied().filter(|it| !there(it)).collect();
    if !missing.is_empty() {
        let names: Vec<&str> = facts
            .interfaces
            .values()
            .map(|it| it.name.as_str())
            .collect();
        return Finding::error(
            format!(
                "VRRP instance {name}: there is no interface {}, so it stays in fault",
                missing.join(", ")
            ),
            format!("name one of these: {}", names.join(", ")),
        );
    }
    let is_virtual = |addr| instance.addresses.iter().any(|it| it.addr == addr);
    let has_source = facts.addresses.iter().any(|own| {
        own.interface == instance.interface
            && Family::of(own.addr) == instance.family
            && (instance.priority == 255 || !is_virtual(own.addr))
    });
    if !has_source && instance.source.is_none() {
        return Finding::error(
            format!(
                "VRRP instance {name}: {} has no {} address of its own to send adverts from, so it stays in fault",
                instance.interface, instance.family
            ),
            "give the interface an address of its own besides the virtual ones",
        );
    }
    let here = instance
        .addresses
        .iter()
        .find_map(|it| facts.addresses.iter().find(|own| own.addr == it.addr));
    Finding::ok(match here {
        Some(own) => format!("VRRP instance {name}: {own}"),
        None => format!(
            "VRRP instance {name}: adverts on {}, addresses are put on {}",
            instance.interface,
            used_by_addresses(instance).join(", ")
        ),
    })
}

fn used_by_addresses(instance: &VrrpInstance) -> Vec<&str> {
    let interfaces: BTreeSet<&str> = instance
        .addresses
        .iter()
        .map(|it| it.interface.as_str())
        .collect();
    interfaces.into_iter().collect()
}
