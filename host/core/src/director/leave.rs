//! The end of the daemon.

use super::event::{Effect, Input};
use super::machine::Director;
use crate::model::ServiceKey;
use crate::state::{Selector, Spread};

impl Director {
    /// Nobody will follow the counts of connections any more: plans that were made for the next moment only give way
    /// to what holds for long, shares by weight. From now on nothing else is decided; the kernel is as it is to be left
    /// when no step [is under way](Self::changes_kernel) any more.
    pub fn leave(&mut self) {
        self.leaving = true;
        let keys: Vec<ServiceKey> = self.services.keys().copied().collect();
        for key in keys {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let counts = service.supervisor.facts().connections;
            let follows = matches!(&service.last_good, Some(Spread::Slots { selector, .. }) if *selector == Selector::Sequence);
            if counts && follows {
                service.last_good = None;
                self.want(key);
            }
        }
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
