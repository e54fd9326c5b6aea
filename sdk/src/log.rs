//! Messages for the log.

use std::fmt;

use crate::level::Level;

/// Writes a message to Evenkeel's log, which adds plugin and service and drops what comes too fast.
/// [`error!`](crate::error!), [`warn!`](crate::warn!), [`info!`](crate::info!),
/// [`debug!`](crate::debug!) and [`trace!`](crate::trace!) are shorter.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    if log_enabled(level) {
        let message = message.to_string();
        #[cfg(target_family = "wasm")]
        crate::wasm::log(level, &message);
        #[cfg(not(target_family = "wasm"))]
        crate::native::log(level, message);
    }
}

/// Whether a message of that level would be kept. The macros ask by themselves.
#[must_use]
pub fn log_enabled(level: Level) -> bool {
    #[cfg(target_family = "wasm")]
    return crate::wasm::log_enabled(level);
    #[cfg(not(target_family = "wasm"))]
    return crate::native::log_enabled(level);
}

/// Logs that the plugin cannot do what it is for. Takes what [`format!`] takes.
#[macro_export]
macro_rules! error {
    ($($arg:tt)+) => {
        $crate::log($crate::Level::Error, ::core::format_args!($($arg)+))
    };
}

/// Logs what is worth waking someone. Takes what [`format!`] takes.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)+) => {
        $crate::log($crate::Level::Warn, ::core::format_args!($($arg)+))
    };
}

/// Logs that something changed. Takes what [`format!`] takes.
#[macro_export]
macro_rules! info {
    ($($arg:tt)+) => {
        $crate::log($crate::Level::Info, ::core::format_args!($($arg)+))
    };
}

/// Logs for whoever looks for a mistake. Takes what [`format!`] takes.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)+) => {
        $crate::log($crate::Level::Debug, ::core::format_args!($($arg)+))
    };
}

/// Logs every step. Takes what [`format!`] takes.
#[macro_export]
macro_rules! trace {
    ($($arg:tt)+) => {
        $crate::log($crate::Level::Trace, ::core::format_args!($($arg)+))
    };
}
