//! Between the contract's types and the SDK's.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::bindings::checker::exports::evenkeel::plugin::health_checker;
use super::bindings::scheduler::evenkeel::plugin::{host, types};
use super::bindings::scheduler::exports::evenkeel::plugin::scheduler;
use super::target::millis;
use crate::backends::{Backend, BackendId, Counts, Decision, Flow, Health, Protocol, Traffic};
use crate::checker::Verdict;
use crate::context::{Context, Role, SavedState};
use crate::declared::DeclaredAbilities;
use crate::level::Level;
use crate::manifest::{Manifest, SettingKind, SettingSpec, SettingValue, Values};
use crate::plan::{Group, GroupRun, Plan, Prefixes, Run, Selector};

/// Whole milliseconds, as many as the contract can say.
fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<IpAddr> for types::Ip {
    /// IPv4 goes as an IPv4-mapped address.
    fn from(address: IpAddr) -> Self {
        let ip = match address {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let bits = ip.to_bits();
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        Self {
            hi: (bits >> 64) as u64,
            lo: bits as u64,
        }
    }
}

/// An address and port; IPv4 comes as an IPv4-mapped address.
impl From<types::Endpoint> for SocketAddr {
    fn from(endpoint: types::Endpoint) -> Self {
        let bits = u128::from(endpoint.addr.hi) << 64 | u128::from(endpoint.addr.lo);
        let ip = Ipv6Addr::from_bits(bits);
        let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
        Self::new(ip, endpoint.port)
    }
}

impl From<Level> for host::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

impl From<Manifest> for types::Manifest {
    fn from(manifest: Manifest) -> Self {
        Self {
            name: manifest.name,
            version: manifest.version,
            summary: manifest.summary,
            settings: manifest.settings.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<SettingSpec> for types::SettingSpec {
    fn from(spec: SettingSpec) -> Self {
        Self {
            key: spec.key,
            doc: spec.doc,
            kind: spec.kind.into(),
            default: spec.default.map(Into::into),
            required: spec.required,
        }
    }
}

impl From<SettingSpec> for types::TableKey {
    fn from(spec: SettingSpec) -> Self {
        Self {
            key: spec.key,
            doc: spec.doc,
            kind: spec.kind.into(),
            default: spec.default.map(Into::into),
            required: spec.required,
        }
    }
}

/// The contract has no types that contain themselves: so what a setting and a key of a table can be is there twice, and
/// `$tables` says what becomes of a list of tables.
macro_rules! kind {
    ($kind:ident, $tables:expr) => {
        impl From<SettingKind> for types::$kind {
            fn from(kind: SettingKind) -> Self {
                match kind {
                    SettingKind::Boolean => Self::Boolean,
                    SettingKind::Integer(min, max) => Self::Integer((min, max)),
                    SettingKind::Number(min, max) => Self::Number((min, max)),
                    SettingKind::Text => Self::Text,
                    SettingKind::TextList => Self::TextList,
                    SettingKind::Duration(min, max) => {
                        Self::Duration((whole_millis(min), whole_millis(max)))
                    }
                    SettingKind::Choice(words) => Self::Choice(words),
                    SettingKind::Matching(pattern) => Self::Matching(pattern),
                    SettingKind::Secret => Self::Secret,
                    SettingKind::File => Self::File,
                    SettingKind::Tables(keys) => $tables(keys),
                }
            }
        }
    };
}

kind!(SettingKind, |keys: Vec<SettingSpec>| Self::Tables(
    keys.into_iter().map(Into::into).collect()
));
kind!(TableKeyKind, |_| unreachable!(
    "DeclaredKind::tables refuses tables in tables"
));

/// A default.
impl From<SettingValue> for types::PlainValue {
    fn from(value: SettingValue) -> Self {
        match value {
            SettingValue::Boolean(value) => Self::Boolean(value),
            SettingValue::Integer(value) => Self::Integer(value),
            SettingValue::Number(value) => Self::Number(value),
            SettingValue::Text(value) => Self::Text(value),
            SettingValue::TextList(value) => Self::TextList(value),
            SettingValue::Duration(time) => Self::Duration(millis(time).into()),
            SettingValue::Tables(_) => unreachable!("a list of tables has no default"),
        }
    }
}

/// The values of a configuration.
pub(super) fn values(settings: Vec<types::Setting>) -> Values {
    settings
        .into_iter()
        .map(|setting| (setting.key, value(setting.value)))
        .collect()
}

fn value(value: types::SettingValue) -> SettingValue {
    match value {
        types::SettingValue::Boolean(value) => SettingValue::Boolean(value),
        types::SettingValue::Integer(value) => SettingValue::Integer(value),
        types::SettingValue::Number(value) => SettingValue::Number(value),
        types::SettingValue::Text(value) => SettingValue::Text(value),
        types::SettingValue::TextList(value) => SettingValue::TextList(value),
        types::SettingValue::Duration(ms) => SettingValue::Duration(Duration::from_millis(ms)),
        types::SettingValue::Tables(tables) => {
            SettingValue::Tables(tables.into_iter().map(table).collect())
        }
    }
}

fn table(entries: Vec<types::TableEntry>) -> Values {
    let value = |value| match value {
        types::PlainValue::Boolean(value) => SettingValue::Boolean(value),
        types::PlainValue::Integer(value) => SettingValue::Integer(value),
        types::PlainValue::Number(value) => SettingValue::Number(value),
        types::PlainValue::Text(value) => SettingValue::Text(value),
        types::PlainValue::TextList(value) => SettingValue::TextList(value),
        types::PlainValue::Duration(ms) => SettingValue::Duration(Duration::from_millis(ms)),
    };
    entries
        .into_iter()
        .map(|entry| (entry.key, value(entry.value)))
        .collect()
}

impl From<scheduler::Backend> for Backend {
    fn from(backend: scheduler::Backend) -> Self {
        Self {
            id: BackendId::new(backend.id),
            name: backend.name,
            endpoint: backend.endpoint.into(),
            weight: backend.weight,
            configured_weight: backend.configured_weight,
            health: match backend.health {
                scheduler::Health::Healthy => Health::Healthy,
                scheduler::Health::Degraded(percent) => Health::Degraded(percent),
                scheduler::Health::Failed => Health::Failed,
            },
            usable: backend.usable,
            counts: backend.counts.into(),
            signals: signals(backend.signals),
            labels: backend.labels,
        }
    }
}

pub(super) fn signals(signals: Vec<scheduler::Signal>) -> Vec<(String, f64)> {
    let signals = signals.into_iter();
    signals.map(|it| (it.name, it.value)).collect()
}

impl From<scheduler::Counts> for Counts {
    fn from(counts: scheduler::Counts) -> Self {
        Self {
            active: counts.active,
            inactive: counts.inactive,
            total: counts.total,
            latency: counts
                .latency_us
                .map(|latency| Duration::from_micros(latency.into())),
            per_minute: counts.per_minute,
            failed: counts.failed,
            traffic: counts.traffic.map(|it| Traffic {
                to_backend: it.to_backend,
                to_clients: it.to_clients,
            }),
        }
    }
}

impl From<scheduler::Role> for Role {
    fn from(role: scheduler::Role) -> Self {
        match role {
            scheduler::Role::Alone => Self::Alone,
            scheduler::Role::Master => Self::Master,
            scheduler::Role::Backup => Self::Backup,
        }
    }
}

impl From<types::Protocol> for Protocol {
    fn from(protocol: types::Protocol) -> Self {
        match protocol {
            types::Protocol::Tcp => Self::Tcp,
            types::Protocol::Udp => Self::Udp,
        }
    }
}

impl From<scheduler::Context> for Context {
    fn from(context: scheduler::Context) -> Self {
        let listener = |it: scheduler::Listener| (it.protocol.into(), it.endpoint.into());
        Self {
            service: context.service,
            listener: context.listener.map(listener),
            role: context.role.into(),
        }
    }
}

impl From<scheduler::SavedState> for SavedState {
    fn from(state: scheduler::SavedState) -> Self {
        let scheduler::SavedState { version, bytes } = state;
        Self { version, bytes }
    }
}

impl From<SavedState> for scheduler::SavedState {
    fn from(state: SavedState) -> Self {
        let SavedState { version, bytes } = state;
        Self { version, bytes }
    }
}

/// What a scheduler can do.
pub(super) fn abilities(
    DeclaredAbilities {
        decisions,
        facts,
        deterministic,
        stateless,
        labels,
        delegates,
    }: DeclaredAbilities,
) -> scheduler::Abilities {
    let mut wanted = scheduler::Facts::empty();
    wanted.set(scheduler::Facts::CONNECTIONS, facts.connections);
    wanted.set(scheduler::Facts::LATENCY, facts.latency);
    wanted.set(scheduler::Facts::SIGNALS, facts.signals);
    wanted.set(scheduler::Facts::TRAFFIC, facts.traffic);
    scheduler::Abilities {
        decisions: decisions
            .iter()
            .map(|decision| match decision {
                Decision::Plan => scheduler::Decision::Plan,
                Decision::PerConnection => scheduler::Decision::PerConnection,
            })
            .collect(),
        facts: wanted,
        deterministic,
        stateless,
        labels: labels.iter().map(|it| it.spec().into()).collect(),
        delegates: delegates.iter().map(|&it| it.to_owned()).collect(),
    }
}

impl From<scheduler::Flow> for Flow {
    fn from(flow: scheduler::Flow) -> Self {
        Self {
            protocol: flow.protocol.into(),
            source: flow.source.into(),
            destination: flow.destination.into(),
        }
    }
}

impl From<Plan> for scheduler::Plan {
    fn from(plan: Plan) -> Self {
        let refresh = |after: Option<Duration>| after.map(|after| millis(after).max(1));
        match plan {
            Plan::PerConnection => Self::PerConnection,
            Plan::None => Self::None,
            Plan::Table(table) => Self::Table(scheduler::Table {
                slots: runs(table.runs),
                selector: table.selector.into(),
                refresh_ms: refresh(table.refresh),
            }),
            Plan::Groups(groups) => Self::Groups(scheduler::Groups {
                groups: groups.groups.into_iter().map(Into::into).collect(),
                rules: groups
                    .rules
                    .into_iter()
                    .map(|(network, group)| scheduler::Rule {
                        network: network.address().into(),
                        prefix: network.prefix(),
                        group,
                    })
                    .collect(),
                refresh_ms: refresh(groups.refresh),
            }),
        }
    }
}

fn runs(runs: Vec<Run>) -> Vec<scheduler::Run> {
    runs.into_iter()
        .map(|Run { id, width }| scheduler::Run {
            id: id.get(),
            width,
        })
        .collect()
}

impl From<Selector> for scheduler::Selector {
    fn from(selector: Selector) -> Self {
        match selector {
            Selector::Sequence => Self::Sequence,
            Selector::Random => Self::Random,
            Selector::HashSource => Self::HashSource,
            Selector::HashFlow => Self::HashFlow,
            Selector::HashNetwork(Prefixes { v4, v6 }) => {
                Self::HashNetwork(scheduler::Prefixes { v4, v6 })
            }
        }
    }
}

impl From<Group> for scheduler::Group {
    fn from(group: Group) -> Self {
        match group {
            Group::Refuse => Self::Refuse,
            Group::Servers {
                runs: slots,
                selector,
            } => Self::Servers((runs(slots), selector.into())),
            Group::Split {
                runs: slots,
                selector,
            } => {
                let run = |GroupRun { group, width }| scheduler::GroupRun { group, width };
                Self::Split((slots.into_iter().map(run).collect(), selector.into()))
            }
            Group::Delegate { scheduler, servers } => {
                Self::Delegate((scheduler, servers.into_iter().map(BackendId::get).collect()))
            }
        }
    }
}

impl From<Verdict> for health_checker::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Healthy => Self::Healthy,
            Verdict::Degraded(percent, reason) => {
                Self::Degraded(health_checker::Degraded { percent, reason })
            }
            Verdict::Unhealthy(reason) => Self::Unhealthy(reason),
        }
    }
}
