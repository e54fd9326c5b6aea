//! Where a configuration is read from.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use evenkeel_config::{self as config, Origin, Parsed};
use evenkeel_runtime::files;
use evenkeel_runtime::wasm::Compiler;

use super::keepalived::{self, MAX_CONFIG};

/// Where a configuration comes from, and what takes the place of parts of it.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    /// The file: Evenkeel's own, or a keepalived.conf.
    pub config: PathBuf,
    /// Where plugins are looked for, in place of the file's `plugin_dirs`; empty: there.
    pub plugin_dirs: Vec<PathBuf>,
    /// The control socket, in place of the file's `socket`.
    pub socket: Option<PathBuf>,
    /// Where what must last is kept, in place of the file's `state_dir`.
    pub state_dir: Option<PathBuf>,
    /// Who compiles plugins.
    pub compiler: Compiler,
}

/// Reads a configuration file, Evenkeel's own or keepalived's, as far as that goes without its plugins.
///
/// # Errors
/// When it cannot be read, or is one of keepalived's in which something cannot be understood. What else is wrong in
/// it is kept for [`Parsed::resolve`].
pub fn read(file: &Path) -> anyhow::Result<Parsed> {
    ConfigText::read(file).map(|text| text.parse())
}

/// What a configuration file said.
pub(super) struct ConfigText {
    /// The file's.
    name: String,
    content: Content,
}

enum Content {
    Own(Vec<u8>),
    /// In TOML, with the line that each of its lines came from.
    Translated(String, Vec<Option<Origin>>),
}

impl ConfigText {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let bytes = files::read(file, MAX_CONFIG)
            .with_context(|| format!("cannot read the configuration {}", file.display()))?;
        let content = if keepalived::is_keepalived(file, &bytes) {
            let translation = keepalived::usable(file, &bytes)?;
            Content::Translated(translation.toml, translation.origin)
        } else {
            Content::Own(bytes)
        };
        Ok(Self {
            name: file.to_string_lossy().into_owned(),
            content,
        })
    }

    /// As far as that goes without plugins.
    pub(super) fn parse(&self) -> Parsed {
        match &self.content {
            Content::Own(bytes) => config::parse_bytes(&self.name, bytes),
            Content::Translated(toml, origin) => {
                config::parse_translated(&self.name, toml, origin.clone())
            }
        }
    }
}

/// Where plugins are looked for: what the command line says takes the place of what the configuration says.
pub fn plugin_dirs<'a>(parsed: &'a Parsed, instead: &'a [PathBuf]) -> &'a [PathBuf] {
    if instead.is_empty() {
        &parsed.daemon().plugin_dirs
    } else {
        instead
    }
}
