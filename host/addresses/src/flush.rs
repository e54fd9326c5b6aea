//! `evenkeel flush`: whatever carries our marks goes.

use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::error::AddressError;
use crate::machine::Origin;
use crate::macvlan::{self, PreparedMacvlans};
use crate::owner::ActiveOwners;
use crate::reconciler::{Outcome, Reconciler};
use crate::steps::AddressAction;

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flushed {
    /// What is gone, a line each, such as `address 10.0.0.1/24 on eth0`.
    pub removed: Vec<String>,
    /// What could not be removed, with the reason.
    pub failures: Vec<String>,
}

/// Removes all that carries our marks: the addresses of services, and the addresses, routes, rules and macvlan
/// interfaces of VRRP. For when no daemon runs; call it inside a tokio runtime.
///
/// # Errors
/// [`AddressError::Socket`] and [`AddressError::Read`], with nothing removed.
pub async fn flush_all() -> Result<Flushed, AddressError> {
    flush(ActiveOwners {
        services: true,
        vrrp: true,
    })
    .await
}

/// Removes what carries the marks of VRRP.
///
/// # Errors
/// As [`flush_all`].
pub(crate) async fn flush_vrrp() -> Result<Flushed, AddressError> {
    flush(ActiveOwners {
        services: false,
        vrrp: true,
    })
    .await
}

async fn flush(owners: ActiveOwners) -> Result<Flushed, AddressError> {
    let mut reconciler = Reconciler::open()?;
    reconciler.routing = true;
    reconciler.look().await;
    if let Some(error) = reconciler.take_error() {
        return Err(error);
    }
    let nothing = Desired::nothing_of(owners);
    // The interfaces go last, so that their addresses are told of.
    let outcome = reconciler
        .apply(&nothing, PreparedMacvlans::default(), &mut |_| {})
        .await;
    let mut flushed = removed(&outcome);
    let machine = &reconciler.machine;
    let ours: BTreeSet<u32> = machine
        .devices
        .iter()
        .filter(|(_, device)| device.ours())
        .map(|(index, _)| *index)
        .collect();
    let failed = macvlan::remove(reconciler.netlink(), machine, &ours).await;
    for index in ours {
        let name = machine.name(index);
        match failed.iter().find(|(failed, _)| *failed == name) {
            Some((_, error)) => flushed.failures.push(format!(
                "cannot remove the interface {name}: {}",
                error.desc()
            )),
            None => flushed.removed.push(format!("the interface {name}")),
        }
    }
    Ok(flushed)
}

fn removed(outcome: &Outcome) -> Flushed {
    let mut flushed = Flushed::default();
    for step in &outcome.done {
        let about = &step.about;
        match &step.action {
            AddressAction::RestoreAddress(_) => {}
            AddressAction::RemoveAddress(present) if present.origin == Origin::Service => {
                flushed.removed.push(format!("address {about}"));
            }
            _ => flushed.removed.push(about.clone()),
        }
    }
    for (step, error) in &outcome.failed {
        let why = step.action.explain(*error);
        flushed.failures.push(format!("cannot {step}: {why}"));
    }
    let unseen = outcome.unseen.iter().map(ToString::to_string);
    flushed.failures.extend(unseen);
    flushed
}
