//! Announces the services' addresses. Those of VRRP are its own business: where they are is decided by an election.

use std::time::Instant;

use crate::announce::{AnnounceQueue, AnnounceRounds, Announcement, Mac, Place, Sighting};
use crate::machine::{MachineState, Origin};
use crate::reconciler::Outcome;
use crate::steps::{AddressAction, AddressStep};

/// The owner in the queue.
const SERVICES: &str = "services";

/// What is announced, and when.
#[derive(Default)]
pub(super) struct ServiceAnnouncer {
    rounds: AnnounceRounds,
    queue: AnnounceQueue,
    /// As told.
    problem: Option<String>,
}

impl ServiceAnnouncer {
    /// The machine as it is now, after these changes.
    pub(super) fn look(&mut self, machine: &MachineState, outcome: &Outcome, now: Instant) {
        let added = |step: &AddressStep| match &step.action {
            AddressAction::AddServiceAddress { index, address } => Some((*index, address.addr)),
            _ => None,
        };
        let added: Vec<Place> = outcome.done.iter().filter_map(added).collect();
        self.rounds.look(reachable(machine), &added, now);
    }

    /// When to call [`Self::work`].
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = [self.rounds.due(), self.queue.due(now)];
        due.into_iter().flatten().min()
    }

    /// Announces what is due, or a part of it. A problem that is new comes back.
    pub(super) fn work(&mut self, now: Instant) -> Option<String> {
        self.queue.push(SERVICES, self.rounds.take(now), 1);
        let problem = self.queue.work(now)?.problem;
        if problem == self.problem {
            return None;
        }
        self.problem.clone_from(&problem);
        problem
    }
}

/// The services' addresses that Evenkeel has put on an Ethernet interface whose link is up.
fn reachable(machine: &MachineState) -> Vec<Sighting> {
    let ours = machine.addresses.iter();
    ours.filter(|present| present.origin == Origin::Service)
        .filter_map(|present| {
            let device = machine.devices.get(&present.index)?;
            let mac = Mac::try_from(device.mac.as_slice()).ok()?;
            (device.ethernet && device.running).then(|| Sighting {
                what: Announcement {
                    addr: present.addr,
                    index: present.index,
                    interface: device.name.clone(),
                    mac,
                },
                link_ups: device.link_ups,
            })
        })
        .collect()
}
