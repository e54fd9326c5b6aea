//! Logging, to standard error.
//!
//! Levels: ERROR, the daemon cannot do what it is for; WARN, worth waking someone (a server down, a plugin failed, rules edited by
//! someone else); INFO, what an operator wants to read next morning (start, reload, a server up); DEBUG, single checks and kernel
//! changes; TRACE, everything.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts logging.
///
/// # Errors
/// When `filter` is not understood.
pub(crate) fn init(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .with_context(|| format!("--log {filter}: not a level nor a list of TARGET=LEVEL"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            use std::io::IsTerminal as _;
            builder
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .init();
        }
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
