//! `evenkeel check`'s look at the machine: what would keep this configuration from working here, and what to do about
//! it.
//!
//! [`facts`] looks, [`machine`], [`counting`], [`vrrp`], [`services`] and [`servers`] judge what was seen. Nothing is
//! changed.

mod accounting;
mod counting;
mod facts;
mod finding;
mod machine;
mod servers;
mod services;
mod vrrp;

use std::collections::BTreeSet;

use evenkeel_core::model::{Model, ServiceKey};
use evenkeel_dataplane::{Error, Probe};

use facts::Facts;
pub(crate) use finding::{Finding, Level};
use finding::{listed, services_named};

/// Looks at the machine (the network namespace of the calling thread; call it inside a tokio runtime) and judges
/// whether this configuration can work on it. What could not be looked at is a finding too.
///
/// `wanted`: the services whose schedulers want to know such things.
pub(crate) async fn preflight(
    model: &Model,
    wanted: &WantedCounts,
    probe: Result<Probe, Error>,
) -> Vec<Finding> {
    let probe = probe.unwrap_or_else(|error| machine::not_probed(&error));
    match Facts::gather(model).await {
        Ok(facts) => std::iter::once(machine::chosen(&model.dataplane, &probe))
            .chain(judge(model, wanted, &probe, &facts))
            .collect(),
        Err(error) => vec![Finding::error(
            format!("cannot look at this machine: {error}"),
            "Evenkeel needs Linux with netlink and /proc",
        )],
    }
}

fn judge(model: &Model, wanted: &WantedCounts, probe: &Probe, facts: &Facts) -> Vec<Finding> {
    let mut findings = machine::judge(model, probe, facts);
    findings.extend(counting::judge(model, &wanted.connections, facts));
    findings.extend(accounting::judge(model, &wanted.bytes, facts));
    findings.extend(vrrp::judge(model, facts));
    findings.extend(services::judge(model, facts));
    findings.extend(servers::judge(model, facts));
    findings
}

/// The services whose schedulers go by what the kernel counts.
#[derive(Debug, Default)]
pub(crate) struct WantedCounts {
    /// By the number of connections.
    pub(crate) connections: BTreeSet<ServiceKey>,
    /// By the bytes that were sent.
    pub(crate) bytes: BTreeSet<ServiceKey>,
}

/// What [`preflight`] says of the data plane, the services and the servers alone.
pub(crate) async fn of_services(model: &Model, probe: Result<Probe, Error>) -> Vec<Finding> {
    match Facts::gather(model).await {
        Ok(facts) => {
            let probe = probe.unwrap_or_else(|error| machine::not_probed(&error));
            let mut findings = machine::data_plane(&probe);
            findings.extend(services::judge(model, &facts));
            findings.extend(servers::judge(model, &facts));
            findings.extend(machine::forwarding(model, &facts));
            findings
        }
        Err(error) => vec![Finding::error(
            format!("cannot look at this machine: {error}"),
            "Evenkeel needs Linux with netlink and /proc",
        )],
    }
}

#[cfg(test)]
mod tests;
