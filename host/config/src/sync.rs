//! `[connection_sync]`.

use super::optional::optional;
use super::plugin::Single;
use super::reader::{Field, Reader};
use super::schema::{ConnectionSyncTable, File};
use super::vrrp::DefinedNames;
use evenkeel_core::model::{ConnectionSync, Vrrp};

/// What is to be copied to the other director, if anything; `None` too if it is wrong, which has been reported then.
pub(super) fn connection_sync(
    file: &File,
    vrrp: &Vrrp,
    reader: &mut Reader,
) -> Option<ConnectionSync> {
    let Single(table) = file.connection_sync.get()?;
    if let Some(name) = table.vrrp.get() {
        let instances = DefinedNames::of(&file.vrrp, |vrrp| &vrrp.name);
        instances.check("vrrp", &name.0, &table.vrrp.at, "instances", reader);
    }
    sync(table, vrrp)
}

fn sync(table: &ConnectionSyncTable, vrrp: &Vrrp) -> Option<ConnectionSync> {
    let name = &table.vrrp.get()?.0;
    let instance = vrrp.instances.iter().find(|it| it.name == *name)?;
    let id = number(&table.id, |id| u8::try_from(id.0).ok())?;
    Some(ConnectionSync {
        interface: table.interface.get()?.0.clone(),
        vrrp: name.clone(),
        id: id.unwrap_or(instance.router_id),
        group: optional(&table.group, |group| group.0)?,
        port: number(&table.port, |port| u16::try_from(port.0).ok())?,
        ttl: number(&table.ttl, |ttl| u8::try_from(ttl.0).ok())?,
        max_len: number(&table.max_len, |len| u16::try_from(len.0).ok())?,
    })
}

/// A number that need not be there; `None` for one that is wrong.
fn number<T, V>(field: &Field<T>, value: impl FnOnce(&T) -> Option<V>) -> Option<Option<V>> {
    match optional(field, value)? {
        Some(number) => number.map(Some),
        None => Some(None),
    }
}
