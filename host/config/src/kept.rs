//! Settings of plugins of which the configuration says only where they are kept: secrets, and what is in files.

use std::path::Path;

use evenkeel_core::secret::Secret;

use crate::machine::{MachineSupport, SecretSource};
use crate::plugin::joined;
use crate::reader::{Leaf, Reader, Wrong, suggest};
use crate::tree::{Node, Table, Value};
use crate::value::{FilePath, text};

/// What a credential of systemd's may be called, as it is the name of a file (systemd.exec(5), `LoadCredential=`).
const LONGEST_NAME: usize = 255;

/// The content of the file that the configuration names, from `dir` on.
pub(super) fn file(
    key: &str,
    node: &Node,
    dir: &Path,
    machine: &dyn MachineSupport,
    reader: &mut Reader,
) -> Option<String> {
    let read = FilePath::leaf(&node.value).and_then(|FilePath(path)| {
        machine
            .text(&joined(dir, &path))
            .map_err(|what| Wrong { what, help: None })
    });
    match read {
        Ok(text) => Some(text),
        Err(wrong) => {
            reader.wrong(key, node, wrong);
            None
        }
    }
}

/// The secret that `{ file = ... }` or `{ credential = ... }` means; files start from `dir`.
pub(super) fn secret(
    key: &str,
    node: &Node,
    dir: &Path,
    machine: &dyn MachineSupport,
    reader: &mut Reader,
) -> Option<Secret> {
    let Value::Table(table) = &node.value else {
        // Whatever stands there may be the secret itself.
        reader.hide(node.span.clone());
        let help = format!(
            "put it into a file that only the daemon's user can read, and write {key} = {{ file = \"/etc/evenkeel/{key}\" }}; \
             or {key} = {{ credential = \"{key}\" }} with LoadCredential= in the daemon's unit"
        );
        let what = "a secret does not stand in the configuration, which others may read";
        reader.wrong(key, node, Wrong::new(what, help));
        return None;
    };
    let source = source(key, table, node, dir, reader)?;
    match machine.secret(&source) {
        Ok(secret) => Some(secret),
        Err(reason) => {
            reader.error(&node.span, format!("{key}: {source}: {reason}"), None);
            None
        }
    }
}

fn source(
    key: &str,
    table: &Table,
    node: &Node,
    dir: &Path,
    reader: &mut Reader,
) -> Option<SecretSource> {
    let [entry] = table.entries.as_slice() else {
        reader.hide(node.span.clone());
        let help =
            format!("write {key} = {{ file = \"...\" }} or {key} = {{ credential = \"...\" }}");
        reader.error(
            &node.span,
            format!("{key} names no place, or several"),
            Some(help),
        );
        return None;
    };
    let read = match &*entry.key {
        "file" => FilePath::leaf(&entry.node.value)
            .map(|FilePath(path)| SecretSource::File(joined(dir, &path))),
        "credential" => credential(&entry.node.value).map(SecretSource::Credential),
        other => {
            // It may be a secret with a slip before it.
            reader.hide(entry.node.span.clone());
            let help = suggest(other, &["file", "credential"], "where a secret is kept");
            let message = format!("{key} has no key {}", reader.written(&entry.at));
            reader.error(&entry.at, message, Some(help));
            return None;
        }
    };
    match read {
        Ok(source) => Some(source),
        Err(wrong) => {
            reader.wrong(&format!("{key}.{}", entry.key), &entry.node, wrong);
            None
        }
    }
}

fn credential(value: &Value) -> Result<String, Wrong> {
    let name = text(value, "the name of a credential")?;
    let is_name = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with('.')
        && !name.contains(|c: char| c == '/' || c.is_control());
    if is_name {
        return Ok(name.to_owned());
    }
    Err(Wrong::new(
        "not the name of a credential",
        "it is what stands before the colon of LoadCredential=NAME:FILE in the daemon's unit",
    ))
}
