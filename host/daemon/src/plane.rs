//! Opens the data plane that the configuration comes to.

use evenkeel_core::model::{Daemon, DataPlaneKind};
use evenkeel_core::state::State;
use evenkeel_dataplane::nftables::{Nftables, Watch};
use evenkeel_dataplane::{DataPlane, Error};
use tracing::{info, warn};

use crate::exit::{self, Failed};
use crate::kernel::WATCH_PATIENCE;

/// A data plane that works here.
pub(crate) struct Opened {
    /// The data plane.
    pub(crate) plane: Box<dyn DataPlane>,
    /// Notices what others do to what is ours, where the kernel tells of that.
    pub(crate) watch: Option<Watch>,
    /// What an earlier daemon has left in the kernel.
    pub(crate) adopted: State,
}

/// A data plane of this kind in this thread's network namespace. Changes nothing.
///
/// # Errors
/// When a socket to the kernel cannot be opened.
pub(crate) fn new(kind: DataPlaneKind, table: &str) -> Result<Box<dyn DataPlane>, Error> {
    Ok(match kind {
        DataPlaneKind::Nftables => Box::new(Nftables::new(table)?),
        DataPlaneKind::Ipvs => return Err(Error::Invalid("no IPVS yet".to_owned())),
    })
}

/// Opens the data plane, says what it is, and reads what an earlier daemon has left.
///
/// # Errors
/// When it cannot work on this machine.
pub(crate) fn open(kind: DataPlaneKind, daemon: &Daemon) -> anyhow::Result<Opened> {
    let (mut plane, watch) = match kind {
        DataPlaneKind::Nftables => {
            let plane = Nftables::new(&daemon.table)?;
            let watch = plane.watch(WATCH_PATIENCE).inspect_err(|error| {
                warn!(%error, "cannot notice at once when others change our rules; reading them from time to time does");
            });
            (Box::new(plane) as Box<dyn DataPlane>, watch.ok())
        }
        DataPlaneKind::Ipvs => (new(kind, &daemon.table)?, None),
    };
    let probe = plane.probe()?;
    info!(
        dataplane = plane.name(),
        found = probe.summary,
        "data plane"
    );
    for problem in &probe.problems {
        if problem.fatal {
            let message = format!(
                "the {kind} data plane cannot work here: {}; {}",
                problem.what, problem.remedy
            );
            return Err(Failed::new(exit::FAILURE, message).into());
        }
        warn!(remedy = problem.remedy, "{}", problem.what);
    }
    let adopted = plane.read()?;
    Ok(Opened {
        plane,
        watch,
        adopted,
    })
}
