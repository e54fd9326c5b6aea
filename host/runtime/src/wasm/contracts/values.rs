//! Values that are the same in every contract. Compiled once for each: `super` is that contract's module.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use evenkeel_core::manifest::{Abilities, Decision, Manifest, Setting, SettingSpec, SettingValue};
use evenkeel_core::model::Protocol;

use super::scheduler::evenkeel::plugin::types as wit;
use super::scheduler::exports::evenkeel::plugin::scheduler as wit_scheduler;
use crate::Flow;
use crate::text::clean;

pub(super) fn settings(settings: &[Setting]) -> Vec<wit::Setting> {
    let value = |value: &SettingValue| match value {
        SettingValue::Boolean(value) => wit::SettingValue::Boolean(*value),
        SettingValue::Integer(value) => wit::SettingValue::Integer(*value),
        SettingValue::Number(value) => wit::SettingValue::Number(*value),
        SettingValue::Text(value) => wit::SettingValue::Text(value.clone()),
        SettingValue::Secret(secret) => wit::SettingValue::Text(secret.expose().to_owned()),
        SettingValue::TextList(value) => wit::SettingValue::TextList(value.clone()),
        SettingValue::Duration(value) => {
            wit::SettingValue::Duration(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
        }
    };
    settings
        .iter()
        .map(|s| wit::Setting {
            key: s.key.clone(),
            value: value(&s.value),
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
            default: spec.default.map(value),
            required: spec.required,
        })
    };
    specs.into_iter().map(spec).collect()
}

fn value(value: wit::SettingValue) -> SettingValue {
    match value {
        wit::SettingValue::Boolean(value) => SettingValue::Boolean(value),
        wit::SettingValue::Integer(value) => SettingValue::Integer(value),
        wit::SettingValue::Number(value) => SettingValue::Number(value),
        wit::SettingValue::Text(value) => SettingValue::Text(value),
        wit::SettingValue::TextList(value) => SettingValue::TextList(value),
        wit::SettingValue::Duration(ms) => SettingValue::Duration(Duration::from_millis(ms)),
    }
}

pub(super) fn decision(decision: wit_scheduler::Decision) -> Decision {
    match decision {
        wit_scheduler::Decision::Plan => Decision::Plan,
        wit_scheduler::Decision::PerConnection => Decision::PerConnection,
    }
}
