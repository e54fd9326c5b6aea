//! Where the programs and plugins are that a lab runs.

use std::env;
use std::path::{Path, PathBuf};

/// Where what was built is found.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The `evenkeel` binary: `EVENKEEL_BIN`, or `target/debug/evenkeel`.
    pub binary: PathBuf,
    /// The plugins that are shipped: `EVENKEEL_PLUGINS`, or `target/plugins`.
    pub plugins: PathBuf,
    /// Plugins that misbehave: `target/test-plugins`.
    pub test_plugins: PathBuf,
    /// Plugins of the examples: `target/examples`.
    pub examples: PathBuf,
    /// The same plugins, and those that misbehave, as shared objects: `target/native`.
    pub native: PathBuf,
    /// Compiled plugins, kept from test to test: `target/lab-cache`.
    pub cache: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Self::workspace().join("target"), PathBuf::from);
        let or = |variable: &str, path: &str| {
            env::var_os(variable).map_or_else(|| target.join(path), PathBuf::from)
        };
        Self {
            binary: or("EVENKEEL_BIN", "debug/evenkeel"),
            plugins: or("EVENKEEL_PLUGINS", "plugins"),
            test_plugins: or("EVENKEEL_TEST_PLUGINS", "test-plugins"),
            examples: or("EVENKEEL_EXAMPLES", "examples"),
            native: or("EVENKEEL_NATIVE", "native"),
            cache: target.join("lab-cache"),
        }
    }
}

impl Paths {
    /// The top of the repository.
    #[must_use]
    pub fn workspace() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }
}
