//! One pass: brings the machine in line with what is wanted, and tells what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use nix::errno::Errno;
use tokio::time::Instant;

use super::{AGAIN, Task};
use crate::keeper::desired::{Address, Desired, Standing, Wanted};
use crate::keeper::machine::{Machine, Origin, Present};
use crate::keeper::netlink::Netlink;
use crate::keeper::plan::{self, Change, Plan, Step, plan};
use crate::keeper::{KeeperReport, macvlan};

/// The kernel may take more away than it was told to, and then it is put back; but not for ever.
const ROUNDS: usize = 3;

/// What a pass over the machine found out.
#[derive(Debug, Default)]
struct Outcome {
    /// Steps that failed; they are not tried again in the same pass.
    failed: Vec<(Step, Errno)>,
    /// By instance.
    problems: BTreeMap<String, Vec<String>>,
    /// Instances that got an address, and were not told of it yet.
    added: BTreeSet<String>,
    /// Problems of what belongs to no instance.
    orphans: Vec<String>,
    /// For the log.
    notes: Vec<Note>,
}

#[derive(Debug)]
struct Note {
    warning: bool,
    instance: Option<String>,
    text: String,
}

impl Task {
    /// Brings the machine in line. What it is like is known from the last look as a rule, so that a change is on its way at
    /// once; then a look tells what came of it.
    pub(super) async fn pass(&mut self) {
        if !self.configured {
            return;
        }
        if self.stale {
            self.look().await;
        }
        let desired = self.desired();
        let mut prepared = macvlan::prepare(&self.netlink, &self.machine, &desired.macvlans).await;
        let mut outcome = Outcome {
            orphans: std::mem::take(&mut prepared.failures),
            ..Outcome::default()
        };
        if prepared.changed {
            self.look().await;
        }
        for _ in 0..ROUNDS {
            let plan = plan(&desired, &self.machine);
            outcome.problems.clear();
            for (instance, text) in prepared.problems.iter().chain(&plan.problems) {
                let texts = outcome.problems.entry(instance.clone()).or_default();
                texts.push(text.clone());
            }
            let steps = untried(plan, &outcome);
            if steps.is_empty() {
                self.tell_done(&mut outcome);
                break;
            }
            self.carry_out(steps, &mut outcome).await;
        }
        self.tell_rest(&desired, &mut outcome);
        log(outcome.notes);
    }

    async fn carry_out(&mut self, steps: Vec<Step>, outcome: &mut Outcome) {
        let requests = steps.iter().map(|step| step.change.request()).collect();
        let results = self.netlink.send(requests).await;
        for (step, result) in steps.iter().zip(results) {
            match result {
                Err(error) if !step.change.is_done_anyway(error) => {
                    outcome.failed.push((step.clone(), error));
                    continue;
                }
                _ => outcome.notes.extend(self.note(step)),
            }
            if matches!(step.change, Change::AddAddress { .. }) {
                outcome.added.extend(step.instance.clone());
            }
        }
        self.tell_done(outcome);

        let before = std::mem::take(&mut self.machine);
        self.look().await;
        if self.stale {
            self.machine = before;
            return;
        }
        let removed: Vec<Present> = steps
            .into_iter()
            .filter_map(|step| match step.change {
                Change::RemoveAddress(present) => Some(*present),
                _ => None,
            })
            .collect();
        let lost = plan::collateral(&before, &removed, &self.machine);
        if !lost.is_empty() {
            let requests = lost.iter().map(|step| step.change.request()).collect();
            for (step, result) in lost.iter().zip(self.netlink.send(requests).await) {
                match result {
                    Err(error) if !step.change.is_done_anyway(error) => {
                        outcome.failed.push((step.clone(), error));
                    }
                    _ => outcome.notes.extend(self.note(step)),
                }
            }
            self.look().await;
        }
    }

    /// Answers, as soon as possible, what is done without a hitch; and tells of addresses that were put back.
    fn tell_done(&mut self, outcome: &mut Outcome) {
        for (name, seat) in &mut self.seats {
            let its = |(step, _): &(Step, Errno)| step.instance.as_deref() == Some(name);
            if outcome.failed.iter().any(its) {
                continue;
            }
            let whole = !outcome.problems.contains_key(name);
            let instance = name.clone();
            match seat.standing {
                Standing::Held if whole && (seat.asked | outcome.added.remove(name)) => {
                    (self.reports)(KeeperReport::Held { instance });
                }
                Standing::Absent if seat.asked => {
                    (self.reports)(KeeperReport::Released { instance });
                }
                _ => continue,
            }
            seat.asked = false;
        }
    }

    /// Answers what is done in part, and tells of problems and of what is here.
    fn tell_rest(&mut self, desired: &Desired, outcome: &mut Outcome) {
        let mut orphans = std::mem::take(&mut outcome.orphans);
        for (step, error) in &outcome.failed {
            let text = format!("cannot {step}: {}", step.change.explain(*error));
            match &step.instance {
                Some(instance) => {
                    let texts = outcome.problems.entry(instance.clone()).or_default();
                    texts.push(text);
                }
                None => orphans.push(text),
            }
        }
        for text in orphans.iter().filter(|text| !self.orphans.contains(text)) {
            outcome.notes.push(Note {
                warning: true,
                instance: None,
                text: text.clone(),
            });
        }
        let broken = outcome
            .failed
            .iter()
            .any(|(_, error)| *error == Errno::ENOTCONN);
        if broken && let Ok(netlink) = Netlink::open() {
            self.netlink = netlink;
            self.stale = true;
        }
        for (name, seat) in &mut self.seats {
            let problem = outcome.problems.get(name).map(|texts| texts.join("; "));
            let its = |wanted: &&Wanted<Address>| wanted.instance == *name;
            let here = |wanted: &Wanted<Address>| is_here(&self.machine, &wanted.what);
            let mut addresses = desired.addresses.iter().filter(its).peekable();
            let some = addresses.peek().is_none() || addresses.any(here);
            let due = seat.asked || outcome.added.contains(name);
            if due && seat.standing == Standing::Held && some {
                seat.asked = false;
                (self.reports)(KeeperReport::Held {
                    instance: name.clone(),
                });
            }
            if problem != seat.problem {
                seat.problem.clone_from(&problem);
                (self.reports)(KeeperReport::Problem {
                    instance: name.clone(),
                    text: problem,
                });
            }
        }
        let pending = self.stale
            || !orphans.is_empty()
            || !outcome.failed.is_empty()
            || !outcome.problems.is_empty();
        self.orphans = orphans;
        self.retry = pending.then(|| Instant::now() + AGAIN);
        let here: BTreeSet<IpAddr> = desired
            .addresses
            .iter()
            .filter(|wanted| is_here(&self.machine, &wanted.what))
            .map(|wanted| wanted.what.addr)
            .collect();
        if here != self.here {
            self.here.clone_from(&here);
            (self.reports)(KeeperReport::Here(here));
        }
    }

    /// What is worth a line in the log.
    fn note(&self, step: &Step) -> Option<Note> {
        let asked = |name: &String| self.seats.get(name).is_some_and(|seat| seat.asked);
        let (warning, text) = match &step.change {
            Change::RemoveAddress(present) if present.origin == Origin::Foreign => (
                true,
                format!(
                    "took {} away: a virtual address that this director does not hold, or not as configured",
                    step.about
                ),
            ),
            Change::RestoreAddress(_) => (
                true,
                format!(
                    "put back {}, which the kernel removed together with a virtual address (see promote_secondaries)",
                    step.about
                ),
            ),
            Change::AddAddress { .. } if !step.instance.as_ref().is_some_and(asked) => {
                (false, format!("added {}", step.about))
            }
            Change::RemoveAddress(_) if step.instance.is_none() => (
                false,
                format!("took {} away: no instance has it any more", step.about),
            ),
            _ => return None,
        };
        Some(Note {
            warning,
            instance: step.instance.clone(),
            text,
        })
    }
}

fn untried(plan: Plan, outcome: &Outcome) -> Vec<Step> {
    let failed = |step: &Step| outcome.failed.iter().any(|(failed, _)| failed == step);
    let mut steps = plan.steps;
    steps.retain(|step| !failed(step));
    steps
}

fn is_here(machine: &Machine, address: &Address) -> bool {
    let index = machine.index(&address.device);
    index.is_some_and(|index| machine.at(index, address.addr).next().is_some())
}

/// On another thread: a log that stalls must not keep an address waiting.
fn log(notes: Vec<Note>) {
    if notes.is_empty() {
        return;
    }
    tokio::task::spawn_blocking(move || {
        for Note {
            warning,
            instance,
            text,
        } in notes
        {
            if warning {
                tracing::warn!(instance, "{text}");
            } else {
                tracing::info!(instance, "{text}");
            }
        }
    });
}

/// A line for the log that is no instance's.
pub(super) fn warn(text: String) {
    log(vec![Note {
        warning: true,
        instance: None,
        text,
    }]);
}
