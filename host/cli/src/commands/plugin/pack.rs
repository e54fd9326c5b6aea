//! `evenkeel plugin pack`.

use std::path::Path;

use anyhow::Context as _;

use super::inspect;
use crate::exit::{self, Failed};

/// Makes a plugin file of a core module.
///
/// # Errors
/// When the module cannot be made one.
pub(crate) fn pack(module: &Path, output: &Path) -> anyhow::Result<()> {
    let bytes =
        std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let packed = evenkeel_pack::pack(&bytes)
        .map_err(|error| Failed::new(exit::CONFIG, format!("{}: {error}", module.display())))?;
    std::fs::write(output, &packed)
        .with_context(|| format!("cannot write {}", output.display()))?;
    inspect(output)
}
