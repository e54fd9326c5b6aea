//! Counts connections while anybody wants to know: the kernel's events go to the director. While nobody does, `status` has them counted
//! once.

use std::collections::BTreeMap;

use evenkeel_core::connections::Counts;
use evenkeel_core::state::BackendId;
use evenkeel_flows::{Counter, Report};
use tokio::sync::mpsc;
use tracing::warn;

use crate::director::Input;

/// See the module's documentation.
pub(crate) struct Counting {
    counter: Option<Counter>,
    listening: bool,
}

impl Counting {
    /// Does not listen yet.
    pub(crate) fn start(inputs: mpsc::UnboundedSender<Input>) -> Self {
        let report = move |counts| {
            // Nobody listens any more when the daemon is ending.
            let _ = inputs.send(Input::Counted(counts));
        };
        let counter = Counter::start(report)
            .inspect_err(|error| {
                warn!(%error, "connections cannot be counted: schedulers and thresholds that go by them do not work");
            })
            .ok();
        Self {
            counter,
            listening: false,
        }
    }

    /// Listens to the kernel, or does not.
    pub(crate) fn listen(&mut self, wanted: bool) {
        if let Some(counter) = &self.counter
            && self.listening != wanted
        {
            counter.listen(wanted);
            self.listening = wanted;
        }
    }

    /// How that is going; `None` while nobody listens.
    pub(crate) fn report(&self) -> Option<Report> {
        let counter = self.counter.as_ref().filter(|_| self.listening)?;
        Some(counter.status())
    }
}

/// Counts all connections once. Blocks for as long as the kernel takes to list them.
pub(crate) fn once() -> BTreeMap<BackendId, Counts> {
    evenkeel_flows::count_once().unwrap_or_else(|error| {
        warn!(%error, "cannot count the connections");
        BTreeMap::new()
    })
}
