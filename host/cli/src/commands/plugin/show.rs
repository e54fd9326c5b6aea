//! Settings in words.

use evenkeel_core::manifest::SettingSpec;

/// The values that it takes, and what it has otherwise.
pub(super) fn kind(setting: &SettingSpec) -> String {
    let need = match &setting.default {
        Some(value) => format!("[{value}]"),
        None if setting.required => "(required)".to_owned(),
        None => "(optional)".to_owned(),
    };
    format!("{} {need}", setting.kind)
}
