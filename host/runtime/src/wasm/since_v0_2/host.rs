//! What the host offers to every plugin.

use super::scheduler::evenkeel::plugin::{host, types};
use crate::clocks;
use crate::plugin_log::PluginLog;
use crate::wasm::state::State;

impl types::Host for State {}

impl host::Host for State {
    fn log(&mut self, level: host::Level, message: String) {
        self.write_log(to_tracing(level), &message);
    }

    fn log_enabled(&mut self, level: host::Level) -> bool {
        // An error may be a panic's text, which is kept for the plugin's own error in any case.
        level == host::Level::Error || PluginLog::is_enabled(to_tracing(level))
    }

    fn now(&mut self) -> u64 {
        clocks::monotonic()
    }

    fn random(&mut self) -> u64 {
        clocks::random()
    }

    fn utc(&mut self) -> u64 {
        clocks::utc()
    }

    fn utc_offset(&mut self, zone: String, at: u64) -> Option<i32> {
        clocks::utc_offset(&zone, at)
    }

    fn count(&mut self, name: String, by: u64) {
        Self::count(self, &name, by);
    }

    fn gauge(&mut self, name: String, value: f64) {
        Self::gauge(self, &name, value);
    }
}

fn to_tracing(level: host::Level) -> tracing::Level {
    match level {
        host::Level::Error => tracing::Level::ERROR,
        host::Level::Warn => tracing::Level::WARN,
        host::Level::Info => tracing::Level::INFO,
        host::Level::Debug => tracing::Level::DEBUG,
        host::Level::Trace => tracing::Level::TRACE,
    }
}
