//! Whose signatures under plugins count.

use std::path::Path;

use super::plugin::joined;
use super::schema::File;
use super::signature::{KeyOrFile, Required};
use evenkeel_core::model::{PluginTrust, TrustedKey};

/// What the file says. Where it is wrong about what is required, signatures are: plugins are looked at before the file
/// is refused for it.
pub(super) fn of(file: &File, dir: &Path) -> PluginTrust {
    let Some(table) = file.plugins.get().map(|table| &table.0) else {
        return PluginTrust {
            keys: Vec::new(),
            required: file.plugins.is_wrong(),
        };
    };
    let keys = table.trust.get().map_or(&[][..], |list| &list.0);
    let required = table.require.copied();
    PluginTrust {
        keys: keys
            .iter()
            .map(|key| match key {
                KeyOrFile::Key(key) => TrustedKey::Key(key.clone()),
                KeyOrFile::File(path) => TrustedKey::File(joined(dir, path)),
            })
            .collect(),
        required: required == Some(Required::Signed) || table.require.is_wrong(),
    }
}
