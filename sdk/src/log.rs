//! Messages for the log.

use std::fmt;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The plugin cannot do what it is for.
    Error,
    /// Worth waking someone.
    Warn,
    /// Something changed.
    Info,
    /// For whoever looks for a mistake.
    Debug,
    /// Every step.
    Trace,
}

/// Writes a message to Evenkeel's log, which adds plugin and service and drops what comes too fast.
/// [`error!`](crate::error!), [`warn!`](crate::warn!), [`info!`](crate::info!),
/// [`debug!`](crate::debug!) and [`trace!`](crate::trace!) are shorter.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    if log_enabled(level) {
        let message = message.to_string();
        #[cfg(target_family = "wasm")]
        crate::wasm::log(level, &message);
        #[cfg(not(target_family = "wasm"))]
        crate::testing::host::log(level, message);
    }
}

/// Whether a message of that level would be kept. The macros ask by themselves.
#[must_use]
pub fn log_enabled(level: Level) -> bool {
    #[cfg(target_family = "wasm")]
    return crate::wasm::log_enabled(level);
    #[cfg(not(target_family = "wasm"))]
    return level <= Level::Trace;
}

/// Defines the macro for one level.
macro_rules! level {
    ($dollar:tt $name:ident $level:ident $doc:literal) => {
        #[doc = $doc]
        ///
        /// Takes what [`format!`] takes.
        #[macro_export]
        macro_rules! $name {
            ($dollar($dollar arg:tt)+) => {
                $crate::log($crate::Level::$level, ::core::format_args!($dollar($dollar arg)+))
            };
        }
    };
}

level!($ error Error "Logs that the plugin cannot do what it is for.");
level!($ warn Warn "Logs what is worth waking someone.");
level!($ info Info "Logs that something changed.");
level!($ debug Debug "Logs for whoever looks for a mistake.");
level!($ trace Trace "Logs every step.");
