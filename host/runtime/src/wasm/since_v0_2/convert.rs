//! Between the types that this contract has changed, and the host's own.

use std::net::Ipv6Addr;
use std::time::Duration;

use evenkeel_core::manifest::{Abilities, Facts, Setting, SettingKind, SettingSpec, SettingValue};
use evenkeel_core::model::Protocol;
use evenkeel_core::pattern::Pattern;
use evenkeel_core::plan::{GroupRun, GroupTable, Plan, PlannedGroup, PlannedGroups, Run};
use evenkeel_core::scheduler::BackendHealth;
use evenkeel_core::signals::Signals;
use evenkeel_core::state::{Prefixes, Selector};
use ipnet::IpNet;

use super::checker::exports::evenkeel::plugin::health_checker as wit_checker;
use super::scheduler::evenkeel::plugin::types as wit;
use super::scheduler::exports::evenkeel::plugin::scheduler as wit_scheduler;
use super::values::{self, from_contract, to_contract};
use crate::text::clean;
use crate::wasm::MAX_REASON;
use crate::wasm::contracts::{backend, unknown};
use crate::{Backend, BackendFacts, DirectorRole, Load, SavedState, ServiceContext, Verdict};

/// What a setting can be, and what a key of a table can be: no type of a contract contains itself, so each is there
/// twice. `$others` are the cases that the type has besides.
macro_rules! kind {
    ($contract:ty, $kind:expr $(, $others:pat => $of_others:expr)?) => {{
        use $contract as Contract;
        match $kind {
            Contract::Boolean => SettingKind::Boolean,
            Contract::Integer((min, max)) => SettingKind::Integer { min, max },
            Contract::Number((min, max)) => SettingKind::Number { min, max },
            Contract::Text => SettingKind::Text,
            Contract::TextList => SettingKind::TextList,
            Contract::Duration((min, max)) => SettingKind::Duration {
                min: Duration::from_millis(min),
                max: Duration::from_millis(max),
            },
            Contract::Choice(words) => SettingKind::Choice(words),
            Contract::Matching(pattern) => SettingKind::Matching(Pattern::new(&pattern)?),
            Contract::Secret => SettingKind::Secret,
            Contract::File => SettingKind::File,
            $($others => $of_others,)?
        }
    }};
}

pub(super) fn kind(kind: wit::SettingKind) -> Result<SettingKind, String> {
    Ok(
        kind!(wit::SettingKind, kind, wit::SettingKind::Tables(keys) => {
            SettingKind::Tables(keys.into_iter().map(table_key).collect::<Result<_, _>>()?)
        }),
    )
}

fn table_key(key: wit::TableKey) -> Result<SettingSpec, String> {
    Ok(SettingSpec {
        key: key.key,
        doc: key.doc,
        kind: kind!(wit::TableKeyKind, key.kind),
        default: key.default.map(default),
        required: key.required,
    })
}

/// A configured value.
pub(super) fn value(value: &SettingValue) -> wit::SettingValue {
    to_contract!(wit::SettingValue, value, tables => {
        wit::SettingValue::Tables(tables.iter().map(|it| table(it)).collect())
    })
}

fn table(entries: &[Setting]) -> Vec<wit::TableEntry> {
    let entry = |entry: &Setting| wit::TableEntry {
        key: entry.key.clone(),
        // No key of a table can be a list of tables itself: the contract has no way to ask for it.
        value: to_contract!(wit::PlainValue, &entry.value, _tables => {
            wit::PlainValue::TextList(Vec::new())
        }),
    };
    entries.iter().map(entry).collect()
}

pub(super) fn default(value: wit::PlainValue) -> SettingValue {
    from_contract!(wit::PlainValue, value)
}

pub(super) fn backends(backends: &[Backend]) -> Vec<wit_scheduler::Backend> {
    let backend = |backend: &Backend| wit_scheduler::Backend {
        id: backend.id.get(),
        name: backend.name.clone(),
        endpoint: values::endpoint(backend.address),
        weight: backend.weight,
        configured_weight: backend.configured_weight,
        health: match backend.health {
            BackendHealth::Healthy => wit_scheduler::Health::Healthy,
            BackendHealth::Degraded(percent) => wit_scheduler::Health::Degraded(percent),
            BackendHealth::Failed => wit_scheduler::Health::Failed,
        },
        usable: backend.usable,
        counts: counts(&backend.facts),
        signals: signals(&backend.facts.signals),
        labels: backend.labels.clone(),
    };
    backends.iter().map(backend).collect()
}

pub(super) fn abilities(abilities: wit_scheduler::Abilities) -> Result<Abilities, String> {
    let decisions = abilities.decisions.into_iter();
    Ok(Abilities {
        decisions: decisions.map(values::decision).collect(),
        facts: facts(abilities.facts),
        deterministic: abilities.deterministic,
        stateless: abilities.stateless,
        labels: values::specs(abilities.labels)?,
        delegates: abilities.delegates,
    })
}

pub(super) fn role(role: DirectorRole) -> wit_scheduler::Role {
    match role {
        DirectorRole::Alone => wit_scheduler::Role::Alone,
        DirectorRole::Master => wit_scheduler::Role::Master,
        DirectorRole::Backup => wit_scheduler::Role::Backup,
    }
}

pub(super) fn context(context: &ServiceContext) -> wit_scheduler::Context {
    let listener = context.listener.as_ref().and_then(|key| {
        let protocol = match key.protocol {
            Protocol::Tcp => wit::Protocol::Tcp,
            Protocol::Udp => wit::Protocol::Udp,
            Protocol::Sctp | Protocol::Fwmark(_) => return None,
        };
        Some(wit_scheduler::Listener {
            protocol,
            endpoint: values::endpoint((key.addr, key.port).into()),
        })
    });
    wit_scheduler::Context {
        service: context.service.clone(),
        listener,
        role: role(context.role),
    }
}

pub(super) fn state(state: &SavedState) -> wit_scheduler::SavedState {
    wit_scheduler::SavedState {
        version: state.version,
        bytes: state.bytes.clone(),
    }
}

pub(super) fn saved(state: wit_scheduler::SavedState) -> SavedState {
    SavedState {
        version: state.version,
        bytes: state.bytes,
    }
}

pub(super) fn verdict(verdict: wit_checker::Verdict) -> Verdict {
    match verdict {
        wit_checker::Verdict::Healthy => Verdict::Healthy,
        wit_checker::Verdict::Degraded(degraded) => {
            let reason = clean(&degraded.reason, MAX_REASON);
            let reason = Some(reason).filter(|reason| !reason.is_empty());
            Verdict::Degraded(degraded.percent.min(100), reason)
        }
        wit_checker::Verdict::Unhealthy(reason) => Verdict::Unhealthy(clean(&reason, MAX_REASON)),
    }
}

fn facts(facts: wit_scheduler::Facts) -> Facts {
    Facts {
        connections: facts.contains(wit_scheduler::Facts::CONNECTIONS),
        latency: facts.contains(wit_scheduler::Facts::LATENCY),
        signals: facts.contains(wit_scheduler::Facts::SIGNALS),
        traffic: facts.contains(wit_scheduler::Facts::TRAFFIC),
    }
}

fn counts(facts: &BackendFacts) -> wit_scheduler::Counts {
    let micros = |latency: Duration| u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
    wit_scheduler::Counts {
        active: facts.counts.active,
        inactive: facts.counts.inactive,
        total: facts.counts.total,
        latency_us: facts.latency.map(micros),
        per_minute: facts.per_minute,
        failed: facts.failed,
        traffic: facts.traffic.map(|it| wit_scheduler::Traffic {
            to_backend: it.to_backend,
            to_clients: it.to_clients,
        }),
    }
}

/// `Err`: what is wrong with it, as the end of a sentence about the plugin.
pub(super) fn plan(plan: wit_scheduler::Plan) -> Result<Plan, String> {
    match plan {
        wit_scheduler::Plan::None => Ok(Plan::None),
        wit_scheduler::Plan::PerConnection => Ok(Plan::PerConnection),
        wit_scheduler::Plan::Table(table) => Ok(Plan::Table {
            slots: runs(table.slots)?,
            selector: selector(table.selector),
            refresh_ms: table.refresh_ms,
        }),
        wit_scheduler::Plan::Groups(groups) => Ok(Plan::Groups(PlannedGroups {
            groups: groups
                .groups
                .into_iter()
                .map(group)
                .collect::<Result<_, _>>()?,
            rules: groups
                .rules
                .into_iter()
                .map(rule)
                .collect::<Result<_, _>>()?,
            refresh_ms: groups.refresh_ms,
        })),
    }
}

fn runs(runs: Vec<wit_scheduler::Run>) -> Result<Vec<Run>, String> {
    let run = |run: wit_scheduler::Run| {
        Ok(Run {
            id: backend(run.id).map_err(unknown)?,
            width: run.width,
        })
    };
    runs.into_iter().map(run).collect()
}

fn selector(selector: wit_scheduler::Selector) -> Selector {
    match selector {
        wit_scheduler::Selector::Sequence => Selector::Sequence,
        wit_scheduler::Selector::Random => Selector::Random,
        wit_scheduler::Selector::HashSource => Selector::HashSource,
        wit_scheduler::Selector::HashFlow => Selector::HashFlow,
        wit_scheduler::Selector::HashNetwork(prefixes) => Selector::HashNetwork(Prefixes {
            v4: prefixes.v4,
            v6: prefixes.v6,
        }),
    }
}

fn group(group: wit_scheduler::Group) -> Result<PlannedGroup, String> {
    Ok(match group {
        wit_scheduler::Group::Refuse => PlannedGroup::Refuse,
        wit_scheduler::Group::Servers((slots, by)) => PlannedGroup::Servers(GroupTable {
            slots: runs(slots)?,
            selector: selector(by),
        }),
        wit_scheduler::Group::Split((slots, by)) => PlannedGroup::Split(GroupTable {
            slots: slots
                .into_iter()
                .map(|run| GroupRun {
                    group: number(run.group),
                    width: run.width,
                })
                .collect(),
            selector: selector(by),
        }),
        wit_scheduler::Group::Delegate((scheduler, servers)) => PlannedGroup::Delegate {
            scheduler: clean(&scheduler, 64),
            servers: servers
                .into_iter()
                .map(|id| backend(id).map_err(unknown))
                .collect::<Result<_, _>>()?,
        },
    })
}

fn rule(rule: wit_scheduler::Rule) -> Result<(IpNet, usize), String> {
    let bits = u128::from(rule.network.hi) << 64 | u128::from(rule.network.lo);
    let network = Ipv6Addr::from_bits(bits).to_canonical();
    let net = IpNet::new(network, rule.prefix).map_err(|_| {
        format!(
            "its plan has a rule for {network}/{}, which is no network",
            rule.prefix
        )
    })?;
    Ok((net, number(rule.group)))
}

fn number(group: u32) -> usize {
    usize::try_from(group).unwrap_or(usize::MAX)
}

pub(super) fn loads(loads: &[Load]) -> Vec<wit_scheduler::Load> {
    let load = |load: &Load| wit_scheduler::Load {
        id: load.id.get(),
        counts: counts(&load.facts),
        signals: signals(&load.facts.signals),
    };
    loads.iter().map(load).collect()
}

fn signals(signals: &Signals) -> Vec<wit_scheduler::Signal> {
    let signal = |(name, value): (&str, f64)| wit_scheduler::Signal {
        name: name.to_owned(),
        value,
    };
    signals.iter().map(signal).collect()
}
