//! What a plugin's file is, beside what it says about itself.

use std::path::{Path, PathBuf};

use crate::{LoadError, MAX_PLUGIN, Sha256, files, wasm};

/// Facts of a plugin's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// The file.
    pub file: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Of its content.
    pub sha256: Sha256,
    /// `wasm` or `native`.
    pub runtime: &'static str,
    /// The interfaces that it wants of the host; none are known of a native plugin. Fit for a terminal.
    pub imports: Vec<String>,
}

impl FileFacts {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or is neither a shared object nor a component.
    pub fn of(file: &Path) -> Result<Self, LoadError> {
        let wrong = |reason: String| LoadError::new(file, &reason);
        let bytes = files::read(file, MAX_PLUGIN).map_err(|error| wrong(error.to_string()))?;
        let native = file.extension().is_some_and(|it| it == "so");
        Ok(Self {
            file: file.to_owned(),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            sha256: Sha256::of(&bytes),
            runtime: if native { "native" } else { "wasm" },
            imports: if native {
                Vec::new()
            } else {
                wasm::imports(&bytes).map_err(wrong)?
            },
        })
    }
}
