//! What is run when a state changes.

use std::path::Path;

use crate::command::Command;
use crate::optional::optional;
use crate::plugin::Single;
use crate::reader::Field;
use crate::schema::NotifyTable;
use evenkeel_core::model::Notify;

/// The commands; `None` if something in them is wrong. Relative paths start from `dir`.
pub(super) fn notify(field: &Field<Single<NotifyTable>>, dir: &Path) -> Option<Notify> {
    let Some(Single(table)) = field.get() else {
        return (!field.is_wrong()).then(Notify::default);
    };
    let words = |command: &Field<Command>| {
        optional(command, |command| command.words(dir)).map(Option::unwrap_or_default)
    };
    Some(Notify {
        master: words(&table.master)?,
        backup: words(&table.backup)?,
        fault: words(&table.fault)?,
        stop: words(&table.stop)?,
        any: words(&table.any)?,
    })
}
