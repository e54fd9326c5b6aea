//! Between C's types and the host's own.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use evenkeel_core::manifest::{
    Abilities, Decision, Facts, Manifest, Setting, SettingKind, SettingSpec, SettingValue,
};
use evenkeel_core::model::Protocol;
use evenkeel_core::pattern::Pattern;
use evenkeel_core::plan::{GroupRun, GroupTable, Plan, PlannedGroup, PlannedGroups, Run};
use evenkeel_core::state::{BackendId, Prefixes, Selector};
use evenkeel_sdk::native::abi;
use ipnet::IpNet;

use crate::text::clean;
use crate::{
    Backend, BackendFacts, BackendHealth, DirectorRole, Flow, Load, SavedState, ServiceContext,
};

/// The elements of what a plugin answers.
#[expect(unsafe_code, reason = "reads what a trusted plugin points to")]
fn elements<T>(slice: abi::Slice<'_, T>) -> &[T] {
    // SAFETY: the SDK makes its slices of its own, and keeps them until the host's sink returns.
    unsafe { slice.get() }
}

pub(super) fn text(text: abi::Text<'_>) -> String {
    String::from_utf8_lossy(elements(text)).into_owned()
}

fn texts(texts: abi::Slice<'_, abi::Text<'_>>) -> Vec<String> {
    elements(texts).iter().map(|it| text(*it)).collect()
}

fn bytes(text: &str) -> abi::Text<'_> {
    abi::Text::new(text.as_bytes())
}

pub(super) fn manifest(manifest: &abi::Manifest<'_>) -> Result<Manifest, String> {
    let decision = |number: &u32| match number {
        0 => Ok(Decision::Plan),
        1 => Ok(Decision::PerConnection),
        other => Err(format!("names unknown decision {other}")),
    };
    Ok(Manifest {
        name: text(manifest.name),
        version: text(manifest.version),
        summary: text(manifest.summary),
        settings: specs(manifest.settings)?,
        abilities: Some(Abilities {
            decisions: elements(manifest.decisions)
                .iter()
                .map(decision)
                .collect::<Result<_, _>>()?,
            facts: Facts {
                connections: manifest.connections != 0,
                latency: manifest.latency != 0,
                signals: manifest.signals != 0,
                traffic: manifest.traffic != 0,
            },
            deterministic: manifest.deterministic != 0,
            stateless: manifest.stateless != 0,
            labels: specs(manifest.labels)?,
            delegates: texts(manifest.delegates),
        }),
    })
}

fn specs(specs: abi::Slice<'_, abi::Spec<'_>>) -> Result<Vec<SettingSpec>, String> {
    elements(specs).iter().map(spec).collect()
}

fn spec(spec: &abi::Spec<'_>) -> Result<SettingSpec, String> {
    Ok(SettingSpec {
        key: text(spec.key),
        doc: text(spec.doc),
        kind: match spec.kind {
            abi::value::BOOLEAN => SettingKind::Boolean,
            abi::value::INTEGER => SettingKind::Integer {
                min: spec.min,
                max: spec.max,
            },
            abi::value::NUMBER => SettingKind::Number {
                min: spec.least,
                max: spec.greatest,
            },
            abi::value::TEXT => SettingKind::Text,
            abi::value::TEXTS => SettingKind::TextList,
            abi::value::DURATION => SettingKind::Duration {
                min: Duration::from_millis(u64::try_from(spec.min).unwrap_or(0)),
                max: match u64::try_from(spec.max) {
                    Ok(max) if spec.max != i64::MAX => Duration::from_millis(max),
                    Ok(_) | Err(_) => SettingKind::LONGEST,
                },
            },
            abi::value::CHOICE => SettingKind::Choice(texts(spec.words)),
            abi::value::MATCHING => {
                let pattern = elements(spec.words).first().copied().map(text);
                SettingKind::Matching(Pattern::new(&pattern.unwrap_or_default())?)
            }
            abi::value::SECRET => SettingKind::Secret,
            abi::value::FILE => SettingKind::File,
            abi::value::TABLES => SettingKind::Tables(specs(spec.keys)?),
            other => return Err(format!("has a setting of unknown kind {other}")),
        },
        default: match spec.kind {
            abi::value::TABLES => None,
            _ => elements(spec.default).first().map(value).transpose()?,
        },
        required: spec.required != 0,
    })
}

fn value(value: &abi::Value<'_>) -> Result<SettingValue, String> {
    Ok(match value.kind {
        abi::value::BOOLEAN => SettingValue::Boolean(value.integer != 0),
        abi::value::INTEGER => SettingValue::Integer(value.integer),
        abi::value::NUMBER => SettingValue::Number(value.number),
        abi::value::TEXT => SettingValue::Text(text(value.text)),
        abi::value::TEXTS => SettingValue::TextList(texts(value.texts)),
        abi::value::DURATION => {
            let ms = u64::try_from(value.integer).unwrap_or(0);
            SettingValue::Duration(Duration::from_millis(ms))
        }
        other => return Err(format!("has a default of unknown kind {other}")),
    })
}

/// Calls `with` with the settings in C's words.
pub(super) fn settings<T>(
    settings: &[Setting],
    with: impl FnOnce(abi::Slice<'_, abi::Setting<'_>>) -> T,
) -> T {
    let tables: Vec<&[Vec<Setting>]> = settings
        .iter()
        .map(|setting| match &setting.value {
            SettingValue::Tables(tables) => &**tables,
            _ => &[],
        })
        .collect();
    let table_texts: Vec<Vec<Vec<Vec<_>>>> = tables
        .iter()
        .map(|tables| tables.iter().map(|table| texts_of(table)).collect())
        .collect();
    let tables: Vec<Vec<Vec<_>>> = tables
        .iter()
        .zip(&table_texts)
        .map(|(tables, texts)| {
            let tables = tables.iter().zip(texts);
            tables
                .map(|(table, texts)| entries(table, texts, &[]))
                .collect()
        })
        .collect();
    let tables: Vec<Vec<_>> = tables
        .iter()
        .map(|tables| tables.iter().map(|it| abi::Slice::new(it)).collect())
        .collect();
    let texts = texts_of(settings);
    with(abi::Slice::new(&entries(settings, &texts, &tables)))
}

/// The texts of each that is a list of them.
fn texts_of(settings: &[Setting]) -> Vec<Vec<abi::Text<'_>>> {
    let texts = settings.iter().map(|setting| match &setting.value {
        SettingValue::TextList(list) => list.iter().map(|text| bytes(text)).collect(),
        _ => Vec::new(),
    });
    texts.collect()
}

/// The settings with their texts and tables; without the latter where there are none.
fn entries<'a>(
    settings: &'a [Setting],
    texts: &'a [Vec<abi::Text<'a>>],
    tables: &'a [Vec<abi::Slice<'a, abi::Setting<'a>>>],
) -> Vec<abi::Setting<'a>> {
    let tables = tables.iter().map(Vec::as_slice);
    let tables = tables.chain(std::iter::repeat(&[][..]));
    settings
        .iter()
        .zip(texts)
        .zip(tables)
        .map(|((setting, texts), tables)| abi::Setting {
            key: bytes(&setting.key),
            value: abi::Value {
                tables: abi::Slice::new(tables),
                ..value_in_c(&setting.value, texts)
            },
        })
        .collect()
}

fn value_in_c<'a>(value: &'a SettingValue, list: &'a [abi::Text<'a>]) -> abi::Value<'a> {
    let mut c = abi::Value {
        kind: abi::value::BOOLEAN,
        integer: 0,
        number: 0.0,
        text: bytes(""),
        texts: abi::Slice::new(list),
        tables: abi::Slice::new(&[]),
    };
    match value {
        SettingValue::Boolean(value) => c.integer = (*value).into(),
        SettingValue::Integer(integer) => {
            (c.kind, c.integer) = (abi::value::INTEGER, *integer);
        }
        SettingValue::Number(number) => (c.kind, c.number) = (abi::value::NUMBER, *number),
        SettingValue::Text(text) => (c.kind, c.text) = (abi::value::TEXT, bytes(text)),
        SettingValue::Secret(secret) => {
            (c.kind, c.text) = (abi::value::TEXT, bytes(secret.expose()));
        }
        SettingValue::TextList(_) => c.kind = abi::value::TEXTS,
        SettingValue::Duration(time) => {
            let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            (c.kind, c.integer) = (abi::value::DURATION, ms);
        }
        SettingValue::Tables(_) => c.kind = abi::value::TABLES,
    }
    c
}

/// Calls `with` with the servers in C's words.
pub(super) fn backends<T>(
    backends: &[Backend],
    with: impl FnOnce(abi::Slice<'_, abi::Backend<'_>>) -> T,
) -> T {
    let labels: Vec<Vec<_>> = backends
        .iter()
        .map(|backend| {
            let labels = backend.labels.iter();
            labels
                .map(|(key, value)| abi::Label {
                    key: bytes(key),
                    value: bytes(value),
                })
                .collect()
        })
        .collect();
    let signals: Vec<_> = backends.iter().map(|it| signals(&it.facts)).collect();
    let backends: Vec<_> = backends
        .iter()
        .zip(&labels)
        .zip(&signals)
        .map(|((backend, labels), signals)| abi::Backend {
            id: backend.id.get(),
            weight: backend.weight,
            configured_weight: backend.configured_weight,
            health: match backend.health {
                BackendHealth::Healthy => 100,
                BackendHealth::Degraded(share) => share.into(),
                BackendHealth::Failed => abi::FAILED,
            },
            usable: backend.usable.into(),
            name: bytes(&backend.name),
            endpoint: endpoint(backend.address),
            counts: counts(&backend.facts),
            signals: abi::Slice::new(signals),
            labels: abi::Slice::new(labels),
        })
        .collect();
    with(abi::Slice::new(&backends))
}

/// Calls `with` with what has changed in C's words.
pub(super) fn loads<T>(loads: &[Load], with: impl FnOnce(abi::Slice<'_, abi::Load<'_>>) -> T) -> T {
    let signals: Vec<_> = loads.iter().map(|it| signals(&it.facts)).collect();
    let loads: Vec<_> = loads
        .iter()
        .zip(&signals)
        .map(|(load, signals)| abi::Load {
            id: load.id.get(),
            counts: counts(&load.facts),
            signals: abi::Slice::new(signals),
        })
        .collect();
    with(abi::Slice::new(&loads))
}

fn signals(facts: &BackendFacts) -> Vec<abi::Signal<'_>> {
    let signals = facts.signals.iter();
    signals
        .map(|(name, value)| abi::Signal {
            name: bytes(name),
            value,
        })
        .collect()
}

fn counts(facts: &BackendFacts) -> abi::Counts {
    // Saturating as in the contract, which has 32 bits for it.
    let micros = |latency: Duration| u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
    abi::Counts {
        active: facts.counts.active,
        inactive: facts.counts.inactive,
        total: facts.counts.total,
        latency: facts.latency.map_or(abi::NEVER, |it| micros(it).into()),
        per_minute: facts.per_minute,
        has_traffic: facts.traffic.is_some().into(),
        failed: facts.failed,
        to_backend: facts.traffic.map_or(0, |it| it.to_backend),
        to_clients: facts.traffic.map_or(0, |it| it.to_clients),
    }
}

fn endpoint(address: SocketAddr) -> abi::Endpoint {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    abi::Endpoint {
        address: ip.octets(),
        port: address.port(),
    }
}

/// The virtual service in C's words.
pub(super) fn context(context: &ServiceContext) -> abi::Context<'_> {
    let protocol = context.listener.map_or(0, |key| match key.protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
        Protocol::Sctp | Protocol::Fwmark(_) => 0,
    });
    let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
    let listener = context.listener.map(|key| (key.addr, key.port).into());
    abi::Context {
        service: bytes(&context.service),
        protocol,
        endpoint: endpoint(listener.unwrap_or(unspecified)),
        role: role(context.role),
    }
}

pub(super) fn role(role: DirectorRole) -> u32 {
    match role {
        DirectorRole::Alone => abi::role::ALONE,
        DirectorRole::Master => abi::role::MASTER,
        DirectorRole::Backup => abi::role::BACKUP,
    }
}

pub(super) fn state(state: &abi::SavedState<'_>) -> SavedState {
    SavedState {
        version: state.version,
        bytes: elements(state.bytes).to_vec(),
    }
}

/// The numbers of the protocols that a flow can have.
const TCP: u32 = 6;
const UDP: u32 = 17;

pub(super) fn flow(flow: &Flow) -> abi::Flow {
    abi::Flow {
        protocol: match flow.protocol {
            // The queue asks about TCP and UDP only.
            Protocol::Tcp | Protocol::Sctp | Protocol::Fwmark(_) => TCP,
            Protocol::Udp => UDP,
        },
        source: endpoint(flow.source),
        destination: endpoint(flow.destination),
    }
}

/// `Err` says what no plugin can mean.
pub(super) fn plan(plan: &abi::Plan<'_>) -> Result<Plan, String> {
    let refresh_ms =
        (plan.refresh != abi::NEVER).then(|| u32::try_from(plan.refresh).unwrap_or(u32::MAX));
    match plan.kind {
        abi::plan::NONE => Ok(Plan::None),
        abi::plan::PER_CONNECTION => Ok(Plan::PerConnection),
        abi::plan::TABLE => Ok(Plan::Table {
            slots: runs(plan.runs)?,
            selector: selector(plan.selector)?,
            refresh_ms,
        }),
        abi::plan::GROUPS => Ok(Plan::Groups(PlannedGroups {
            groups: elements(plan.groups)
                .iter()
                .map(group)
                .collect::<Result<_, String>>()?,
            rules: elements(plan.rules)
                .iter()
                .map(rule)
                .collect::<Result<_, String>>()?,
            refresh_ms,
        })),
        other => Err(format!("its plan is of unknown kind {other}")),
    }
}

fn runs(runs: abi::Slice<'_, abi::Run>) -> Result<Vec<Run>, String> {
    let run = |run: &abi::Run| {
        Ok(Run {
            id: backend(run.id)?,
            width: run.width,
        })
    };
    elements(runs).iter().map(run).collect()
}

fn selector(number: u32) -> Result<Selector, String> {
    let [kind, v4, v6, _] = number.to_le_bytes();
    Ok(match kind.into() {
        abi::selector::SEQUENCE => Selector::Sequence,
        abi::selector::RANDOM => Selector::Random,
        abi::selector::HASH_SOURCE => Selector::HashSource,
        abi::selector::HASH_FLOW => Selector::HashFlow,
        abi::selector::HASH_NETWORK => Selector::HashNetwork(Prefixes { v4, v6 }),
        _ => return Err(format!("its plan has unknown selector {number}")),
    })
}

fn group(group: &abi::Group<'_>) -> Result<PlannedGroup, String> {
    Ok(match group.kind {
        abi::group::REFUSE => PlannedGroup::Refuse,
        abi::group::SERVERS => PlannedGroup::Servers(GroupTable {
            slots: runs(group.runs)?,
            selector: selector(group.selector)?,
        }),
        abi::group::SPLIT => PlannedGroup::Split(GroupTable {
            slots: elements(group.runs)
                .iter()
                .map(|run| GroupRun {
                    group: number(run.id),
                    width: run.width,
                })
                .collect(),
            selector: selector(group.selector)?,
        }),
        abi::group::DELEGATE => PlannedGroup::Delegate {
            scheduler: clean(&text(group.scheduler), 64),
            servers: runs(group.runs)?.into_iter().map(|run| run.id).collect(),
        },
        other => return Err(format!("its plan has a group of unknown kind {other}")),
    })
}

fn rule(rule: &abi::Rule) -> Result<(IpNet, usize), String> {
    let address = Ipv6Addr::from(rule.address).to_canonical();
    let prefix = u8::try_from(rule.prefix).ok();
    let network = prefix.and_then(|prefix| IpNet::new(address, prefix).ok());
    let network = network.ok_or_else(|| {
        format!(
            "its plan has a rule for {address}/{}, which is no network",
            rule.prefix
        )
    })?;
    Ok((network, number(rule.group)))
}

fn number(group: u32) -> usize {
    usize::try_from(group).unwrap_or(usize::MAX)
}

/// The number of a server that was picked; `None`: refuse.
pub(super) fn picked(number: u64) -> Result<Option<BackendId>, String> {
    if number == abi::NOBODY {
        return Ok(None);
    }
    backend(u32::try_from(number).unwrap_or(u32::MAX)).map(Some)
}

fn backend(id: u32) -> Result<BackendId, String> {
    BackendId::new(id).ok_or_else(|| format!("it names backend {id}, which cannot exist"))
}
