//! Between the types of this contract that later ones have changed, and the host's own.

use evenkeel_core::manifest::{Abilities, Facts, SettingKind};

use super::checker::exports::evenkeel::plugin::health_checker as wit_checker;
use super::scheduler::evenkeel::plugin::types as wit;
use super::scheduler::exports::evenkeel::plugin::scheduler as wit_scheduler;
use super::values;
use crate::text::clean;
use crate::wasm::MAX_REASON;
use crate::{Backend, Load, Verdict};

pub(super) fn kind(kind: wit::SettingKind) -> Result<SettingKind, String> {
    Ok(match kind {
        wit::SettingKind::Boolean => SettingKind::Boolean,
        wit::SettingKind::Integer((min, max)) => SettingKind::Integer { min, max },
        wit::SettingKind::Number => SettingKind::NUMBER,
        wit::SettingKind::Text => SettingKind::Text,
        wit::SettingKind::TextList => SettingKind::TextList,
        wit::SettingKind::Duration => SettingKind::DURATION,
        wit::SettingKind::Choice(words) => SettingKind::Choice(words),
    })
}

/// Those that plans may name: it never hears of others.
pub(super) fn backends(backends: &[Backend]) -> Vec<wit_scheduler::Backend> {
    let backend = |backend: &Backend| wit_scheduler::Backend {
        id: backend.id.get(),
        name: backend.name.clone(),
        endpoint: values::endpoint(backend.address),
        weight: backend.weight,
        counts: values::counts(&backend.facts),
        labels: backend.labels.clone(),
    };
    let usable = backends.iter().filter(|backend| backend.usable);
    usable.map(backend).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "later contracts' can be wrong")]
pub(super) fn abilities(abilities: wit_scheduler::Abilities) -> Result<Abilities, String> {
    let decisions = abilities.decisions.into_iter();
    Ok(Abilities {
        decisions: decisions.map(values::decision).collect(),
        facts: facts(abilities.facts),
        deterministic: false,
        stateless: false,
        labels: Vec::new(),
    })
}

pub(super) fn verdict(verdict: wit_checker::Verdict) -> Verdict {
    match verdict {
        wit_checker::Verdict::Healthy => Verdict::Healthy,
        wit_checker::Verdict::Degraded(percent) => Verdict::Degraded(percent.min(100), None),
        wit_checker::Verdict::Unhealthy(reason) => Verdict::Unhealthy(clean(&reason, MAX_REASON)),
    }
}

fn facts(facts: wit_scheduler::Facts) -> Facts {
    Facts {
        connections: facts.contains(wit_scheduler::Facts::CONNECTIONS),
        latency: facts.contains(wit_scheduler::Facts::LATENCY),
        signals: false,
    }
}

pub(super) fn loads(loads: &[Load]) -> Vec<wit_scheduler::Load> {
    let load = |load: &Load| wit_scheduler::Load {
        id: load.id.get(),
        counts: values::counts(&load.facts),
    };
    loads.iter().map(load).collect()
}
