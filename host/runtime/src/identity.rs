//! Which plugin failed, for a [`PluginError`].

use std::sync::Arc;

use evenkeel_core::manifest::Manifest;

use crate::{Failure, PluginError};

/// A plugin's name and version.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) name: Arc<str>,
    version: Arc<str>,
}

impl Identity {
    pub(crate) fn new(manifest: &Manifest) -> Self {
        Self {
            name: Arc::from(&*manifest.name),
            version: Arc::from(&*manifest.version),
        }
    }

    pub(crate) fn error(&self, failure: Failure) -> PluginError {
        PluginError {
            plugin: self.name.to_string(),
            version: self.version.to_string(),
            failure,
        }
    }
}
