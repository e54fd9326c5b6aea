//! Makes and opens data planes.

use std::time::Duration;

use evenkeel_core::ids::InUse;
use evenkeel_core::model::{Chosen, Daemon, DataPlaneKind};
use evenkeel_core::state::State;
use evenkeel_dataplane::ipvs::Ipvs;
use evenkeel_dataplane::nftables::{Nftables, Watch};
use evenkeel_dataplane::{DataPlane, Error};
use tracing::{info, warn};

/// A data plane that works here.
pub struct Opened {
    /// The data plane.
    pub plane: Box<dyn DataPlane>,
    /// Notices what others do to what is ours, where the kernel tells of that.
    pub watch: Option<Watch>,
    /// What an earlier daemon has left in the kernel.
    pub adopted: State,
    /// The servers' numbers that conntrack has.
    pub in_use: InUse,
}

/// Why there is no data plane.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// It cannot work on this machine.
    #[error("the {kind} data plane cannot work here: {what}; {remedy} (taken since {why})")]
    Unusable {
        /// Which one.
        kind: DataPlaneKind,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
        /// Why this one was taken.
        why: String,
    },
    /// The kernel cannot be asked.
    #[error(transparent)]
    Kernel(#[from] Error),
}

/// A data plane of this kind in this thread's network namespace. Changes nothing.
///
/// # Errors
/// When a socket to the kernel cannot be opened.
pub fn new(kind: DataPlaneKind, table: &str) -> Result<Box<dyn DataPlane>, Error> {
    Ok(match kind {
        DataPlaneKind::Nftables => Box::new(Nftables::new(table)?),
        DataPlaneKind::Ipvs => Box::new(Ipvs::new()?),
    })
}

/// Opens the data plane, says what it is, and reads what an earlier daemon has left. `watch_timeout`: how long a look
/// at what others do to our rules may block.
///
/// # Errors
/// When it cannot work on this machine.
pub fn open(
    chosen: &Chosen,
    daemon: &Daemon,
    watch_timeout: Duration,
) -> Result<Opened, PlaneError> {
    let kind = chosen.kind;
    let (mut plane, watch) = match kind {
        DataPlaneKind::Nftables => {
            let plane = Nftables::new(&daemon.table)?;
            let watch = plane.watch(watch_timeout).inspect_err(|error| {
                warn!(%error, "cannot notice at once when others change our rules; reading them from time to time does");
            });
            (Box::new(plane) as Box<dyn DataPlane>, watch.ok())
        }
        DataPlaneKind::Ipvs => (new(kind, &daemon.table)?, None),
    };
    let probe = plane.probe()?;
    info!(
        dataplane = plane.name(),
        why = chosen.why,
        found = probe.summary,
        "data plane"
    );
    for problem in &probe.problems {
        if problem.fatal {
            return Err(PlaneError::Unusable {
                kind,
                what: problem.what.clone(),
                remedy: problem.remedy.clone(),
                why: chosen.why.clone(),
            });
        }
        warn!(remedy = problem.remedy, "{}", problem.what);
    }
    let adopted = plane.read()?;
    // IPVS's connections name their servers themselves.
    let in_use = match kind {
        DataPlaneKind::Nftables => evenkeel_flows::numbers_in_use(),
        DataPlaneKind::Ipvs => Ok(InUse::new()),
    };
    let in_use = in_use.unwrap_or_else(|error| {
        warn!(%error, "cannot tell which servers' numbers conntrack has");
        InUse::new()
    });
    Ok(Opened {
        plane,
        watch,
        adopted,
        in_use,
    })
}
