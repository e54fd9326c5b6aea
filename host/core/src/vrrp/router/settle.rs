//! Brings instances in line with what is known and with their groups.

use std::time::Instant;

use super::Router;
use crate::vrrp::State;
use crate::vrrp::instance::Instance;

impl Router {
    /// What is known of interfaces and tracked things has changed.
    pub(super) fn judge_all(&mut self, now: Instant) {
        self.judge(0..self.instances.len(), now);
    }

    /// For some of these, what is not known counts as failed from now on.
    pub(super) fn judge_unknown(&mut self, positions: &[usize], now: Instant) {
        for position in positions {
            let instance = self.instances.get_mut(*position);
            if instance.is_some_and(Instance::take_unknown_too_long) {
                self.judge([*position], now);
            }
        }
    }

    /// What is known for these has changed.
    pub(super) fn judge(&mut self, positions: impl IntoIterator<Item = usize>, now: Instant) {
        for position in positions {
            let tracks = self.tracks.get(position);
            let instance = self.instances.get_mut(position);
            let (Some(instance), Some(tracks)) = (instance, tracks) else {
                continue;
            };
            instance.judge(&self.observed, tracks, now, &mut self.outputs);
            if self.stopping {
                instance.give_up_if_faulty(&mut self.outputs);
            }
        }
        if self.stopping {
            self.finish();
        }
    }

    /// Brings instances to which something happened in line with what is known, and with the other members of their
    /// group.
    pub(super) fn settle(&mut self, positions: impl IntoIterator<Item = usize>, now: Instant) {
        if self.stopping {
            return;
        }
        for position in positions {
            let together = self.together(position);
            self.settle_together(&together, now);
        }
        self.notify_groups();
    }

    fn settle_together(&mut self, together: &[usize], now: Instant) {
        let of = || together.iter().filter_map(|at| self.instances.get(*at));
        // One that was added by a new configuration is not known to be in fault before its interface was heard of.
        let fault = of()
            .filter(|it| !it.is_beginning(self.ready, now))
            .find_map(|it| Some((it.spec.name.clone(), it.faults.first()?.clone())));
        let all_well = of().all(|it| it.faults.is_empty());
        if let Some((name, why)) = fault {
            for position in together {
                let Some(instance) = self.instances.get_mut(*position) else {
                    continue;
                };
                let why = match instance.faults.first() {
                    Some(own) => own.clone(),
                    None => format!("{name} of its sync group is in fault ({why})"),
                };
                instance.fail(&why, self.ready, now, &mut self.outputs);
            }
            return;
        }
        for position in together {
            if let Some(instance) = self.instances.get_mut(*position)
                && instance.state == State::Fault
                && all_well
            {
                instance.recover(now, &mut self.outputs);
            }
        }
        let willing = |instance: &Instance| instance.wants || instance.state == State::Master;
        let mut of = together.iter().filter_map(|at| self.instances.get(*at));
        if self.ready && of.all(willing) {
            for position in together {
                if let Some(instance) = self.instances.get_mut(*position)
                    && instance.wants
                {
                    instance.become_master(now, &mut self.outputs);
                }
            }
        }
        for position in together {
            if let Some(instance) = self.instances.get_mut(*position) {
                instance.tidy(&mut self.outputs);
            }
        }
    }
}
