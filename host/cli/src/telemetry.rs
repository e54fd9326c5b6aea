//! Logging, to standard error. The daemon's lines go through a [queue], so that a reader who stops holds nothing up.
//!
//! Levels: ERROR, the daemon cannot do what it is for; WARN, worth waking someone (a server down, a plugin failed,
//! rules edited by someone else); INFO, what an operator wants to read next morning (start, reload, a server up);
//! DEBUG, single checks and kernel changes; TRACE, everything.

mod queue;

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
use tracing::{error, warn};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::args::LogFormat;
use queue::LogQueue;

/// What the targets of Evenkeel's own crates begin with: `evenkeel`, `evenkeel_core`, whatever comes.
const OURS: &str = "evenkeel";
/// What plugins say.
const PLUGINS: &str = "plugin";

/// The log while the process runs. Dropping it waits for its reader, but not longer than a second.
pub(crate) struct Log {
    /// The daemon's. Other commands write directly, and may wait for their reader.
    queue: Option<LogQueue>,
}

impl Log {
    /// Lines that were dropped since the start.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        let dropped = self.queue.as_ref().map(LogQueue::dropped);
        dropped.unwrap_or_default()
    }

    /// Where an error goes that ends the process.
    pub(crate) fn writer(&self) -> Box<dyn Write> {
        match &self.queue {
            Some(queue) => Box::new(queue.clone()),
            None => Box::new(io::stderr()),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            LogQueue::flush(queue);
        }
    }
}

/// Starts logging; `daemon`: without ever waiting for who reads.
///
/// # Errors
/// When `filter` is not understood, or no thread can be started.
pub(crate) fn init(filter: &str, format: LogFormat, daemon: bool) -> anyhow::Result<Log> {
    if !daemon {
        begin(filter, format, io::stderr)?;
        return Ok(Log { queue: None });
    }
    let queue = LogQueue::start(io::stderr(), |lines| {
        warn!(
            lines,
            "log lines were dropped: nobody has read standard error for a while"
        );
    })
    .context("cannot start the log's thread")?;
    let writer = queue.clone();
    begin(filter, format, move || writer.clone())?;
    // The usual one writes to standard error by itself, and would wait for its reader.
    std::panic::set_hook(Box::new(|panic| error!("bug: {panic}")));
    Ok(Log { queue: Some(queue) })
}

fn begin<W>(filter: &str, format: LogFormat, writer: W) -> anyhow::Result<()>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let targets = targets(filter)
        .with_context(|| format!("--log {filter}: not a level nor a list of TARGET=LEVEL"))?;
    let lines = tracing_subscriber::fmt::layer::<Registry>()
        .with_writer(writer)
        // They would be told on standard error, which has just failed; a panic if it is closed.
        .log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal();
            lines.with_ansi(colours).with_target(false).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
    Ok(())
}

/// A bare level is for our own crates and for plugins; others are heard from WARN on, since a compiler's DEBUG would
/// drown everything. A list is taken as it is.
fn targets(filter: &str) -> Result<Targets, tracing_subscriber::filter::ParseError> {
    let Ok(level) = filter.parse::<LevelFilter>() else {
        return filter.parse();
    };
    Ok(Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(OURS, level)
        .with_target(PLUGINS, level))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_bare_level_is_for_all_crates_of_ours_and_for_plugins() {
        let targets = targets("debug").unwrap();
        for ours in [
            "evenkeel",
            "evenkeel_addresses::task",
            "evenkeel_config",
            "evenkeel_core::sync",
            "evenkeel_daemon::app",
            "evenkeel_dataplane",
            "evenkeel_flows",
            "evenkeel_ipvs",
            "evenkeel_keepalived",
            "evenkeel_netlink",
            "evenkeel_queue",
            "evenkeel_runtime",
            "evenkeel_vrrp",
            "plugin",
        ] {
            assert!(targets.would_enable(ours, &Level::DEBUG), "{ours}");
            assert!(!targets.would_enable(ours, &Level::TRACE), "{ours}");
        }
        for other in ["wasmtime", "cranelift_codegen::context", "hyper::proto"] {
            assert!(targets.would_enable(other, &Level::WARN), "{other}");
            assert!(!targets.would_enable(other, &Level::INFO), "{other}");
        }
    }

    #[test]
    fn a_quiet_level_is_for_all() {
        let targets = targets("off").unwrap();
        assert!(!targets.would_enable("evenkeel_daemon", &Level::ERROR));
    }

    #[test]
    fn a_list_is_taken_as_it_is() {
        let targets = targets("info,wasmtime=debug,evenkeel_vrrp=trace").unwrap();
        assert!(targets.would_enable("wasmtime::engine", &Level::DEBUG));
        assert!(targets.would_enable("evenkeel_vrrp::driver", &Level::TRACE));
        assert!(targets.would_enable("evenkeel_core", &Level::INFO));
        assert!(!targets.would_enable("evenkeel_core", &Level::DEBUG));
        assert!(super::targets("evenkeel=loud").is_err());
    }
}
