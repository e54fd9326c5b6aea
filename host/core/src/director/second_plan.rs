//! The last plan of a second scheduler: compared with the first's, and, if it is a canary, merged with it.

use super::second_report::Uneven;
use crate::comparison::{self, Difference};
use crate::merge;
use crate::model::{Canary, Share};
use crate::movement::{self, Weights};
use crate::state::Spread;

/// A second scheduler's last plan, and what was found when it was held beside the first's.
#[derive(Default)]
pub(super) struct SecondPlan {
    made: Option<MadePlan>,
    /// How many were taken in.
    taken: u64,
    difference: Option<Difference>,
    uneven: Option<Uneven>,
    merged: Option<Followed>,
}

/// A plan with the weights of the servers that it was made for.
struct MadePlan {
    spread: Spread,
    weights: Weights,
}

/// What the kernel is to follow.
struct Followed {
    spread: Spread,
    /// The canary's slots, and all.
    slots: (usize, usize),
}

impl SecondPlan {
    /// Takes in a plan that fits the servers, unless it sends more clients than `max_moves` to another server than the
    /// one before.
    ///
    /// # Errors
    /// That it does.
    pub(super) fn take(
        &mut self,
        spread: Spread,
        weights: Weights,
        max_moves: Option<Share>,
    ) -> Result<(), String> {
        if let Some(limit) = max_moves
            && let Some(before) = &self.made
            && let Some(moved) =
                movement::moved((&before.spread, &before.weights), (&spread, &weights))
            && moved > limit
        {
            return Err(format!(
                "the plan sends {moved} of the clients to another server without a reason, more than max_moves = \
                 {limit}"
            ));
        }
        self.made = Some(MadePlan { spread, weights });
        self.taken += 1;
        Ok(())
    }

    /// There is none any more.
    pub(super) fn forget(&mut self) {
        self.made = None;
        (self.merged, self.difference, self.uneven) = (None, None, None);
    }

    /// It is followed no more; what was found of it stays.
    pub(super) fn unmerge(&mut self) {
        self.made = None;
        self.merged = None;
    }

    /// Holds it beside the first's plan. `weights`: those that the first's was made for; `None`: not known. `canary`: it
    /// is to be followed so.
    ///
    /// # Errors
    /// Why it is not to be followed.
    pub(super) fn judge(
        &mut self,
        first: Option<&Spread>,
        weights: Option<&Weights>,
        canary: Option<Canary>,
    ) -> Result<(), String> {
        let (Some(first), Some(made)) = (first, &self.made) else {
            self.merged = None;
            return Ok(());
        };
        // What was found last stays while one of them has not planned for the servers that there are now.
        let same_servers = weights == Some(&made.weights);
        if same_servers {
            self.difference = Some(comparison::difference(first, &made.spread));
            let of = |spread| comparison::uneven(spread, &made.weights);
            let both = of(first).zip(of(&made.spread));
            self.uneven = both.map(|(first, second)| Uneven { first, second });
        }
        let Some(canary) = canary else {
            self.merged = None;
            return Ok(());
        };
        if same_servers {
            if made.spread == Spread::Refuse && *first != Spread::Refuse {
                return Err("it refuses connections, which the first scheduler does not".to_owned());
            }
            if let Some(uneven) = self.uneven {
                even_enough(uneven, canary.max_uneven)?;
            }
        }
        let merged = merge::merge(first, &made.spread, canary.share);
        self.merged = merged
            .map_err(|error| error.to_string())?
            .and_then(|merged| {
                let planned = [first, &made.spread].into_iter().flat_map(Spread::servers);
                let spread = merged.plan.spread(&planned.collect()).ok()?;
                let slots = (merged.canary, merged.slots);
                Some(Followed { spread, slots })
            });
        Ok(())
    }

    /// What is to be followed instead of the first's plan.
    pub(super) fn merged(&self) -> Option<&Spread> {
        self.merged.as_ref().map(|it| &it.spread)
    }

    /// How many slots of that the canary fills, and how many there are.
    pub(super) fn slots(&self) -> (usize, usize) {
        self.merged.as_ref().map_or((0, 0), |it| it.slots)
    }

    /// How many plans were taken in.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How much it would send elsewhere than the first's.
    pub(super) fn difference(&self) -> Option<Difference> {
        self.difference
    }

    /// How uneven both are.
    pub(super) fn uneven(&self) -> Option<Uneven> {
        self.uneven
    }
}

/// Whether a canary's plan is not too uneven beside the first's.
fn even_enough(uneven: Uneven, max: Share) -> Result<(), String> {
    let Uneven { first, second } = uneven;
    if second.hundredths() <= first.hundredths() + max.hundredths() {
        return Ok(());
    }
    Err(format!(
        "its plan is uneven by {second} against the weights, the first scheduler's by {first}; more than max_uneven = \
         {max} beside it"
    ))
}
