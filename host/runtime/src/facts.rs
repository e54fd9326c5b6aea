//! What a plugin's file is, beside what it says about itself.

use std::path::{Path, PathBuf};

use crate::{LoadError, Sha256, wasm};

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
    /// The interfaces that it offers; likewise.
    pub exports: Vec<String>,
}

impl FileFacts {
    /// Of a file with this content.
    ///
    /// # Errors
    /// When it is neither a shared object nor a component.
    pub fn of(file: &Path, content: &[u8]) -> Result<Self, LoadError> {
        let native = file.extension().is_some_and(|it| it == "so");
        let names = if native {
            Ok((Vec::new(), Vec::new()))
        } else {
            wasm::interfaces(content)
        };
        let (imports, exports) = names.map_err(|reason| LoadError::new(file, &reason))?;
        Ok(Self {
            file: file.to_owned(),
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
            sha256: Sha256::of(content),
            runtime: if native { "native" } else { "wasm" },
            imports,
            exports,
        })
    }
}
