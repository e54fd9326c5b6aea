//! What a file grants to plugins by having checks that need it.

use crate::document::{Source, Table, inline, quote};

/// What checks of the file may run and read: they are the grant for that.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// Each as a list of TOML.
    pub(super) commands: Vec<String>,
    pub(super) user: Option<String>,
    /// Each as a string of TOML.
    pub(super) files: Vec<String>,
}

impl Grants {
    /// `[plugins.grants]`, if there is anything to grant.
    pub(super) fn table(&self) -> Option<Table> {
        let mut table = Table::new("[plugins.grants]", Source::default());
        if !self.commands.is_empty() {
            let mut keys = vec![("commands", format!("[{}]", self.commands.join(", ")))];
            keys.extend(self.user.as_deref().map(|user| ("user", quote(user))));
            table.set("script", inline(&keys), Source::default());
        }
        if !self.files.is_empty() {
            let files = format!("[{}]", self.files.join(", "));
            table.set("file", inline(&[("files", files)]), Source::default());
        }
        (!table.lines.is_empty()).then_some(table)
    }
}

/// Adds what is not there yet.
pub(super) fn add(to: &mut Vec<String>, what: &str) {
    if !to.iter().any(|it| it == what) {
        to.push(what.to_owned());
    }
}
