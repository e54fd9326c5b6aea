//! `evenkeel plugin pack`.

use std::path::Path;

use anyhow::Context as _;
use evenkeel_runtime::PluginRuntime as _;

use super::inspect::inspect;
use super::runtime::runtime;
use crate::exit::{self, Failed};

/// Makes a plugin file of a core module. What cannot be loaded is not written.
///
/// # Errors
/// When the module cannot be made one.
pub(crate) fn pack(module: &Path, output: &Path) -> anyhow::Result<()> {
    let bytes =
        std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let wrong = |reason: String| {
        anyhow::Error::from(Failed::new(
            exit::CONFIG,
            format!("{}: {reason}", module.display()),
        ))
    };
    let packed = evenkeel_pack::pack(&bytes).map_err(|error| wrong(error.to_string()))?;
    let runtime = runtime(evenkeel_config::parse("", "").daemon())?;
    let works = |file: &Path| match runtime.load(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(wrong(error.reason)),
    };
    evenkeel_pack::write(output, &packed, works)
        .with_context(|| format!("cannot write {}", output.display()))?;
    inspect(output, None, false)
}
