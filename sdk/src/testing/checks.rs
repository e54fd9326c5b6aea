//! Drives a checker.

use std::net::SocketAddr;
use std::time::Duration;

use super::net::Peer;
use super::values;
use crate::checker::{HealthChecker, Verdict};
use crate::glue::{CheckerGlue, CheckerInstance};
use crate::manifest::{Manifest, SettingValue};
use crate::registered::{Registered, manifest};

/// Runs one check of a new instance, with these settings and defaults for the rest, against a real
/// server at `address`. TCP and UDP are real; TLS and ICMP fail, since the SDK has none of its own. What a check keeps by
/// [`Target::set_session`](crate::Target::set_session) is there in this thread's next check of that address.
///
/// # Errors
/// Settings that the plugin's description or the plugin itself refuses.
pub fn check<C: HealthChecker>(
    settings: &[(&str, SettingValue)],
    address: SocketAddr,
    timeout: Duration,
) -> Result<Verdict, String> {
    let mut glue = CheckerGlue::<C>::configure(values::<C::Settings>(settings)?)?;
    Ok(glue.check(&Peer::new(address, timeout)))
}

/// What a registered checker says about itself.
#[must_use]
pub fn checker_manifest<C: HealthChecker + Registered>() -> Manifest {
    manifest::<C, C::Settings>()
}
