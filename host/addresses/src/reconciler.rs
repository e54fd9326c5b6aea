//! Brings the machine in line with what is wanted: looks, compares, changes, and looks at what came of it.

use std::collections::BTreeSet;

use evenkeel_core::model::Assign;
use nix::errno::Errno;

use crate::desired::{AddressSpec, Desired};
use crate::error::AddressError;
use crate::machine::{MachineState, Origin, PresentAddress};
use crate::macvlan::{self, PreparedMacvlans};
use crate::netlink::Netlink;
use crate::owner::Owner;
use crate::plan::{collateral, plan};
use crate::steps::{AddressAction, AddressPlan, AddressStep};

/// The kernel may take more away than it was told to, and then it is put back; but not for ever.
const MAX_ROUNDS: usize = 3;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Steps that were carried out, in order.
    pub(crate) done: Vec<AddressStep>,
    /// Steps that failed; they are not tried again in the same go.
    pub(crate) failed: Vec<(AddressStep, Errno)>,
    /// What could not even be tried, with the owner.
    pub(crate) problems: Vec<(Owner, String)>,
    /// What concerns nobody and failed.
    pub(crate) orphans: Vec<String>,
    /// Instances that got an address, and were not told of it yet.
    pub(crate) added: BTreeSet<String>,
    /// Addresses of services that are there already as someone else's.
    pub(crate) foreign: BTreeSet<Assign>,
    /// Addresses of services whose mark the kernel does not keep.
    pub(crate) unmarked: Vec<Assign>,
    /// The machine could not be looked at.
    pub(crate) unseen: Option<AddressError>,
}

impl Outcome {
    /// Whether something of a VRRP instance failed.
    pub(crate) fn has_failed(&self, instance: &str) -> bool {
        let mut failed = self.failed.iter();
        failed.any(|(step, _)| owner_is(step.owner.as_ref(), instance))
    }

    /// Whether something of a VRRP instance could not be tried.
    pub(crate) fn has_problem(&self, instance: &str) -> bool {
        let mut problems = self.problems.iter();
        problems.any(|(owner, _)| owner_is(Some(owner), instance))
    }

    /// All that went wrong for an owner; `None`: for nobody.
    pub(crate) fn failures(&self, of: Option<&Owner>) -> Vec<String> {
        let problems = self.problems.iter();
        let problems = problems.filter(|(owner, _)| Some(owner) == of);
        let failed = self.failed.iter();
        let failed = failed.filter(|(step, _)| step.owner.as_ref() == of);
        problems
            .map(|(_, text)| text.clone())
            .chain(failed.map(|(step, error)| {
                let why = step.action.explain(*error);
                format!("cannot {step}: {why}")
            }))
            .collect()
    }

    /// Whether it has to be tried again.
    pub(crate) fn is_partial(&self) -> bool {
        !self.failed.is_empty()
            || !self.problems.is_empty()
            || !self.orphans.is_empty()
            || self.unseen.is_some()
    }
}

fn owner_is(owner: Option<&Owner>, instance: &str) -> bool {
    owner.and_then(Owner::instance) == Some(instance)
}

/// One netlink socket, and the machine as it was seen last. Works on the network namespace of the thread that opened
/// it.
pub(crate) struct Reconciler {
    netlink: Netlink,
    /// As it was at the last look.
    pub(crate) machine: MachineState,
    /// Whether the machine may be otherwise.
    pub(crate) stale: bool,
    /// Whether routes and rules are looked at.
    pub(crate) routing: bool,
    /// Services' addresses that were added on a kernel that does not keep the mark.
    unmarked: BTreeSet<Assign>,
    /// Why the last look failed.
    error: Option<AddressError>,
}

impl Reconciler {
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`AddressError::Socket`].
    pub(crate) fn open() -> Result<Self, AddressError> {
        Ok(Self {
            netlink: Netlink::open()?,
            machine: MachineState::default(),
            stale: true,
            routing: false,
            unmarked: BTreeSet::new(),
            error: None,
        })
    }

    pub(crate) fn netlink(&self) -> &Netlink {
        &self.netlink
    }

    /// Asks the kernel what is there. Where that fails, the machine stays stale, and the next try has a new socket.
    pub(crate) async fn look(&mut self) {
        match MachineState::look(&self.netlink, self.routing).await {
            Ok(machine) => {
                self.machine = machine;
                self.remember_marks();
                self.stale = false;
                self.error = None;
            }
            Err(error) => {
                self.stale = true;
                self.error = Some(error);
                self.reopen();
            }
        }
    }

    /// Why the last look failed, if it did. Told once.
    pub(crate) fn take_error(&mut self) -> Option<AddressError> {
        self.error.take()
    }

    fn reopen(&mut self) {
        if let Ok(netlink) = Netlink::open() {
            self.netlink = netlink;
        }
    }

    /// Brings the machine in line. What it is like is known from the last look as a rule, so that a change is on its
    /// way at once; then a look tells what came of it. `sent` is called as soon as steps were carried out, and when
    /// there are no more.
    pub(crate) async fn reconcile(
        &mut self,
        desired: &Desired,
        sent: &mut (dyn FnMut(&mut Outcome) + Send),
    ) -> Outcome {
        if self.stale {
            self.look().await;
        }
        let mut prepared = PreparedMacvlans::default();
        if desired.active.vrrp {
            prepared = macvlan::prepare(&self.netlink, &self.machine, &desired.macvlans).await;
        }
        if prepared.changed {
            self.look().await;
        }
        self.apply(desired, prepared, sent).await
    }

    /// The same, but without making or removing interfaces.
    pub(crate) async fn apply(
        &mut self,
        desired: &Desired,
        prepared: PreparedMacvlans,
        sent: &mut (dyn FnMut(&mut Outcome) + Send),
    ) -> Outcome {
        let mut outcome = Outcome {
            orphans: prepared.failures,
            ..Outcome::default()
        };
        let problems: Vec<(Owner, String)> = prepared
            .problems
            .into_iter()
            .map(|(instance, text)| (Owner::Vrrp(instance), text))
            .collect();
        for _ in 0..MAX_ROUNDS {
            let plan = plan(desired, &self.machine);
            outcome.problems = [problems.as_slice(), &plan.problems].concat();
            outcome.foreign = plan.foreign.iter().map(assign).collect();
            let steps = untried(plan, &outcome);
            if steps.is_empty() {
                sent(&mut outcome);
                break;
            }
            self.carry_out(steps, desired, &mut outcome, sent).await;
            self.look_for_marks(&mut outcome);
        }
        let broken = |(_, error): &(AddressStep, Errno)| *error == Errno::ENOTCONN;
        if outcome.failed.iter().any(broken) {
            self.reopen();
            self.stale = true;
        }
        outcome.unseen = self.take_error();
        outcome
    }

    async fn carry_out(
        &mut self,
        steps: Vec<AddressStep>,
        desired: &Desired,
        outcome: &mut Outcome,
        sent: &mut (dyn FnMut(&mut Outcome) + Send),
    ) {
        self.send(&steps, outcome).await;
        sent(outcome);

        let before = std::mem::take(&mut self.machine);
        self.look().await;
        if self.stale {
            self.machine = before;
            return;
        }
        let removed: Vec<PresentAddress> = steps
            .into_iter()
            .filter_map(|step| match step.action {
                AddressAction::RemoveAddress(present) => Some(*present),
                _ => None,
            })
            .collect();
        let lost = collateral(&before, &removed, &self.machine, desired);
        if !lost.is_empty() {
            self.send(&lost, outcome).await;
            self.look().await;
        }
    }

    async fn send(&mut self, steps: &[AddressStep], outcome: &mut Outcome) {
        let requests = steps.iter().map(|step| step.action.request()).collect();
        let results = self.netlink.send(requests).await;
        for (step, result) in steps.iter().zip(results) {
            match result {
                Err(error) if !step.action.is_done_anyway(error) => {
                    outcome.failed.push((step.clone(), error));
                    continue;
                }
                // There was nothing to do.
                Err(_) if matches!(step.owner, Some(Owner::Services)) => continue,
                _ => outcome.done.push(step.clone()),
            }
            match &step.action {
                AddressAction::AddVirtualAddress { .. } => {
                    let instance = step.owner.as_ref().and_then(Owner::instance);
                    outcome.added.extend(instance.map(str::to_owned));
                }
                AddressAction::RemoveAddress(present) => {
                    let device = self.machine.name(present.index);
                    self.unmarked.retain(|ours| !is(ours, present, &device));
                }
                _ => {}
            }
        }
    }

    /// Kernels before 5.18 ignore the mark. Then this process has to remember what is a service's.
    fn look_for_marks(&mut self, outcome: &mut Outcome) {
        for step in &outcome.done {
            if let AddressAction::AddServiceAddress { index, address } = &step.action
                && self.machine.at(*index, address.addr).any(|present| {
                    present.origin != Origin::Service && present.prefix == address.prefix
                })
            {
                outcome.unmarked.push(assign(address));
            }
        }
        self.unmarked.extend(outcome.unmarked.iter().cloned());
        self.remember_marks();
    }

    fn remember_marks(&mut self) {
        if self.unmarked.is_empty() {
            return;
        }
        let devices = &self.machine.devices;
        for present in &mut self.machine.addresses {
            let Some(device) = devices.get(&present.index) else {
                continue;
            };
            if self
                .unmarked
                .iter()
                .any(|ours| is(ours, present, &device.name))
            {
                present.origin = Origin::Service;
            }
        }
    }
}

/// Whether this is that address.
fn is(assign: &Assign, present: &PresentAddress, device: &str) -> bool {
    assign.interface == device && assign.addr == present.addr && assign.prefix == present.prefix
}

fn assign(address: &AddressSpec) -> Assign {
    Assign {
        interface: address.device.clone(),
        addr: address.addr,
        prefix: address.prefix,
    }
}

fn untried(plan: AddressPlan, outcome: &Outcome) -> Vec<AddressStep> {
    let failed = |step: &AddressStep| outcome.failed.iter().any(|(failed, _)| failed == step);
    let mut steps = plan.steps;
    steps.retain(|step| !failed(step));
    steps
}
