//! Values that are the same in every contract. Compiled once for each: `super` is that contract's module.

use std::net::{IpAddr, SocketAddr};

use evenkeel_core::manifest::{Abilities, Decision, Manifest, Setting, SettingSpec};
use evenkeel_core::model::Protocol;

use super::scheduler::evenkeel::plugin::types as wit;
use super::scheduler::exports::evenkeel::plugin::scheduler as wit_scheduler;
use crate::Flow;
use crate::text::clean;

pub(super) fn settings(settings: &[Setting]) -> Vec<wit::Setting> {
    settings
        .iter()
        .map(|s| wit::Setting {
            key: s.key.clone(),
            value: super::convert::value(&s.value),
        })
        .collect()
}

pub(super) fn endpoint(address: SocketAddr) -> wit::Endpoint {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let bits = ip.to_bits();
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let addr = wit::Ip {
        hi: (bits >> 64) as u64,
        lo: bits as u64,
    };
    wit::Endpoint {
        addr,
        port: address.port(),
    }
}

pub(super) fn flow(flow: &Flow) -> wit_scheduler::Flow {
    wit_scheduler::Flow {
        protocol: match flow.protocol {
            // The queue asks about TCP and UDP only.
            Protocol::Tcp | Protocol::Sctp | Protocol::Fwmark(_) => wit::Protocol::Tcp,
            Protocol::Udp => wit::Protocol::Udp,
        },
        source: endpoint(flow.source),
        destination: endpoint(flow.destination),
    }
}

/// `Err`: what is wrong with it, as the end of a sentence about the plugin.
pub(super) fn manifest(
    manifest: wit::Manifest,
    abilities: Option<Abilities>,
) -> Result<Manifest, String> {
    Ok(Manifest {
        name: manifest.name,
        version: manifest.version,
        summary: manifest.summary,
        settings: specs(manifest.settings)?,
        abilities,
    })
}

/// What can be configured; `Err` as of [`manifest`].
pub(super) fn specs(specs: Vec<wit::SettingSpec>) -> Result<Vec<SettingSpec>, String> {
    let spec = |spec: wit::SettingSpec| {
        Ok(SettingSpec {
            kind: super::convert::kind(spec.kind)
                .map_err(|problem| format!("its setting {:?} {problem}", clean(&spec.key, 64)))?,
            key: spec.key,
            doc: spec.doc,
            default: spec.default.map(super::convert::default),
            required: spec.required,
        })
    };
    specs.into_iter().map(spec).collect()
}

/// A value in a type of the contract's that has these cases, and what becomes of a list of tables.
macro_rules! to_contract {
    ($contract:ty, $value:expr, $tables:ident => $of_tables:expr) => {{
        use $contract as Contract;
        match $value {
            SettingValue::Boolean(value) => Contract::Boolean(*value),
            SettingValue::Integer(value) => Contract::Integer(*value),
            SettingValue::Number(value) => Contract::Number(*value),
            SettingValue::Text(value) => Contract::Text(value.clone()),
            SettingValue::Secret(secret) => Contract::Text(secret.expose().to_owned()),
            SettingValue::TextList(value) => Contract::TextList(value.clone()),
            SettingValue::Duration(value) => {
                Contract::Duration(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
            }
            SettingValue::Tables($tables) => $of_tables,
        }
    }};
}

/// The other way; `$others` are the cases that the type has besides.
macro_rules! from_contract {
    ($contract:ty, $value:expr $(, $others:pat => $of_others:expr)?) => {{
        use $contract as Contract;
        match $value {
            Contract::Boolean(value) => SettingValue::Boolean(value),
            Contract::Integer(value) => SettingValue::Integer(value),
            Contract::Number(value) => SettingValue::Number(value),
            Contract::Text(value) => SettingValue::Text(value),
            Contract::TextList(value) => SettingValue::TextList(value),
            Contract::Duration(ms) => SettingValue::Duration(Duration::from_millis(ms)),
            $($others => $of_others,)?
        }
    }};
}

pub(super) use {from_contract, to_contract};

pub(super) fn decision(decision: wit_scheduler::Decision) -> Decision {
    match decision {
        wit_scheduler::Decision::Plan => Decision::Plan,
        wit_scheduler::Decision::PerConnection => Decision::PerConnection,
    }
}
