//! How plugins fail.

use std::time::Duration;

use crate::manifest::PluginKind;

/// How a plugin failed while running.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin} {version}: {failure}")]
pub struct PluginError {
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// What happened.
    pub failure: Failure,
}

/// What happened inside a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It refused its settings.
    #[error("refused its settings: {0}")]
    Settings(String),
    /// It used more processor time than a call may.
    #[error("used more than {0:?} of processor time in one call")]
    Time(Duration),
    /// It wanted more memory, table elements or instances than allowed.
    #[error("went over a limit of its sandbox: {0}")]
    Limit(String),
    /// It ended itself (panic, stack overflow, unreachable code), with what it said.
    #[error("trapped: {0}")]
    Trap(String),
    /// It answered what no plugin can mean.
    #[error("gave an impossible answer: {0}")]
    Answer(String),
    /// Its file was broken when the daemon started; with what is wrong with it.
    #[error("cannot be used: {0}")]
    Unusable(String),
    /// It was called for what it is not, such as a scheduler as a checker.
    #[error("is a {0}")]
    WrongKind(PluginKind),
}
