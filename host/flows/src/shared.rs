//! What the handle and the thread share, and how to listen.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use evenkeel_core::state::BackendId;
use parking_lot::Mutex;

/// How to listen. The default is right but for measurements and tests.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes that may wait to be read; not taken up before they do. The default, 64 MiB, is good for some 60,000
    /// events.
    pub buffer: usize,
    /// Whether the kernel drops events that change no count.
    pub filter: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            buffer: 64 << 20,
            filter: true,
        }
    }
}

/// How counting goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the kernel tells us of connections now.
    pub listening: bool,
    /// Connections that are known now.
    pub connections: u64,
    /// Messages that the kernel delivered.
    pub events: u64,
    /// How often some were lost because they were read too slowly. Each time a dump makes it good.
    pub overruns: u64,
    /// How often all connections were read.
    pub dumps: u64,
    /// How long the last time took.
    pub last_dump: Duration,
    /// Why counts are wrong or late, if they are.
    pub problem: Option<String>,
}

/// What the handle and the thread share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) wanted: AtomicBool,
    pub(crate) ended: AtomicBool,
    /// Whether somebody wants to know what is sent.
    pub(crate) traffic: AtomicBool,
    /// All connections are to be read soon.
    pub(crate) again: AtomicBool,
    /// See [`Counter::set_elsewhere`](crate::Counter::set_elsewhere), until the thread has taken it.
    pub(crate) elsewhere: Mutex<Option<BTreeSet<BackendId>>>,
    pub(crate) report: Mutex<Report>,
}
