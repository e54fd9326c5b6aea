//! What the configuration has to know of plugins.

use evenkeel_core::manifest::{Manifest, PluginKind, Setting};
use evenkeel_core::model::{Needs, PluginRef};

/// The plugins that a configuration can name.
pub trait PluginCatalogue {
    /// What there is under this name or at this file.
    fn find(&self, plugin: &PluginRef) -> Found<'_>;

    /// All there are, with what they are for. By default what [`Self::find`] lists beside a name that no plugin has: the empty one.
    fn available(&self) -> Vec<(String, PluginKind)> {
        match self.find(&PluginRef::Name(String::new())) {
            Found::Missing { available, .. } => available,
            _ => Vec::new(),
        }
    }

    /// Whether the services that name this plugin are to do without it, since it is broken: what would be an error is a
    /// warning then. By default they are not.
    fn goes_without(&self, _plugin: &PluginRef) -> bool {
        false
    }

    /// The SHA-256 of the plugin's file, in 64 small hexadecimal digits. By default it is not known.
    fn sha256(&self, _plugin: &PluginRef) -> Option<String> {
        None
    }

    /// What the plugin asks the host for that is granted plugin by plugin. By default nothing is known of it.
    fn needs(&self, _plugin: &PluginRef) -> Needs {
        Needs::default()
    }

    /// Asks a plugin whether it takes these settings, which fit its manifest: a plugin may want more than that can say. Asked once
    /// for the same settings, so that a refusal is reported with its place, beside all other mistakes.
    ///
    /// # Errors
    /// What the plugin says against them. By default nothing: plugins are not asked.
    fn accept(
        &self,
        _plugin: &PluginRef,
        _kind: PluginKind,
        _settings: &[Setting],
    ) -> Result<(), String> {
        Ok(())
    }
}

/// What was found under a plugin's name or file.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'a> {
    /// A plugin that can be used.
    One {
        /// What it is for.
        kind: PluginKind,
        /// What it says about itself.
        manifest: &'a Manifest,
    },
    /// Nothing.
    Missing {
        /// What there is instead: names with what they are for.
        available: Vec<(String, PluginKind)>,
        /// The directories (or the file) that were looked at.
        searched: Vec<String>,
    },
    /// Several files give themselves this name.
    Ambiguous {
        /// The files.
        files: Vec<String>,
    },
    /// A file that is no usable plugin.
    Broken {
        /// What is wrong with it.
        reason: String,
    },
}
