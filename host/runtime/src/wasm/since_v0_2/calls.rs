//! Calls that earlier contracts have otherwise, or not at all.

use wasmtime::component::Resource;
use wasmtime::{Result, Store};

use super::checker::evenkeel::plugin::target_io::Target;
use super::convert;
use super::scheduler::evenkeel::plugin::types::Setting;
use super::scheduler::exports::evenkeel::plugin::scheduler::Guest;
use crate::wasm::state::State;
use crate::{Backend, DirectorRole, SavedState, ServiceContext};

pub(super) fn configure(
    guest: &Guest,
    store: &mut Store<State>,
    settings: &[Setting],
    context: &ServiceContext,
) -> Result<std::result::Result<(), String>> {
    guest.call_configure(store, settings, &convert::context(context))
}

pub(super) fn validate(
    guest: &Guest,
    store: &mut Store<State>,
    backends: &[Backend],
) -> Result<std::result::Result<(), String>> {
    guest.call_validate(store, &convert::backends(backends))
}

pub(super) fn set_role(guest: &Guest, store: &mut Store<State>, role: DirectorRole) -> Result<()> {
    guest.call_set_role(store, convert::role(role))
}

pub(super) fn export_state(guest: &Guest, store: &mut Store<State>) -> Result<Option<SavedState>> {
    let state = guest.call_export_state(store)?;
    Ok(state.map(convert::saved))
}

pub(super) fn import_state(
    guest: &Guest,
    store: &mut Store<State>,
    state: &SavedState,
) -> Result<std::result::Result<(), String>> {
    guest.call_import_state(store, &convert::state(state))
}

/// What a check gets. The number means nothing: the store knows only the target of the check under way.
pub(super) fn target() -> Resource<Target> {
    Resource::new_own(0)
}
