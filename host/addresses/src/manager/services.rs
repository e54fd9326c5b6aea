//! The services as an owner of addresses.

use std::collections::BTreeSet;

use evenkeel_core::model::Assign;

use super::log::{LogLine, Outbox};
use crate::desired::ServiceAddress;
use crate::owner::Owner;
use crate::reconciler::Outcome;
use crate::reports::ManagerReport;

/// What the services want, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct ServiceOwner {
    /// `None`: they have not said what they want yet.
    pub(super) addresses: Option<Vec<ServiceAddress>>,
    /// Wanted addresses that someone else had put there already, named once in the log.
    foreign: BTreeSet<Assign>,
    /// What went wrong last.
    failures: Vec<String>,
    /// As told.
    problem: Option<String>,
}

impl ServiceOwner {
    /// Tells what is new.
    pub(super) fn tell(&mut self, outcome: &Outcome, outbox: &mut Outbox) {
        for assign in outcome.foreign.difference(&self.foreign) {
            outbox.log([LogLine::info(format!(
                "{} is on {} already and not ours: it is left alone and will not be removed",
                assign.addr, assign.interface
            ))]);
        }
        self.foreign.clone_from(&outcome.foreign);
        let failures = match &outcome.unseen {
            Some(error) => vec![error.to_string()],
            None => outcome.failures(Some(&Owner::Services)),
        };
        if outcome.unseen.is_none() {
            for failure in failures.iter().filter(|it| !self.failures.contains(it)) {
                let text = format!("an address is not as configured: {failure}");
                outbox.log([LogLine::error(text)]);
            }
        }
        let problem = (!failures.is_empty()).then(|| failures.join("; "));
        self.failures = failures;
        if problem != self.problem {
            self.problem.clone_from(&problem);
            outbox.report(ManagerReport::Problem(problem));
        }
    }
}
