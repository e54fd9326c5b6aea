//! A scheduler that is tried beside the service's own.

use evenkeel_core::model::{SecondRole, Service};

/// Its heading, and what it does.
pub(super) fn line(service: &Service) -> Option<(&'static str, String)> {
    let second = service.second.as_ref()?;
    let (name, first) = (&second.scheduler.plugin, &service.scheduler.plugin);
    Some(match second.role {
        SecondRole::Shadow => (
            "Shadow",
            format!(
                "{name} makes plans beside it, which nobody follows; `evenkeel status` says how much they differ"
            ),
        ),
        SecondRole::Canary(canary) => (
            "Canary",
            format!(
                "{name} decides for {}% of the slots; {first} does for all again if it fails, if more than one of 100 \
                 calls takes longer than {}, or if its plan is more uneven by more than {}",
                canary.share,
                humantime::format_duration(canary.max_call),
                canary.max_uneven
            ),
        ),
    })
}
