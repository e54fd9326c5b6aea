//! The host's functions: of the process that loaded the plugin, or of a test.

use std::sync::OnceLock;
use std::time::Duration;

use super::abi::{Host, NO_ZONE, Text};
use crate::level::Level;
use crate::testing::host as test;

/// As the host has handed them over. Without a host, this is a test.
static HOST: OnceLock<&'static Host> = OnceLock::new();

pub(super) fn set(host: &'static Host) {
    // Another start by the same host changes nothing.
    let _ = HOST.set(host);
}

pub(crate) fn now() -> Duration {
    HOST.get()
        .map_or_else(test::now, |host| Duration::from_nanos((host.now)()))
}

pub(crate) fn utc() -> Duration {
    HOST.get()
        .map_or_else(test::utc, |host| Duration::from_millis((host.utc)()))
}

pub(crate) fn utc_offset(zone: &str, at: u64) -> Option<i32> {
    match HOST.get() {
        Some(host) => {
            let offset = (host.utc_offset)(Text::new(zone.as_bytes()), at);
            (offset != NO_ZONE).then_some(offset)
        }
        None => test::utc_offset(zone),
    }
}

pub(crate) fn random() -> u64 {
    HOST.get().map_or_else(test::random, |host| (host.random)())
}

pub(crate) fn log(level: Level, message: String) {
    match HOST.get() {
        Some(host) => (host.log)(number(level), Text::new(message.as_bytes())),
        None => test::log(level, message),
    }
}

pub(crate) fn count(name: &str, by: u64) {
    match HOST.get() {
        Some(host) => (host.count)(Text::new(name.as_bytes()), by),
        None => test::count(name, by),
    }
}

pub(crate) fn gauge(name: &str, value: f64) {
    match HOST.get() {
        Some(host) => (host.gauge)(Text::new(name.as_bytes()), value),
        None => test::gauge(name, value),
    }
}

pub(crate) fn log_enabled(level: Level) -> bool {
    HOST.get()
        .is_none_or(|host| (host.log_enabled)(number(level)) != 0)
}

fn number(level: Level) -> u32 {
    match level {
        Level::Error => 0,
        Level::Warn => 1,
        Level::Info => 2,
        Level::Debug => 3,
        Level::Trace => 4,
    }
}
