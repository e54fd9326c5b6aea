//! What the kernel has refused.
//!
//! A batch is all or nothing, so one change that cannot be made holds up all that are in the batch with it. A batch that
//! was refused is tried again in two halves, and so on, until those are found that are refused by themselves. These wait,
//! each for a time that grows; nothing else waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::delay::delay;
use crate::state::Subject;

/// Refusals one after the other, each of a single change and with nothing in between that was taken, after which it is
/// likely that the kernel takes nothing at all.
const MAX_IN_A_ROW: u32 = 8;

/// What was refused, and what is to be tried apart from the rest.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals {
    /// Changes of these are tried group by group, the last group first.
    groups: Vec<BTreeSet<Subject>>,
    /// Refused by themselves.
    refused: BTreeMap<Subject, Refusal>,
    in_a_row: u32,
}

/// Something whose change was refused by itself.
#[derive(Debug, Clone)]
struct Refusal {
    why: String,
    times: u32,
    /// It is tried again then.
    at: Instant,
}

impl Refusals {
    /// Whether it is tried apart from the rest, or waits until it is.
    pub(super) fn holds(&self, subject: &Subject) -> bool {
        self.refused.contains_key(subject) || self.groups.iter().any(|it| it.contains(subject))
    }

    /// Whether there is something to be tried now.
    pub(super) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// What is to be tried together next.
    pub(super) fn next_group(&mut self) -> Option<BTreeSet<Subject>> {
        self.groups.pop()
    }

    /// These are to be tried, apart from the rest.
    pub(super) fn try_apart(&mut self, subjects: BTreeSet<Subject>) {
        if !subjects.is_empty() {
            self.groups.push(subjects);
        }
    }

    /// There is no word about these: those that were refused before are to be tried again.
    pub(super) fn try_again(&mut self, batch: &[Subject]) {
        let before = batch.iter().filter(|it| self.refused.contains_key(it));
        self.try_apart(before.copied().collect());
    }

    /// A batch was refused: each half of it is to be tried, the first one first.
    pub(super) fn split(&mut self, batch: &[Subject]) {
        let (first, second) = batch.split_at(batch.len() / 2);
        self.try_apart(second.iter().copied().collect());
        self.try_apart(first.iter().copied().collect());
    }

    /// It was refused by itself. Returns how long it is to wait.
    pub(super) fn refuse(&mut self, subject: Subject, why: String, now: Instant) -> Duration {
        self.in_a_row += 1;
        let times = self.refused.get(&subject).map_or(0, |it| it.times);
        let wait = delay(times);
        let refusal = Refusal {
            why,
            times: times + 1,
            at: now + wait,
        };
        self.refused.insert(subject, refusal);
        wait
    }

    /// What was refused and has waited for its time, or for more than half of it: where much is refused, it is tried
    /// together.
    pub(super) fn due(&mut self, now: Instant) -> BTreeSet<Subject> {
        let refused = self.refused.iter();
        let waiting = refused.filter(|(it, _)| !self.groups.iter().any(|group| group.contains(it)));
        let near = |it: &Refusal| it.at <= now + delay(it.times.saturating_sub(1)) / 2;
        let due: BTreeSet<Subject> = waiting
            .filter(|(_, it)| near(it))
            .map(|(subject, _)| *subject)
            .collect();
        self.try_apart(due.clone());
        due
    }

    /// Whether so much was refused that there is no use in trying the rest now. Then nothing is tried apart any more:
    /// returns those that were refused before, each with when it is tried again; and whether there were others.
    pub(super) fn give_up(&mut self, now: Instant) -> Option<(Vec<(Subject, Instant)>, bool)> {
        if self.in_a_row < MAX_IN_A_ROW {
            return None;
        }
        self.in_a_row = 0;
        let groups = std::mem::take(&mut self.groups);
        let mut wait = Vec::new();
        let mut others = false;
        for subject in groups.into_iter().flatten() {
            match self.refused.get_mut(&subject) {
                Some(refusal) => {
                    refusal.at = now + delay(refusal.times);
                    refusal.times += 1;
                    wait.push((subject, refusal.at));
                }
                None => others = true,
            }
        }
        Some((wait, others))
    }

    /// The kernel has taken it, holds it already, or it is to be gone: it is as any other.
    pub(super) fn forget(&mut self, subject: &Subject) {
        self.refused.remove(subject);
        for group in &mut self.groups {
            group.remove(subject);
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// The kernel has taken something.
    pub(super) fn taken(&mut self) {
        self.in_a_row = 0;
    }

    /// All that was refused is to be tried now, and has not been refused as far as its next wait goes. Returns it.
    pub(super) fn try_all(&mut self) -> BTreeSet<Subject> {
        self.in_a_row = 0;
        let waiting: BTreeSet<Subject> = self
            .refused
            .iter_mut()
            .map(|(subject, refusal)| {
                refusal.times = 0;
                *subject
            })
            .collect();
        self.groups
            .iter_mut()
            .for_each(|it| it.retain(|it| !waiting.contains(it)));
        self.groups.retain(|group| !group.is_empty());
        self.try_apart(waiting.clone());
        waiting
    }

    /// What waits, and why.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Subject, &str)> {
        self.refused
            .iter()
            .map(|(subject, refusal)| (subject, refusal.why.as_str()))
    }

    /// Why it waits, if it does.
    pub(super) fn why(&self, subject: &Subject) -> Option<&str> {
        self.refused.get(subject).map(|it| it.why.as_str())
    }
}
