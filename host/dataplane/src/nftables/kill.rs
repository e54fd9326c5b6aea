//! Ending the established flows of a backend, offloaded ones included.

use std::io;

use evenkeel_core::state::BackendId;

use super::flows;
use super::offload;
use super::read;
use super::socket::io_error;
use super::step::{NftOp, NftStep, Subject};
use super::table::{OurTable, TableState};
use crate::Error;

/// Ends the flows of a backend.
pub(super) fn kill_flows(table: &mut OurTable, backend: BackendId) -> Result<(), Error> {
    flows::kill(&mut table.socket, backend).map_err(failed)?;
    let offloads = matches!(&table.state, TableState::Holds(layout) if layout.offload.is_some());
    if offloads && flows::are_offloaded(&mut table.socket, backend).map_err(failed)? {
        kill_without_flowtable(table, backend)?;
    }
    if let Some(gone) = &mut table.gone {
        gone.remove(&backend);
    }
    Ok(())
}

/// Ends the flows of a backend on a kernel that deletes no conntrack entry whose flow is offloaded (before 6.4:
/// `EBUSY`, and a request by mark leaves it out). The flowtable is taken down and put back: all flows take the slow
/// path meanwhile, for some milliseconds as a rule.
///
/// # Errors
/// [`Error::Io`], [`Error::Refused`].
pub(super) fn kill_without_flowtable(
    table: &mut OurTable,
    backend: BackendId,
) -> Result<(), Error> {
    let Some(interfaces) = read::offload_interfaces(&mut table.socket, &table.name)? else {
        return Ok(());
    };
    // Whatever fails from here on, what there is has to be read.
    let known = std::mem::replace(&mut table.state, TableState::Unknown);
    let (socket, name) = (&mut table.socket, table.name.as_str());
    let down = [NftOp::DeleteOffloadChain, NftOp::DeleteFlowtable];
    socket.commit(name, &NftStep::all(Subject::Offload, down))?;
    let ended = flows::kill_when_on_slow_path(socket, backend).map_err(failed);
    let interfaces = offload::present(&interfaces);
    let back = [
        NftOp::AddFlowtable,
        NftOp::AddOffloadChain,
        NftOp::AddInterfaces(interfaces.iter().cloned().collect()),
    ];
    socket.commit(name, &NftStep::all(Subject::Offload, back))?;
    table.state = known;
    if let TableState::Holds(layout) = &mut table.state {
        layout.offload = Some(interfaces);
    }
    ended
}

fn failed(error: io::Error) -> Error {
    io_error("end a backend's flows")(error)
}
