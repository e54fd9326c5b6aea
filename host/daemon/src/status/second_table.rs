//! The lines of a service's second scheduler.

use std::fmt::Write as _;

use super::plugin::PluginStatus;
use super::second::{CanaryStatus, SecondStatus};
use super::service::ServiceStatus;

/// Who is tried beside the scheduler, and how that goes. `plugin` writes who it is.
pub(super) fn write(
    out: &mut String,
    service: &ServiceStatus,
    plugin: impl Fn(&mut String, &str, &str, &PluginStatus) -> std::fmt::Result,
) -> std::fmt::Result {
    let shadow = service.shadow.as_ref().map(|it| ("shadow", it));
    let canary = service.canary.as_ref().map(|it| ("canary", &it.second));
    for (role, second) in shadow.into_iter().chain(canary) {
        write!(out, "  {role} ")?;
        match &second.plugin {
            Some(it) => plugin(out, &second.scheduler, &second.scheduler_version, it)?,
            None => writeln!(out, "{} {}", second.scheduler, second.scheduler_version)?,
        }
        compare(out, second)?;
        if let Some(problem) = &second.problem {
            writeln!(out, "  !! {problem}; no connection is affected")?;
        }
    }
    if let Some(canary) = &service.canary {
        decides(out, service, canary)?;
    }
    Ok(())
}

fn compare(out: &mut String, second: &SecondStatus) -> std::fmt::Result {
    let (Some(otherwise), Some(of)) = (second.otherwise_percent, &second.compared) else {
        return writeln!(
            out,
            "    its plans have not been compared with the scheduler's yet"
        );
    };
    let least = if of == "clients" { "" } else { " at least" };
    write!(
        out,
        "    by its plan {otherwise}% of the {of}{least} would go elsewhere"
    )?;
    if let (Some(uneven), Some(first)) = (second.uneven_percent, second.first_uneven_percent) {
        write!(
            out,
            "; it is uneven by {uneven}%, the scheduler's by {first}%"
        )?;
    }
    writeln!(out)
}

fn decides(out: &mut String, service: &ServiceStatus, canary: &CanaryStatus) -> std::fmt::Result {
    if let Some(why) = &canary.taken_back {
        return writeln!(
            out,
            "  !! the canary is taken back, and {} decides for all: {why}",
            service.scheduler
        );
    }
    let (slots, all) = (canary.slots, canary.all_slots);
    let share = canary.share_percent;
    writeln!(
        out,
        "    it decides for {slots} of {all} slots (share {share}%)"
    )
}
