//! The names that the file defines, for those that refer to them.

use std::collections::BTreeSet;

use crate::plugin::Many;
use crate::reader::{Field, Reader, Wrong, suggest};
use crate::schema::File;
use crate::tree::Span;
use crate::value::Name;

/// The names that a table may refer to.
pub(crate) struct DefinedNames<'a> {
    names: BTreeSet<&'a str>,
    /// Whether all of them could be read.
    complete: bool,
}

impl<'a> DefinedNames<'a> {
    pub(crate) fn of<T>(field: &'a Field<Many<T>>, name: fn(&T) -> &Field<Name>) -> Self {
        let tables = field.tables();
        let names: Vec<&Field<Name>> = tables.iter().map(name).collect();
        let others = field.get().is_some_and(|many| many.others);
        Self {
            complete: !field.is_wrong() && !others && names.iter().all(|name| name.get().is_some()),
            names: names
                .iter()
                .filter_map(|name| name.get())
                .map(|name| name.0.as_str())
                .collect(),
        }
    }

    /// Reports a name that there is not. `what` is what it should be one of, in the plural.
    pub(crate) fn check(&self, key: &str, name: &str, at: &Span, what: &str, reader: &mut Reader) {
        if self.names.contains(name) || !self.complete {
            return;
        }
        let names: Vec<&str> = self.names.iter().copied().collect();
        let help = suggest(name, &names, what);
        let one = what.trim_end_matches('s');
        reader.wrong_at(key, at, Wrong::new(format!("there is no such {one}"), help));
    }
}

/// What can be tracked by name.
pub(super) struct TrackedNames<'a> {
    pub(super) scripts: DefinedNames<'a>,
    pub(super) services: DefinedNames<'a>,
}

impl<'a> TrackedNames<'a> {
    pub(super) fn of(file: &'a File) -> Self {
        Self {
            scripts: DefinedNames::of(&file.script, |script| &script.name),
            services: DefinedNames::of(&file.service, |service| &service.name),
        }
    }
}
