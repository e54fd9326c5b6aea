//! Whether the kernel lets connections be counted, where a scheduler or a threshold goes by their number.

use std::collections::BTreeSet;

use evenkeel_core::model::{DataPlaneKind, Model, Service, ServiceKey};

use super::facts::Facts;
use super::{Finding, services_named};

/// `net/netfilter/nf_conntrack_ecache.c`: 0 none, 1 of all connections, 2 of those that began while somebody listened.
const KEY: &str = "net.netfilter.nf_conntrack_events";

/// `by_scheduler`: the services whose schedulers want to know the number of connections.
pub(super) fn judge(
    model: &Model,
    by_scheduler: &BTreeSet<ServiceKey>,
    facts: &Facts,
) -> Option<Finding> {
    // IPVS counts by itself.
    if model.dataplane.kind == DataPlaneKind::Ipvs {
        return None;
    }
    let counted = model
        .services
        .iter()
        .filter(|service| by_scheduler.contains(&service.key) || has_thresholds(service));
    let names: Vec<&str> = counted.map(|service| service.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let services = services_named(&names);
    let set = format!("sysctl -w {KEY}=1, and put {KEY} = 1 in a file in /etc/sysctl.d to keep it");
    match facts.conntrack_events {
        Some(1) => Some(Finding::ok(format!(
            "{services}: connections can be counted ({KEY} = 1)"
        ))),
        Some(0) => Some(Finding::error(
            format!(
                "{services}: connections cannot be counted, since the kernel tells nothing of them ({KEY} = 0); thresholds and schedulers that go by them do not work"
            ),
            set,
        )),
        Some(other) => Some(Finding::warning(
            format!(
                "{services}: the kernel does not tell of the end of connections that are older than the daemon ({KEY} = {other}), so after a restart they are counted for too long"
            ),
            set,
        )),
        // Where no connections are tracked yet, there is no such setting either.
        None => facts.conntrack.map(|_| {
            Finding::error(
                format!(
                    "{services}: connections cannot be counted: there is no {KEY}, so this kernel tells nothing of them"
                ),
                "use a kernel with CONFIG_NF_CONNTRACK_EVENTS, or a scheduler that does not count and no thresholds",
            )
        }),
    }
}

fn has_thresholds(service: &Service) -> bool {
    service
        .servers
        .iter()
        .any(|server| server.upper_threshold.is_some())
}
