//! Settings in words.

use evenkeel_core::manifest::{SettingSpec, SettingValue};

/// The values that it takes, and what it has otherwise.
pub(super) fn kind(setting: &SettingSpec) -> String {
    let need = match &setting.default {
        Some(value) => format!("[{}]", show(value)),
        None if setting.required => "(required)".to_owned(),
        None => "(optional)".to_owned(),
    };
    format!("{} {need}", setting.kind)
}

/// As it is written in a configuration.
pub(super) fn show(value: &SettingValue) -> String {
    match value {
        SettingValue::Boolean(value) => value.to_string(),
        SettingValue::Integer(value) => value.to_string(),
        SettingValue::Number(value) => value.to_string(),
        SettingValue::Text(value) => format!("{value:?}"),
        SettingValue::TextList(value) => format!("{value:?}"),
        SettingValue::Duration(value) => format!("\"{value:?}\""),
        SettingValue::Secret(_) => "\"***\"".to_owned(),
        SettingValue::Tables(tables) => {
            let tables = tables.iter().map(|table| {
                let entries = table.iter();
                let entries = entries.map(|it| format!("{} = {}", it.key, show(&it.value)));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            });
            format!("[{}]", tables.collect::<Vec<_>>().join(", "))
        }
    }
}
