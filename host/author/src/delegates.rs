//! The schedulers that a plugin leaves servers to, found as its author has them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::model::PluginRef;
use evenkeel_runtime::catalogue::Catalogue;
use evenkeel_runtime::delegating::{self, delegates_of};
use evenkeel_runtime::wasm::WasmRuntime;
use evenkeel_runtime::{Plugin, PluginRuntime as _};

use crate::Refused;

/// Loads a plugin file, and its delegates with it: from the file's own directory, and then from these.
///
/// # Errors
/// The file, or a delegate of it, cannot be used.
pub fn load(
    runtime: &WasmRuntime,
    file: &Path,
    plugin_dirs: &[PathBuf],
) -> Result<Arc<dyn Plugin>, Refused> {
    let plugin = runtime
        .load(file)
        .map_err(|error| Refused(error.to_string()))?;
    let names = delegates_of(plugin.manifest());
    if names.is_empty() {
        return Ok(plugin);
    }
    let own = file.parent().map(Path::to_owned).into_iter();
    // The name of a file alone has an empty parent.
    let own = own.map(|dir| {
        if dir.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            dir
        }
    });
    let dirs: Vec<PathBuf> = own.chain(plugin_dirs.iter().cloned()).collect();
    let mut catalogue = Catalogue::scan(runtime, &dirs);
    let references: Vec<PluginRef> = names.iter().cloned().map(PluginRef::Name).collect();
    catalogue.load(runtime, &references);
    delegating::with(&plugin, |name| {
        let reference = PluginRef::Name(name.to_owned());
        let searched = || {
            let dirs: Vec<String> = dirs.iter().map(|it| it.display().to_string()).collect();
            format!("is not in {} (--plugin-dir)", dirs.join(", "))
        };
        catalogue.get(&reference).ok_or_else(searched)
    })
    .map_err(|reason| Refused(format!("{} {reason}", plugin.manifest().name)))
}
