//! A scheduler's place: what the tests of both data planes ask and answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::flow::Flow;
use evenkeel_core::mark::HEARTBEAT;
use evenkeel_core::model::Protocol;
use evenkeel_core::state::{Queue, Selector, ServiceState};
use evenkeel_queue::{Heartbeat, QueueVerdict, Verdicts};

use crate::lab::{ask, connect, service};

pub(crate) const QUEUE: Queue = Queue(7);

/// A service of whose plan server 4 is the only one, and that asks.
pub(crate) fn asking(v6: bool, snat: bool) -> ServiceState {
    ServiceState {
        snat,
        queue: Some(QUEUE),
        ..service(v6, 0, Selector::Sequence, &[4])
    }
}

/// A heart that has beaten.
pub(crate) fn heart() -> Heartbeat {
    let heart = Heartbeat::start(HEARTBEAT, Duration::from_millis(20), || true).unwrap();
    while heart.last_beat().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    heart
}

/// Answers in turn; remembers what it was asked.
#[derive(Clone)]
pub(crate) struct InTurn {
    answers: Vec<QueueVerdict>,
    asked: Arc<Mutex<Vec<Flow>>>,
}

impl InTurn {
    pub(crate) fn of(answers: &[QueueVerdict]) -> Self {
        let answers = answers.to_vec();
        let asked = Arc::default();
        Self { answers, asked }
    }

    /// How often it was asked, as far as that was not taken.
    pub(crate) fn times(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Takes what it was asked; it begins with the first answer again.
    pub(crate) fn asked(&self) -> Vec<Flow> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Verdicts for InTurn {
    fn decide(&mut self, flow: &Flow) -> QueueVerdict {
        let mut asked = self.asked.lock().unwrap();
        asked.push(*flow);
        self.answers[(asked.len() - 1) % self.answers.len()]
    }
}

/// Which server answers one connection or datagram.
pub(crate) fn one(protocol: Protocol, to: SocketAddr) -> std::io::Result<u8> {
    match protocol {
        Protocol::Udp => ask(to),
        _ => connect(to),
    }
}
