//! `evenkeel flush`: whatever carries our marks goes.

use std::collections::BTreeSet;

use super::desired::Desired;
use super::machine::Machine;
use super::netlink::Netlink;
use super::plan::{self, Change, plan};
use super::{KeeperError, macvlan};

/// What [`remove_all`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// What is gone, a line each, such as `10.0.0.1/24 on eth0`.
    pub removed: Vec<String>,
    /// What could not be removed, with the reason.
    pub failures: Vec<String>,
}

/// Removes all virtual addresses with our mark, routes and rules with our protocol number, and our macvlan interfaces. For when
/// no daemon runs; call it inside a tokio runtime.
///
/// # Errors
/// [`KeeperError::Socket`] and [`KeeperError::Read`], with nothing removed.
pub async fn remove_all() -> Result<Swept, KeeperError> {
    let netlink = Netlink::open()?;
    let mut swept = Swept::default();
    let machine = Machine::look(&netlink, true).await?;
    let steps = plan(&Desired::default(), &machine).steps;
    let requests = steps.iter().map(|step| step.change.request()).collect();
    let mut addresses = Vec::new();
    for (step, result) in steps.into_iter().zip(netlink.send(requests).await) {
        match result {
            Err(error) if !step.change.is_done_anyway(error) => {
                let why = step.change.explain(error);
                swept.failures.push(format!("cannot {step}: {why}"));
            }
            _ => swept.removed.push(step.about),
        }
        if let Change::RemoveAddress(present) = step.change {
            addresses.push(*present);
        }
    }
    let after = Machine::look(&netlink, false).await?;
    let lost = plan::collateral(&machine, &addresses, &after);
    let requests = lost.iter().map(|step| step.change.request()).collect();
    for (step, result) in lost.iter().zip(netlink.send(requests).await) {
        if let Err(error) = result
            && !step.change.is_done_anyway(error)
        {
            let why = step.change.explain(error);
            swept.failures.push(format!("cannot {step}: {why}"));
        }
    }
    let ours: BTreeSet<u32> = machine
        .links
        .iter()
        .filter(|(_, link)| link.ours())
        .map(|(index, _)| *index)
        .collect();
    let failed = macvlan::remove(&netlink, &machine, &ours).await;
    for index in ours {
        let name = machine.name(index);
        match failed.iter().find(|(failed, _)| *failed == name) {
            Some((_, error)) => swept.failures.push(format!(
                "cannot remove the interface {name}: {}",
                error.desc()
            )),
            None => swept.removed.push(format!("the interface {name}")),
        }
    }
    Ok(swept)
}
