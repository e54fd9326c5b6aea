//! Between C's types and the SDK's.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::abi;
use crate::backends::{
    Backend, BackendId, Counts, Decision, Facts, Flow, Health, Protocol, Traffic,
};
use crate::context::{Context, Role, SavedState};
use crate::declared::{Declared, DeclaredAbilities, DeclaredSetting};
use crate::manifest::{Manifest, SettingKind, SettingSpec, SettingValue, Values};
use crate::plan::{Group, Network, Plan, Prefixes, Run, Selector};

/// Whole milliseconds, rounded up.
fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

fn bytes(text: &str) -> abi::Text<'_> {
    abi::Text::new(text.as_bytes())
}

fn texts(texts: &[String]) -> Vec<abi::Text<'_>> {
    texts.iter().map(|text| bytes(text)).collect()
}

/// A setting's description, with what it points to.
struct Described<'a> {
    spec: &'a SettingSpec,
    words: Vec<abi::Text<'a>>,
    default_texts: Vec<abi::Text<'a>>,
    keys: Vec<Self>,
}

/// Calls `with` with these descriptions in C's words.
fn in_c(described: &[Described<'_>], with: &mut dyn FnMut(&[abi::Spec<'_>])) {
    let defaults: Vec<Vec<_>> = described.iter().map(default).collect();
    let key_defaults: Vec<Vec<Vec<_>>> = described
        .iter()
        .map(|described| described.keys.iter().map(default).collect())
        .collect();
    let keys: Vec<Vec<_>> = described
        .iter()
        .zip(&key_defaults)
        .map(|(described, defaults)| {
            let keys = described.keys.iter().zip(defaults);
            keys.map(|(key, default)| spec(key, default, &[])).collect()
        })
        .collect();
    let specs: Vec<_> = described
        .iter()
        .zip(&defaults)
        .zip(&keys)
        .map(|((described, default), keys)| spec(described, default, keys))
        .collect();
    with(&specs);
}

/// Calls `with` with the manifest in C's words.
pub(super) fn manifest(
    manifest: &Manifest,
    declared: &Declared,
    with: &mut dyn FnMut(&abi::Manifest<'_>),
) {
    let DeclaredAbilities {
        decisions,
        facts,
        deterministic,
        stateless,
        labels,
        delegates,
    } = declared.abilities.unwrap_or(DeclaredAbilities {
        decisions: &[],
        facts: Facts::NONE,
        deterministic: false,
        stateless: false,
        labels: &[],
        delegates: &[],
    });
    let delegates: Vec<_> = delegates.iter().map(|it| bytes(it)).collect();
    let labels: Vec<SettingSpec> = labels.iter().map(DeclaredSetting::spec).collect();
    let described: Vec<_> = manifest
        .settings
        .iter()
        .chain(&labels)
        .map(describe)
        .collect();
    let decisions: Vec<u32> = decisions
        .iter()
        .map(|decision| match decision {
            Decision::Plan => 0,
            Decision::PerConnection => 1,
        })
        .collect();
    in_c(&described, &mut |specs| {
        let (settings, labels) = specs.split_at(manifest.settings.len());
        with(&abi::Manifest {
            name: bytes(&manifest.name),
            version: bytes(&manifest.version),
            summary: bytes(&manifest.summary),
            settings: abi::Slice::new(settings),
            decisions: abi::Slice::new(&decisions),
            connections: facts.connections.into(),
            latency: facts.latency.into(),
            signals: facts.signals.into(),
            traffic: facts.traffic.into(),
            deterministic: deterministic.into(),
            stateless: stateless.into(),
            labels: abi::Slice::new(labels),
            delegates: abi::Slice::new(&delegates),
        });
    });
}

fn describe(spec: &SettingSpec) -> Described<'_> {
    Described {
        spec,
        words: match &spec.kind {
            SettingKind::Choice(words) => texts(words),
            SettingKind::Matching(pattern) => vec![bytes(pattern)],
            _ => Vec::new(),
        },
        default_texts: match &spec.default {
            Some(SettingValue::TextList(list)) => texts(list),
            _ => Vec::new(),
        },
        keys: match &spec.kind {
            SettingKind::Tables(keys) => keys.iter().map(describe).collect(),
            _ => Vec::new(),
        },
    }
}

fn default<'a>(described: &'a Described<'a>) -> Vec<abi::Value<'a>> {
    let value = |value: &'a SettingValue| value_in_c(value, &described.default_texts);
    described.spec.default.iter().map(value).collect()
}

fn value_in_c<'a>(value: &'a SettingValue, list: &'a [abi::Text<'a>]) -> abi::Value<'a> {
    let nothing = abi::Value {
        kind: abi::value::BOOLEAN,
        integer: 0,
        number: 0.0,
        text: bytes(""),
        texts: abi::Slice::new(&[]),
        tables: abi::Slice::new(&[]),
    };
    match value {
        SettingValue::Boolean(value) => abi::Value {
            integer: (*value).into(),
            ..nothing
        },
        SettingValue::Integer(integer) => abi::Value {
            kind: abi::value::INTEGER,
            integer: *integer,
            ..nothing
        },
        SettingValue::Number(number) => abi::Value {
            kind: abi::value::NUMBER,
            number: *number,
            ..nothing
        },
        SettingValue::Text(text) => abi::Value {
            kind: abi::value::TEXT,
            text: bytes(text),
            ..nothing
        },
        SettingValue::TextList(_) => abi::Value {
            kind: abi::value::TEXTS,
            texts: abi::Slice::new(list),
            ..nothing
        },
        SettingValue::Duration(time) => abi::Value {
            kind: abi::value::DURATION,
            integer: millis(*time).into(),
            ..nothing
        },
        SettingValue::Tables(_) => unreachable!("a list of tables has no default"),
    }
}

fn spec<'a>(
    described: &'a Described<'a>,
    default: &'a [abi::Value<'a>],
    keys: &'a [abi::Spec<'a>],
) -> abi::Spec<'a> {
    let (mut min, mut max) = (0, 0);
    let (mut least, mut greatest) = (0.0, 0.0);
    let kind = match &described.spec.kind {
        SettingKind::Boolean => abi::value::BOOLEAN,
        SettingKind::Integer(least, greatest) => {
            (min, max) = (*least, *greatest);
            abi::value::INTEGER
        }
        SettingKind::Number(from, to) => {
            (least, greatest) = (*from, *to);
            abi::value::NUMBER
        }
        SettingKind::Text => abi::value::TEXT,
        SettingKind::TextList => abi::value::TEXTS,
        SettingKind::Duration(from, to) => {
            let millis = |time: &Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            (min, max) = (millis(from), millis(to));
            abi::value::DURATION
        }
        SettingKind::Choice(_) => abi::value::CHOICE,
        SettingKind::Matching(_) => abi::value::MATCHING,
        SettingKind::Secret => abi::value::SECRET,
        SettingKind::File => abi::value::FILE,
        SettingKind::Tables(_) => abi::value::TABLES,
    };
    abi::Spec {
        key: bytes(&described.spec.key),
        doc: bytes(&described.spec.doc),
        kind,
        required: described.spec.required.into(),
        min,
        max,
        least,
        greatest,
        words: abi::Slice::new(&described.words),
        default: abi::Slice::new(default),
        keys: abi::Slice::new(keys),
    }
}

/// The elements of what the host has handed over.
#[expect(unsafe_code, reason = "reads what the host points to")]
fn elements<T>(slice: abi::Slice<'_, T>) -> &[T] {
    // SAFETY: the host makes its slices of its own, and keeps them until the call returns.
    unsafe { slice.get() }
}

fn text(text: abi::Text<'_>) -> String {
    String::from_utf8_lossy(elements(text)).into_owned()
}

/// The values of a configuration.
pub(super) fn values(settings: abi::Slice<'_, abi::Setting<'_>>) -> Result<Values, String> {
    elements(settings)
        .iter()
        .map(|setting| Ok((text(setting.key), value(&setting.value)?)))
        .collect()
}

fn value(value: &abi::Value<'_>) -> Result<SettingValue, String> {
    Ok(match value.kind {
        abi::value::BOOLEAN => SettingValue::Boolean(value.integer != 0),
        abi::value::INTEGER => SettingValue::Integer(value.integer),
        abi::value::NUMBER => SettingValue::Number(value.number),
        abi::value::TEXT => SettingValue::Text(text(value.text)),
        abi::value::TEXTS => {
            SettingValue::TextList(elements(value.texts).iter().map(|it| text(*it)).collect())
        }
        abi::value::DURATION => {
            let ms = u64::try_from(value.integer).unwrap_or(0);
            SettingValue::Duration(Duration::from_millis(ms))
        }
        abi::value::TABLES => SettingValue::Tables(
            elements(value.tables)
                .iter()
                .map(|table| values(*table))
                .collect::<Result<_, _>>()?,
        ),
        other => return Err(format!("the host sent a value of unknown kind {other}")),
    })
}

pub(super) fn backends(backends: abi::Slice<'_, abi::Backend<'_>>) -> Vec<Backend> {
    elements(backends).iter().map(backend).collect()
}

fn backend(backend: &abi::Backend<'_>) -> Backend {
    let label = |label: &abi::Label<'_>| (text(label.key), text(label.value));
    Backend {
        id: BackendId::new(backend.id),
        name: text(backend.name),
        endpoint: endpoint(&backend.endpoint),
        weight: backend.weight,
        configured_weight: backend.configured_weight,
        health: match backend.health {
            abi::FAILED => Health::Failed,
            share => match u8::try_from(share) {
                Ok(share) if share < 100 => Health::Degraded(share),
                Ok(_) | Err(_) => Health::Healthy,
            },
        },
        usable: backend.usable != 0,
        counts: counts(&backend.counts),
        signals: signals(backend.signals),
        labels: elements(backend.labels).iter().map(label).collect(),
    }
}

pub(super) fn loads(
    loads: abi::Slice<'_, abi::Load<'_>>,
) -> impl Iterator<Item = (BackendId, Counts, Vec<(String, f64)>)> {
    elements(loads).iter().map(|load| {
        let id = BackendId::new(load.id);
        (id, counts(&load.counts), signals(load.signals))
    })
}

fn signals(signals: abi::Slice<'_, abi::Signal<'_>>) -> Vec<(String, f64)> {
    let signals = elements(signals).iter();
    signals.map(|it| (text(it.name), it.value)).collect()
}

fn counts(of: &abi::Counts) -> Counts {
    Counts {
        active: of.active,
        inactive: of.inactive,
        total: of.total,
        latency: (of.latency != abi::NEVER).then(|| Duration::from_micros(of.latency)),
        per_minute: of.per_minute,
        failed: of.failed,
        traffic: (of.has_traffic != 0).then_some(Traffic {
            to_backend: of.to_backend,
            to_clients: of.to_clients,
        }),
    }
}

fn endpoint(endpoint: &abi::Endpoint) -> SocketAddr {
    let ip = Ipv6Addr::from(endpoint.address);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    SocketAddr::new(ip, endpoint.port)
}

pub(super) fn context(context: &abi::Context<'_>) -> Context {
    Context {
        service: text(context.service),
        listener: (context.protocol != 0)
            .then(|| (protocol(context.protocol), endpoint(&context.endpoint))),
        role: role(context.role),
    }
}

pub(super) fn role(role: u32) -> Role {
    match role {
        abi::role::MASTER => Role::Master,
        abi::role::BACKUP => Role::Backup,
        _ => Role::Alone,
    }
}

pub(super) fn state(state: &abi::SavedState<'_>) -> SavedState {
    SavedState {
        version: state.version,
        bytes: elements(state.bytes).to_vec(),
    }
}

fn protocol(number: u32) -> Protocol {
    if number == 17 {
        Protocol::Udp
    } else {
        Protocol::Tcp
    }
}

pub(super) fn flow(flow: &abi::Flow) -> Flow {
    Flow {
        protocol: protocol(flow.protocol),
        source: endpoint(&flow.source),
        destination: endpoint(&flow.destination),
    }
}

/// Calls `with` with the plan in C's words.
pub(super) fn plan(plan: &Plan, with: impl FnOnce(&abi::Plan<'_>)) {
    let refresh =
        |after: Option<Duration>| after.map_or(abi::NEVER, |after| millis(after).max(1).into());
    let mut answer = abi::Plan {
        kind: abi::plan::NONE,
        selector: abi::selector::SEQUENCE,
        runs: abi::Slice::new(&[]),
        refresh: abi::NEVER,
        groups: abi::Slice::new(&[]),
        rules: abi::Slice::new(&[]),
    };
    match plan {
        Plan::None => with(&answer),
        Plan::PerConnection => {
            answer.kind = abi::plan::PER_CONNECTION;
            with(&answer);
        }
        Plan::Table(table) => {
            let runs: Vec<_> = table.runs.iter().map(run).collect();
            with(&abi::Plan {
                kind: abi::plan::TABLE,
                selector: selector(table.selector),
                runs: abi::Slice::new(&runs),
                refresh: refresh(table.refresh),
                ..answer
            });
        }
        Plan::Groups(groups) => {
            let slots: Vec<Vec<abi::Run>> = groups.groups.iter().map(slots).collect();
            let in_c: Vec<_> = groups
                .groups
                .iter()
                .zip(&slots)
                .map(|(it, slots)| group(it, slots))
                .collect();
            let rules: Vec<_> = groups.rules.iter().map(rule).collect();
            with(&abi::Plan {
                kind: abi::plan::GROUPS,
                refresh: refresh(groups.refresh),
                groups: abi::Slice::new(&in_c),
                rules: abi::Slice::new(&rules),
                ..answer
            });
        }
    }
}

fn run(run: &Run) -> abi::Run {
    abi::Run {
        id: run.id.get(),
        width: run.width,
    }
}

fn selector(selector: Selector) -> u32 {
    match selector {
        Selector::Sequence => abi::selector::SEQUENCE,
        Selector::Random => abi::selector::RANDOM,
        Selector::HashSource => abi::selector::HASH_SOURCE,
        Selector::HashFlow => abi::selector::HASH_FLOW,
        Selector::HashNetwork(Prefixes { v4, v6 }) => {
            abi::selector::HASH_NETWORK | u32::from(v4) << 8 | u32::from(v6) << 16
        }
    }
}

fn slots(group: &Group) -> Vec<abi::Run> {
    match group {
        Group::Refuse => Vec::new(),
        Group::Servers { runs, .. } => runs.iter().map(run).collect(),
        Group::Split { runs, .. } => runs
            .iter()
            .map(|run| abi::Run {
                id: run.group,
                width: run.width,
            })
            .collect(),
        Group::Delegate { servers, .. } => servers
            .iter()
            .map(|id| abi::Run {
                id: id.get(),
                width: 1,
            })
            .collect(),
    }
}

fn group<'a>(group: &'a Group, slots: &'a [abi::Run]) -> abi::Group<'a> {
    let (kind, by, scheduler) = match group {
        Group::Refuse => (abi::group::REFUSE, Selector::Sequence, ""),
        Group::Servers { selector, .. } => (abi::group::SERVERS, *selector, ""),
        Group::Split { selector, .. } => (abi::group::SPLIT, *selector, ""),
        Group::Delegate { scheduler, .. } => {
            (abi::group::DELEGATE, Selector::Sequence, scheduler.as_str())
        }
    };
    abi::Group {
        kind,
        selector: selector(by),
        runs: abi::Slice::new(slots),
        scheduler: bytes(scheduler),
    }
}

fn rule((network, group): &(Network, u32)) -> abi::Rule {
    let address = match network.address() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    abi::Rule {
        address: address.octets(),
        prefix: network.prefix().into(),
        group: *group,
    }
}
