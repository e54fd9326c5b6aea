//! Calls that this contract has otherwise than later ones, or not at all.

use wasmtime::component::Resource;
use wasmtime::{Result, Store};

use super::checker::evenkeel::plugin::target_io::Target;
use super::scheduler::evenkeel::plugin::types::Setting;
use super::scheduler::exports::evenkeel::plugin::scheduler::Guest;
use crate::wasm::state::State;
use crate::{Backend, DirectorRole, SavedState, ServiceContext};

pub(super) fn configure(
    guest: &Guest,
    store: &mut Store<State>,
    settings: &[Setting],
    _: &ServiceContext,
) -> Result<std::result::Result<(), String>> {
    guest.call_configure(store, settings)
}

/// All settings fit all servers.
pub(super) fn validate(
    _: &Guest,
    _: &mut Store<State>,
    _: &[Backend],
) -> Result<std::result::Result<(), String>> {
    Ok(Ok(()))
}

/// It does not hear of it.
pub(super) fn set_role(_: &Guest, _: &mut Store<State>, _: DirectorRole) -> Result<()> {
    Ok(())
}

pub(super) fn export_state(_: &Guest, _: &mut Store<State>) -> Result<Option<SavedState>> {
    Ok(None)
}

pub(super) fn import_state(
    _: &Guest,
    _: &mut Store<State>,
    _: &SavedState,
) -> Result<std::result::Result<(), String>> {
    Ok(Err("contract 0.1 has no handover of state".to_owned()))
}

/// What a check is lent. The number means nothing: the store knows only the target of the check under way.
pub(super) fn target() -> Resource<Target> {
    Resource::new_borrow(0)
}
