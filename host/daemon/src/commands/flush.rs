//! `evenkeel flush`.

use evenkeel_dataplane::DataPlane as _;
use evenkeel_dataplane::nftables::Nftables;

use crate::addresses::{AddressChange, Addresses};
use crate::exit::{self, Failed};
use crate::lock::Lock;

/// Removes our table, our addresses, and what VRRP has put in the kernel.
///
/// # Errors
/// [`exit::RUNNING`] while a daemon runs; others when something could not be removed.
pub(crate) async fn run(table: &str) -> anyhow::Result<()> {
    // Held until the end, so that no daemon starts meanwhile.
    let _lock = Lock::take()?;
    let mut addresses = Addresses::open()?;
    let removed = addresses.remove_all().await?;
    for change in &removed.changes {
        if let AddressChange::Removed(address) = change {
            super::print(&format!("removed address {address}\n"))?;
        }
    }
    let swept = evenkeel_vrrp::remove_all().await?;
    for what in &swept.removed {
        super::print(&format!("removed {what}\n"))?;
    }
    let mut plane = Nftables::new(table)?;
    plane.clear()?;
    super::print(&format!("removed table inet {table}\n"))?;
    let mut failures = swept.failures;
    failures.extend(removed.failures.iter().map(ToString::to_string));
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failed::new(exit::FAILURE, failures.join("; ")).into())
}
