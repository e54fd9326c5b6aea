//! What instances watch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::mixed::Mixed;
use super::super::plugin::joined;
use super::super::reader::{Field, Reader};
use super::super::schema::{File, ScriptTable, TrackTable, VrrpTable};
use super::super::tree::Span;
use super::names::TrackedNames;
use crate::optional::optional;
use crate::unique::unique;
use evenkeel_core::model::{Script, Track, Tracked};

/// What an instance watches; `None` if something in it is wrong.
pub(super) fn all(
    table: &VrrpTable,
    names: &TrackedNames<'_>,
    dir: &Path,
    reader: &mut Reader,
) -> Option<Vec<Track>> {
    let Some(Mixed { tables, others }) = table.track.get() else {
        return (!table.track.is_wrong()).then(Vec::new);
    };
    let mut seen = BTreeMap::new();
    let read: Vec<Option<Track>> = tables
        .iter()
        .map(|entry| one(entry, names, dir, &mut seen, reader))
        .collect();
    let read: Vec<Track> = read.into_iter().collect::<Option<_>>()?;
    let weighted = read.iter().any(|track| track.weight != 0);
    if weighted && table.preempt.copied() == Some(false) {
        let at = &table.preempt.at;
        let message = format!(
            "preempt = {}: a master whose priority falls by the weights of track stays master",
            reader.written(at)
        );
        let help = "with weight = 0 what fails puts it into fault, and another director takes over";
        reader.warning(at, message, Some(help.to_owned()));
    }
    (!others).then_some(read)
}

fn one(
    entry: &TrackTable,
    names: &TrackedNames<'_>,
    dir: &Path,
    seen: &mut BTreeMap<Tracked, Span>,
    reader: &mut Reader,
) -> Option<Track> {
    let weight = entry.weight.get().map(|weight| weight.0);
    let found: [(&str, bool, &Span, Option<Tracked>); 5] = [
        choice("interface", &entry.interface, |name| {
            Tracked::Interface(name.0.clone())
        }),
        choice("script", &entry.script, |name| {
            Tracked::Script(name.0.clone())
        }),
        choice("file", &entry.file, |path| {
            Tracked::File(joined(dir, &path.0))
        }),
        choice("process", &entry.process, |name| {
            Tracked::Process(name.0.clone())
        }),
        choice("service", &entry.service, |name| {
            Tracked::Service(name.0.clone())
        }),
    ];
    let mut written = found.into_iter().filter(|(_, written, ..)| *written);
    let Some((key, _, at, what)) = written.next() else {
        let help = "add interface, script, file, process or service".to_owned();
        let message = "[[vrrp.track]] names nothing to be watched".to_owned();
        // None of them is written, so this is the table's place.
        reader.missing(&entry.interface.at, message, Some(help));
        return None;
    };
    if let Some((second, _, at, _)) = written.next() {
        let message = format!("{key} and {second} in one [[vrrp.track]]");
        let help = "write one of them, and another [[vrrp.track]] for the other".to_owned();
        reader.error(at, message, Some(help));
        return None;
    }
    let what = what?;
    match &what {
        Tracked::Script(name) => names.scripts.check(key, name, at, "scripts", reader),
        Tracked::Service(name) => names.services.check(key, name, at, "services", reader),
        Tracked::Interface(_) | Tracked::File(_) | Tracked::Process(_) => {}
    }
    unique(
        seen,
        what.clone(),
        key,
        at,
        "the instance tracks this already",
        reader,
    );
    Some(Track {
        what,
        weight: weight?,
        reverse: entry.reverse.copied()?,
    })
}

fn choice<'a, T>(
    key: &'static str,
    field: &'a Field<T>,
    what: impl FnOnce(&T) -> Tracked,
) -> (&'static str, bool, &'a Span, Option<Tracked>) {
    (key, field.written, &field.at, field.get().map(what))
}

/// The scripts. Those with something wrong in them are left out.
pub(super) fn scripts(file: &File, dir: &Path, reader: &mut Reader) -> Vec<Script> {
    let tracked: BTreeSet<&str> = file
        .vrrp
        .tables()
        .iter()
        .filter_map(|vrrp| vrrp.track.get())
        .flat_map(|track| &track.tables)
        .filter_map(|track| track.script.get())
        .map(|name| name.0.as_str())
        .collect();
    let mut seen = BTreeMap::new();
    let read: Vec<Option<Script>> = file
        .script
        .tables()
        .iter()
        .map(|table| {
            if let Some(name) = table.name.get() {
                let at = &table.name.at;
                let what = "another script has this name";
                unique(&mut seen, name.0.clone(), "name", at, what, reader);
                if !tracked.contains(name.0.as_str()) && !reader.has_errors() {
                    let message = format!(
                        "name = {}: no instance tracks this script",
                        reader.written(at)
                    );
                    let help = format!(
                        "it is not run; add track = [{{ script = \"{}\" }}] to a [[vrrp]]",
                        name.0
                    );
                    reader.warning(at, message, Some(help));
                }
            }
            script(table, dir)
        })
        .collect();
    read.into_iter().flatten().collect()
}

fn script(table: &ScriptTable, dir: &Path) -> Option<Script> {
    let interval = table.interval.get()?.0;
    Some(Script {
        name: table.name.get()?.0.clone(),
        command: table.command.get()?.words(dir),
        interval,
        timeout: optional(&table.timeout, |period| period.0)?.unwrap_or(interval),
        rise: table.rise.get()?.0,
        fall: table.fall.get()?.0,
    })
}
