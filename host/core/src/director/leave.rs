//! The end of the daemon.

use super::event::{Effect, Input};
use super::instance::Instance;
use super::machine::Director;
use super::second::SecondScheduler;
use crate::desired;
use crate::model::ServiceKey;
use crate::scheduler::SavedState;
use crate::state::{Selector, Spread};

/// A scheduler that may hand something to the next start of the daemon.
pub struct LastState {
    /// Its service.
    pub service: ServiceKey,
    /// The plugin's name.
    pub plugin: String,
    /// The service's name.
    name: String,
    instance: Instance,
}

impl LastState {
    /// What it hands over; `None`: nothing. Blocks for as long as the sandbox lets a call take.
    #[must_use]
    pub fn ask(&self) -> Option<SavedState> {
        self.instance.export(&self.name)
    }
}

impl Director {
    /// Nobody will follow the counts of connections any more: plans that were made for the next moment only give way
    /// to what holds for long, shares by weight. From now on nothing else is decided; the kernel is as it is to be left
    /// when no step [is under way](Self::changes_kernel) any more.
    pub fn leave(&mut self) {
        self.leaving = true;
        self.sync.hurry();
        let keys: Vec<ServiceKey> = self.services.keys().copied().collect();
        for key in keys {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let follows = |plan: Option<&Spread>| matches!(plan, Some(Spread::Slots { selector, .. }) if *selector == Selector::Sequence);
            let first =
                service.supervisor.facts().connections && follows(service.last_good.as_ref());
            let second = service
                .second
                .as_deref_mut()
                .filter(|it| follows(it.merged()) && (first || it.facts().connections));
            let in_groups = match &service.last_good {
                Some(Spread::Groups(groups)) if service.supervisor.facts().connections => {
                    let for_long = desired::for_long(groups, &service.planned_for);
                    (for_long != *groups).then_some(for_long)
                }
                _ => None,
            };
            let first = first || in_groups.is_some();
            if first {
                service.last_good = in_groups.map(Spread::Groups);
            }
            let canary = second.map(SecondScheduler::leave).is_some();
            if first || canary {
                self.want(key);
            }
        }
    }

    /// What each scheduler is to be asked for at the end: calls that may block. Without those that are away with a job
    /// or have failed.
    #[must_use]
    pub fn last_states(&self) -> Vec<LastState> {
        let services = self.services.iter();
        let last = services.filter_map(|(key, service)| {
            Some(LastState {
                service: *key,
                name: service.spec.name.clone(),
                plugin: service.supervisor.name().to_owned(),
                instance: service.supervisor.idle()?.clone(),
            })
        });
        last.collect()
    }

    /// Whether an [`Effect::Kernel`] has not been answered yet.
    #[must_use]
    pub fn changes_kernel(&self) -> bool {
        self.sync.is_under_way()
    }

    /// Whether it is of interest still.
    pub(super) fn heeds(&self, input: &Input) -> bool {
        !self.leaving || matches!(input, Input::Read(_) | Input::Applied { .. })
    }

    /// Whether it is to be done still.
    pub(super) fn does(&self, effect: &Effect) -> bool {
        !self.leaving || matches!(effect, Effect::Kernel(_) | Effect::KillFlows(_))
    }
}
