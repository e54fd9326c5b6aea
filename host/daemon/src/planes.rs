//! Which data planes work on this machine.

use evenkeel_core::model::DataPlaneKind;
use evenkeel_dataplane::nftables::Nftables;
use evenkeel_dataplane::{DataPlane as _, Error, Probe};

/// Whether a data plane works here, for [`crate::prepare::Preparer::on_machine`]. Blocks. `table`: the name of nftables' table.
///
/// # Errors
/// What keeps it from working, and what to do about it.
pub(crate) fn works(kind: DataPlaneKind, table: &str) -> Result<(), String> {
    let probe = probe(kind, table).map_err(|error| error.to_string())?;
    match probe.problems.iter().find(|problem| problem.fatal) {
        None => Ok(()),
        Some(problem) => Err(format!("{} ({})", problem.what, problem.remedy)),
    }
}

/// What a data plane finds on this machine. Blocks. `table`: the name of nftables' table.
///
/// # Errors
/// As [`evenkeel_dataplane::DataPlane::probe`].
pub(crate) fn probe(kind: DataPlaneKind, table: &str) -> Result<Probe, Error> {
    match kind {
        DataPlaneKind::Nftables => Nftables::new(table)?.probe(),
        // MERGE: the probe of the IPVS data plane belongs here.
        DataPlaneKind::Ipvs => Ok(Probe {
            summary: "ipvs: not looked at".to_owned(),
            problems: Vec::new(),
        }),
    }
}
