//! Whether the kernel counts bytes, where a scheduler goes by them.

use std::collections::BTreeSet;

use evenkeel_core::model::{DataPlaneKind, Model, ServiceKey};

use super::facts::Facts;
use super::{Finding, services_named};

/// `net/netfilter/nf_conntrack_acct.c`.
const KEY: &str = "net.netfilter.nf_conntrack_acct";

/// `by_bytes`: the services whose schedulers want to know how much was sent.
pub(super) fn judge(
    model: &Model,
    by_bytes: &BTreeSet<ServiceKey>,
    facts: &Facts,
) -> Option<Finding> {
    // IPVS counts by itself.
    if model.dataplane.kind == DataPlaneKind::Ipvs {
        return None;
    }
    let wanting = model
        .services
        .iter()
        .filter(|service| by_bytes.contains(&service.key));
    let names: Vec<&str> = wanting.map(|service| service.name.as_str()).collect();
    if names.is_empty() || facts.conntrack_acct == Some(1) {
        return None;
    }
    let services = services_named(&names);
    Some(match facts.conntrack_acct {
        Some(value) => Finding::warning(
            format!(
                "{services}: the scheduler goes by bytes, which the kernel does not count ({KEY} = {value})"
            ),
            format!(
                "sysctl -w {KEY}=1, and put {KEY} = 1 in a file in /etc/sysctl.d to keep it; connections that are open already are not counted"
            ),
        ),
        // Where no connections are tracked yet, there is no such setting either.
        None if facts.conntrack.is_none() => return None,
        None => Finding::warning(
            format!(
                "{services}: the scheduler goes by bytes, which this kernel cannot count: there is no {KEY}"
            ),
            "use another scheduler, or IPVS, which counts by itself",
        ),
    })
}
