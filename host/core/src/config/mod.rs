//! The configuration file: from text to [`crate::model::Model`], with every mistake reported at once.
//!
//! In two steps, because the file says where the plugins are and the plugins say what settings they take: [`parse`] reads the
//! text, [`Parsed::resolve`] checks it as a whole once the plugins that it names are loaded.

mod report;

use std::sync::Arc;

use crate::manifest::{Manifest, PluginKind};
use crate::model::{Daemon, Model, PluginRef};

use report::Source;
pub use report::{Diagnostic, Report, Severity};

/// Where the plugins are that a configuration names.
pub trait Plugins {
    /// What there is under this name or at this file.
    fn find(&self, plugin: &PluginRef) -> Found<'_>;
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

/// A configuration as far as it can be understood without its plugins.
#[derive(Debug)]
pub struct Parsed {
    source: Arc<Source>,
    diagnostics: Vec<Diagnostic>,
    daemon: Daemon,
}

/// Reads a configuration. Never fails: what could be understood is kept, with what is wrong.
///
/// `file` is the file's name as errors are to show it; relative paths in the configuration start from its directory.
#[must_use]
pub fn parse(file: &str, text: &str) -> Parsed {
    parse_bytes(file, text.as_bytes())
}

/// [`parse`] for a file as it was read: one that is not UTF-8 gets an error with its place, too.
#[must_use]
pub fn parse_bytes(file: &str, bytes: &[u8]) -> Parsed {
    let source = Arc::new(Source::new(file, &String::from_utf8_lossy(bytes)));
    let (_, errors) = toml::de::DeTable::parse_recoverable(source.text());
    let diagnostics = errors
        .iter()
        .map(|e| {
            let span = e.span().unwrap_or_default();
            Diagnostic::new(
                &source,
                Severity::Error,
                &span,
                e.message().to_owned(),
                None,
            )
        })
        .collect();
    let daemon = Daemon {
        plugin_dirs: vec![
            "/usr/local/lib/evenkeel/plugins".into(),
            "/usr/lib/evenkeel/plugins".into(),
        ],
        cache_dir: "/var/cache/evenkeel".into(),
        socket: "/run/evenkeel/evenkeel.sock".into(),
        table: "evenkeel".to_owned(),
        resync: std::time::Duration::from_secs(30),
        sandbox: crate::model::Sandbox::default(),
    };
    Parsed {
        source,
        diagnostics,
        daemon,
    }
}

impl Parsed {
    /// The daemon's own settings, with the defaults where the file says nothing or nothing usable.
    #[must_use]
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// The plugins that are named, each once, so that they can be loaded.
    #[must_use]
    pub fn plugin_refs(&self) -> Vec<PluginRef> {
        Vec::new()
    }

    /// Checks the configuration as a whole. With the model come the warnings.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the text: syntax, keys, values, and what the plugins say.
    pub fn resolve(self, plugins: &dyn Plugins) -> Result<(Model, Vec<Diagnostic>), Report> {
        // The API's shape only: services come with the next commit.
        let _ = (plugins, &self.source);
        if self.diagnostics.iter().any(Diagnostic::is_error) {
            return Err(Report {
                diagnostics: self.diagnostics,
            });
        }
        Ok((
            Model {
                daemon: self.daemon,
                services: Vec::new(),
            },
            self.diagnostics,
        ))
    }
}
