//! What single plugins are granted, and whether that is what they need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::plugin::Settings;
use super::reader::Reader;
use super::schema::{File, GrantTable};
use super::tree::Span;
use evenkeel_core::manifest::{Setting, SettingValue};
use evenkeel_core::model::{COMMAND, Grant, Needs, PATH, PINGS};

/// What the file says, and what plugins that are shipped have without that.
pub(super) fn of(file: &File) -> BTreeMap<String, Grant> {
    let icmp = |name: &str| PINGS.contains(&name);
    let of_itself = |name: &str| Grant {
        icmp: icmp(name),
        ..Grant::default()
    };
    let mut grants: BTreeMap<String, Grant> = PINGS
        .iter()
        .map(|name| ((*name).to_owned(), of_itself(name)))
        .collect();
    let plugins = file.plugins.get().and_then(|it| it.0.grants.get());
    for (name, table) in plugins.into_iter().flat_map(|it| &it.0) {
        grants.insert(name.clone(), grant(table, icmp(name)));
    }
    grants
}

fn grant(table: &GrantTable, icmp: bool) -> Grant {
    let commands = table.commands.get().map_or(&[][..], |list| &list.0);
    let files = table.files.get().map_or(&[][..], |list| &list.0);
    Grant {
        commands: commands.iter().map(|it| it.words(Path::new(""))).collect(),
        user: table.user.get().map(|it| it.0.clone()),
        files: files.iter().map(|it| it.0.clone()).collect(),
        icmp: table.icmp.copied().unwrap_or(icmp),
    }
}

/// Whether something in a file's grants is wrong, which has been reported: what they would allow is not known then.
pub(super) fn are_wrong(file: &File) -> bool {
    let Some(plugins) = file.plugins.get() else {
        return file.plugins.is_wrong();
    };
    let Some(grants) = plugins.0.grants.get() else {
        return plugins.0.grants.is_wrong();
    };
    grants.0.values().any(|table| {
        table.commands.is_wrong()
            || table.user.is_wrong()
            || table.files.is_wrong()
            || table.icmp.is_wrong()
    })
}

/// A plugin that is used with these settings.
pub(super) struct Used<'a> {
    /// The name in its manifest.
    pub(super) name: &'a str,
    pub(super) needs: Needs,
    /// As the plugin gets them.
    pub(super) settings: &'a [Setting],
    /// As they are written.
    pub(super) written: &'a Settings,
    /// Where the plugin is named.
    pub(super) at: &'a Span,
}

/// Whether a plugin is granted what it needs. Reports what is not.
pub(super) fn check(used: &Used<'_>, grant: Option<&Grant>, reader: &mut Reader) -> Option<()> {
    let none = Grant::default();
    let grant = grant.unwrap_or(&none);
    let command = !used.needs.command || command(used, grant, reader);
    let file = !used.needs.file || file(used, grant, reader);
    let icmp = !used.needs.icmp || grant.icmp;
    if !icmp {
        let wanted = Grant {
            icmp: true,
            ..grant.clone()
        };
        let name = used.name;
        let message = format!("plugin {name} sends ICMP, which is not granted to it");
        refuse(used, message, used.at, &wanted, reader);
    }
    (command && file && icmp).then_some(())
}

fn command(used: &Used<'_>, grant: &Grant, reader: &mut Reader) -> bool {
    let setting = used.settings.iter().find(|it| it.key == COMMAND);
    let Some(SettingValue::TextList(words)) = setting.map(|it| &it.value) else {
        return lacks(used, COMMAND, "a list of strings", reader);
    };
    let at = place(used, COMMAND);
    if !words.first().is_some_and(|it| it.starts_with('/')) {
        let help = "write [\"/path/of/program\", \"argument\"]";
        let message = "a command begins with the whole path of its program".to_owned();
        reader.error(&at, message, Some(help.to_owned()));
        return false;
    }
    let granted = grant.commands.contains(words);
    if !granted {
        let mut wanted = grant.clone();
        wanted.commands.push(words.clone());
        let message = format!("plugin {} is not granted this command", used.name);
        refuse(used, message, &at, &wanted, reader);
    }
    granted
}

fn file(used: &Used<'_>, grant: &Grant, reader: &mut Reader) -> bool {
    let setting = used.settings.iter().find(|it| it.key == PATH);
    let Some(SettingValue::Text(path)) = setting.map(|it| &it.value) else {
        return lacks(used, PATH, "a string", reader);
    };
    let at = place(used, PATH);
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        let help = "write it from / on".to_owned();
        reader.error(&at, "the path is not a whole one".to_owned(), Some(help));
        return false;
    }
    let granted = grant.files.contains(&path);
    if !granted {
        let mut wanted = grant.clone();
        wanted.files.push(path);
        let message = format!("plugin {} is not granted this file", used.name);
        refuse(used, message, &at, &wanted, reader);
    }
    granted
}

/// A plugin without the setting that says what it is to be granted.
fn lacks(used: &Used<'_>, key: &str, kind: &str, reader: &mut Reader) -> bool {
    let name = used.name;
    let message =
        format!("plugin {name} wants a grant, but has no setting {key} that says of what");
    let help = format!("its author has to add one: {kind}");
    reader.error(used.at, message, Some(help));
    false
}

fn place(used: &Used<'_>, key: &str) -> Span {
    let written = used.written.0.get(key);
    written.map_or_else(|| used.at.clone(), |it| it.node.span.clone())
}

/// Prints the line that would grant it.
fn refuse(used: &Used<'_>, message: String, at: &Span, wanted: &Grant, reader: &mut Reader) {
    let line = line(used.name, wanted);
    let help = format!("if that is wanted, write:\n[plugins.grants]\n{line}");
    reader.error(at, message, Some(help));
}

/// As a file has it under `[plugins.grants]`.
fn line(name: &str, grant: &Grant) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned());
    let list = |values: Vec<toml::Value>| toml::Value::Array(values);
    let words = |words: &Vec<String>| list(words.iter().map(|it| text(it)).collect());
    let mut keys = Vec::new();
    if !grant.commands.is_empty() {
        let commands = list(grant.commands.iter().map(words).collect());
        keys.push(format!("commands = {commands}"));
    }
    if let Some(user) = &grant.user {
        keys.push(format!("user = {}", text(user)));
    }
    if !grant.files.is_empty() {
        let files = grant.files.iter().map(|it| text(&it.to_string_lossy()));
        keys.push(format!("files = {}", list(files.collect())));
    }
    if grant.icmp && !PINGS.contains(&name) {
        keys.push("icmp = true".to_owned());
    }
    format!("{name} = {{ {} }}", keys.join(", "))
}
