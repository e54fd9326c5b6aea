//! Logging, to standard error.
//!
//! Levels: ERROR, the daemon cannot do what it is for; WARN, worth waking someone (a server down, a plugin failed, rules edited by
//! someone else); INFO, what an operator wants to read next morning (start, reload, a server up); DEBUG, single checks and kernel
//! changes; TRACE, everything.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::args::LogFormat;

/// Evenkeel's own crates, and what plugins say. A bare level is theirs; others are heard from WARN on, since a compiler's DEBUG
/// would drown everything.
const OURS: [&str; 5] = [
    "evenkeel",
    "evenkeel_core",
    "evenkeel_dataplane",
    "evenkeel_runtime",
    "plugin",
];

/// Starts logging.
///
/// # Errors
/// When `filter` is not understood.
pub(crate) fn init(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(directives(filter))
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

/// What a bare level stands for; anything else as it is.
fn directives(filter: &str) -> String {
    if filter.parse::<LevelFilter>().is_err() {
        return filter.to_owned();
    }
    let ours = OURS.map(|target| format!("{target}={filter}"));
    format!("warn,{}", ours.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_is_for_our_own_crates_and_a_list_is_taken_as_it_is() {
        assert!(directives("debug").starts_with("warn,evenkeel=debug,evenkeel_core=debug,"));
        assert_eq!(directives("info,wasmtime=debug"), "info,wasmtime=debug");
        assert!(EnvFilter::builder().parse(directives("trace")).is_ok());
    }
}
