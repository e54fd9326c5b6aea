//! How a configuration refers to plugins.

use std::fmt;
use std::path::PathBuf;

use crate::manifest::Setting;

/// A plugin with its settings, as one service or check uses it.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// Which plugin; names exactly one entry of the catalogue.
    pub plugin: PluginRef,
    /// Every setting of the manifest that has a value, checked, defaults included.
    pub settings: Vec<Setting>,
}

/// How a configuration refers to a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginRef {
    /// By the name in its manifest, found in a plugin directory.
    Name(String),
    /// By file.
    File(PathBuf),
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
