//! How a runtime is made, and why that can fail.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use evenkeel_core::model::Sandbox;

use super::compile::Compiler;

/// How plugins are to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmConfig {
    /// What an instance may use.
    pub sandbox: Sandbox,
    /// Where compiled code is kept.
    pub cache: CacheUse,
}

/// What a program that runs plugins for long says beside [`WasmConfig`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Who compiles.
    pub compiler: Compiler,
    /// What instances of the plugins of these names may use, in place of [`WasmConfig::sandbox`].
    pub sandboxes: BTreeMap<String, Sandbox>,
}

/// How a directory with compiled code is used. Never if anyone but this user could have written to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// Not at all: every start compiles anew.
    #[default]
    None,
    /// As this process's own: made with mode 0700 if it does not exist; what goes wrong with it is a warning.
    Own(PathBuf),
    /// As another process's: used if it exists, added to if that is allowed. Nothing about it is worth a warning.
    Borrowed(PathBuf),
}

/// Why plugins cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The machine lacks what the engine needs.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// No thread to be had.
    #[error("no thread for the clock of the plugins: {0}")]
    Clock(#[source] io::Error),
}
