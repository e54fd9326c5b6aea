//! Between the types of this contract that later ones have changed, and the host's own.

use std::time::Duration;

use evenkeel_core::manifest::{Abilities, Facts, SettingKind, SettingValue};
use evenkeel_core::plan::{Plan, Run};
use evenkeel_core::state::Selector;

use super::checker::exports::evenkeel::plugin::health_checker as wit_checker;
use super::scheduler::evenkeel::plugin::types as wit;
use super::scheduler::exports::evenkeel::plugin::scheduler as wit_scheduler;
use super::values::{self, from_contract, to_contract};
use crate::text::clean;
use crate::wasm::MAX_REASON;
use crate::wasm::contracts::{backend, unknown};
use crate::{Backend, BackendFacts, Load, Verdict};

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

/// A configured value. No plugin of this contract can ask for tables.
pub(super) fn value(value: &SettingValue) -> wit::SettingValue {
    to_contract!(wit::SettingValue, value, _tables => wit::SettingValue::TextList(Vec::new()))
}

pub(super) fn default(value: wit::SettingValue) -> SettingValue {
    from_contract!(wit::SettingValue, value)
}

/// Those that plans may name: it never hears of others.
pub(super) fn backends(backends: &[Backend]) -> Vec<wit_scheduler::Backend> {
    let backend = |backend: &Backend| wit_scheduler::Backend {
        id: backend.id.get(),
        name: backend.name.clone(),
        endpoint: values::endpoint(backend.address),
        weight: backend.weight,
        counts: counts(&backend.facts),
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
        delegates: Vec::new(),
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
        traffic: false,
    }
}

fn counts(facts: &BackendFacts) -> wit_scheduler::Counts {
    let micros = |latency: Duration| u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
    wit_scheduler::Counts {
        active: facts.counts.active,
        inactive: facts.counts.inactive,
        total: facts.counts.total,
        latency_us: facts.latency.map(micros),
    }
}

/// `Err`: what is wrong with it, as the end of a sentence about the plugin.
pub(super) fn plan(plan: wit_scheduler::Plan) -> Result<Plan, String> {
    let table = match plan {
        wit_scheduler::Plan::None => return Ok(Plan::None),
        wit_scheduler::Plan::PerConnection => return Ok(Plan::PerConnection),
        wit_scheduler::Plan::Table(table) => table,
    };
    let run = |run: wit_scheduler::Run| -> Result<Run, String> {
        Ok(Run {
            id: backend(run.id).map_err(unknown)?,
            width: run.width,
        })
    };
    Ok(Plan::Table {
        slots: table.slots.into_iter().map(run).collect::<Result<_, _>>()?,
        selector: match table.selector {
            wit_scheduler::Selector::Sequence => Selector::Sequence,
            wit_scheduler::Selector::Random => Selector::Random,
            wit_scheduler::Selector::HashSource => Selector::HashSource,
            wit_scheduler::Selector::HashFlow => Selector::HashFlow,
        },
        refresh_ms: table.refresh_ms,
    })
}

pub(super) fn loads(loads: &[Load]) -> Vec<wit_scheduler::Load> {
    let load = |load: &Load| wit_scheduler::Load {
        id: load.id.get(),
        counts: counts(&load.facts),
    };
    loads.iter().map(load).collect()
}
