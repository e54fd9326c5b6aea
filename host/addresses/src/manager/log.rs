//! What the address manager tells the daemon and the log, by another thread: a log that stalls must not keep an address
//! waiting.

use std::collections::{BTreeSet, VecDeque};

use crate::channel::Sender;
use crate::machine::Origin;
use crate::owner::Owner;
use crate::reconciler::Outcome;
use crate::reports::ManagerReport;
use crate::steps::{AddressAction, AddressStep};

/// What is told.
pub(super) enum Outgoing {
    /// To the daemon.
    Report(ManagerReport),
    /// To the log.
    Log(LogLine),
}

/// Where it is handed to the other thread.
pub(super) struct Outbox {
    forwarder: Sender<Outgoing>,
    /// What was not taken yet.
    waiting: VecDeque<Outgoing>,
}

impl Outbox {
    pub(super) fn new(forwarder: Sender<Outgoing>) -> Self {
        Self {
            forwarder,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn report(&mut self, report: ManagerReport) {
        self.waiting.push_back(Outgoing::Report(report));
    }

    pub(super) fn log(&mut self, lines: impl IntoIterator<Item = LogLine>) {
        let lines = lines.into_iter();
        self.waiting.extend(lines.map(Outgoing::Log));
    }

    /// Hands over what there is; `false`: not now, try again soon.
    pub(super) fn hand_over(&mut self) -> bool {
        self.forwarder.try_send(&mut self.waiting)
    }
}

#[derive(Debug, Clone, Copy)]
enum Level {
    Info,
    Warning,
    Error,
}

/// A line of the log.
#[derive(Debug)]
pub(super) struct LogLine {
    level: Level,
    /// Of VRRP.
    instance: Option<String>,
    text: String,
}

impl LogLine {
    pub(super) fn info(text: String) -> Self {
        Self {
            level: Level::Info,
            instance: None,
            text,
        }
    }

    pub(super) fn warning(text: String) -> Self {
        Self {
            level: Level::Warning,
            ..Self::info(text)
        }
    }

    pub(super) fn error(text: String) -> Self {
        Self {
            level: Level::Error,
            ..Self::info(text)
        }
    }

    /// Writes it.
    pub(super) fn write(self) {
        let Self {
            level,
            instance,
            text,
        } = self;
        match level {
            Level::Info => tracing::info!(instance, "{text}"),
            Level::Warning => tracing::warn!(instance, "{text}"),
            Level::Error => tracing::error!(instance, "{text}"),
        }
    }
}

/// What of an outcome is worth a line. `requested`: the VRRP instances that were told to hold or release what they
/// have.
pub(super) fn lines(outcome: &Outcome, requested: &BTreeSet<String>) -> Vec<LogLine> {
    let steps = outcome.done.iter();
    let mut lines: Vec<LogLine> = steps.filter_map(|step| line(step, requested)).collect();
    lines.extend(outcome.unmarked.iter().map(|assign| {
        LogLine::warning(format!(
            "the kernel keeps no mark on addresses (before Linux 5.18): after a crash {} on {} is not known as ours",
            assign.addr, assign.interface
        ))
    }));
    lines
}

fn line(step: &AddressStep, requested: &BTreeSet<String>) -> Option<LogLine> {
    let about = &step.about;
    let instance = step.owner.as_ref().and_then(Owner::instance);
    let was_requested = instance.is_some_and(|instance| requested.contains(instance));
    let line = match &step.action {
        AddressAction::AddServiceAddress { .. } => LogLine::info(format!("address {about} added")),
        AddressAction::RemoveAddress(present) => match present.origin {
            Origin::Service => LogLine::info(format!("address {about} removed")),
            Origin::Foreign => LogLine::warning(format!(
                "took {about} away: a virtual address that this director does not hold, or not as configured"
            )),
            Origin::Vrrp if step.owner.is_none() => {
                LogLine::info(format!("took {about} away: no instance has it any more"))
            }
            Origin::Vrrp => return None,
        },
        AddressAction::RestoreAddress(_) => LogLine::warning(format!(
            "put back {about}, which the kernel removed together with one of ours (see promote_secondaries)"
        )),
        AddressAction::AddVirtualAddress { .. } if !was_requested => {
            LogLine::info(format!("added {about}"))
        }
        _ => return None,
    };
    Some(LogLine {
        instance: instance.map(str::to_owned),
        ..line
    })
}
