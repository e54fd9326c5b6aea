//! What plugins may use: all of them, and single ones.

use std::collections::BTreeMap;

use super::reader::{Field, Reader};
use super::schema::{File, PluginSandboxTable, SandboxTable};
use super::unique::unique;
use super::units::{Period, Size};
use super::value::Whole;
use evenkeel_core::model::Sandbox;

/// What plugins may use that have no limits of their own.
pub(super) fn of_all(file: &File) -> Sandbox {
    let table = file.sandbox.get();
    table.map(|table| sandbox(&table.0)).unwrap_or_default()
}

/// What plugins may use that have limits of their own, by name.
pub(super) fn of_plugins(file: &File) -> BTreeMap<String, Sandbox> {
    let all = of_all(file);
    let tables = file.plugin_sandbox.tables().iter();
    tables
        .filter_map(|table| Some((table.plugin.get()?.0.clone(), own(table, all))))
        .collect()
}

/// Reports a plugin that has several tables.
pub(super) fn check(file: &File, reader: &mut Reader) {
    let mut seen = BTreeMap::new();
    for table in file.plugin_sandbox.tables() {
        if let Some(name) = table.plugin.get() {
            unique(
                &mut seen,
                name.0.clone(),
                "plugin",
                &table.plugin.at,
                "another [[plugin_sandbox]] is of this plugin",
                reader,
            );
        }
    }
}

/// What a table says, and otherwise what `$all` has.
macro_rules! limits {
    ($table:expr, $all:expr) => {{
        let (table, all): (_, Sandbox) = ($table, $all);
        Sandbox {
            call_time: period(&table.call_time, all.call_time),
            pick_time: period(&table.pick_time, all.pick_time),
            memory: size(&table.memory, all.memory),
            total_memory: all.total_memory,
            table_elements: count(&table.table_elements, all.table_elements),
            instances: count(&table.instances, all.instances),
            check_connections: table
                .check_connections
                .get()
                .map_or(all.check_connections, |value| value.0),
            check_bytes: table
                .check_bytes
                .get()
                .map_or(all.check_bytes, |value| value.0),
        }
    }};
}

fn sandbox(table: &SandboxTable) -> Sandbox {
    let default = Sandbox::default();
    Sandbox {
        total_memory: size(&table.total_memory, default.total_memory),
        ..limits!(table, default)
    }
}

fn own(table: &PluginSandboxTable, all: Sandbox) -> Sandbox {
    limits!(table, all)
}

fn period<const MIN: u64, const MAX: u64>(
    field: &Field<Period<MIN, MAX>>,
    otherwise: std::time::Duration,
) -> std::time::Duration {
    field.get().map_or(otherwise, |value| value.0)
}

fn size<const MIN: u64, const MAX: u64>(field: &Field<Size<MIN, MAX>>, otherwise: usize) -> usize {
    let size = |value: &Size<MIN, MAX>| usize::try_from(value.0).unwrap_or(usize::MAX);
    field.get().map_or(otherwise, size)
}

fn count<const MIN: u32, const MAX: u32>(
    field: &Field<Whole<MIN, MAX>>,
    otherwise: usize,
) -> usize {
    let count = |value: &Whole<MIN, MAX>| usize::try_from(value.0).unwrap_or(usize::MAX);
    field.get().map_or(otherwise, count)
}
