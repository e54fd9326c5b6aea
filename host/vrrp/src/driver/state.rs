//! The driver's state.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_addresses::VrrpAddresses;
use evenkeel_addresses::announce::AnnounceQueue;
use evenkeel_addresses::channel::{Receiver, Sender};
use evenkeel_core::model;
use evenkeel_core::vrrp::Event;
use evenkeel_core::vrrp::router::Router;
use tokio::sync::oneshot;

use super::message::Message;
use super::problems::{Problems, Source};
use crate::event::{Forwarded, VrrpEvent};
use crate::links::{Link, Links};
use crate::sockets::Sockets;
use crate::status::{StatusSnapshot, VrrpStatus};

/// Wait before another attempt at something that someone else is at.
pub(super) const BUSY_DELAY: Duration = Duration::from_millis(1);

/// Counters in the status are not older.
pub(super) const STATUS_INTERVAL: Duration = Duration::from_millis(100);

/// Whether instances may become master.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// The data plane holds what is configured.
    pub(super) data_plane: bool,
    /// It is known which addresses are on this machine already.
    pub(super) looked: bool,
    pub(super) told: bool,
}

/// All of it.
pub(super) struct Driver {
    pub(super) config: Arc<model::Vrrp>,
    pub(super) router: Router,
    /// Those that instances have to do with and that exist.
    pub(super) interfaces: BTreeMap<String, Link>,
    /// There until the end.
    pub(super) addresses: Option<VrrpAddresses>,
    pub(super) links: Links,
    pub(super) sockets: Sockets,
    pub(super) announcer: AnnounceQueue,
    pub(super) problems: Problems,
    pub(super) messages: Receiver<Message>,
    pub(super) forwarder: Sender<Forwarded>,
    /// What the event forwarder has not taken yet.
    pub(super) outgoing: VecDeque<Forwarded>,
    pub(super) snapshot: Arc<StatusSnapshot>,
    /// What was put up last, and what does not change.
    pub(super) status: VrrpStatus,
    /// When to put up a new status.
    pub(super) stale: Option<Instant>,
    pub(super) ready: Ready,
    /// Who waits for the end.
    pub(super) stopping: Vec<oneshot::Sender<()>>,
}

impl Driver {
    /// Notes a problem, or its end.
    pub(super) fn note(&mut self, source: Source, problem: Option<String>) {
        let told = self.problems.set(source, problem, &self.config);
        if let Some(event) = told {
            self.stale = Some(Instant::now());
            self.tell(VrrpEvent::Log(event));
        }
    }

    pub(super) fn tell(&mut self, event: VrrpEvent) {
        self.outgoing.push_back(Forwarded::Event(event));
    }

    pub(super) fn log(&mut self, events: impl IntoIterator<Item = Event>) {
        let outgoing = events
            .into_iter()
            .map(|e| Forwarded::Event(VrrpEvent::Log(e)));
        self.outgoing.extend(outgoing);
    }
}
