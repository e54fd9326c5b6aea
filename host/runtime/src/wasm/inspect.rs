//! What a file is, told from its bytes before anything of it is compiled or run.

mod module;

use super::contracts::Contract;
use super::wasi;
use crate::text::clean;
use evenkeel_core::manifest::{Manifest, PluginKind};
use evenkeel_core::model::Needs;
use evenkeel_sdk::section::NAME;
use semver::Version;
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

/// Characters of a name or version that a reason repeats.
const ECHO: usize = 100;
/// The longest version of a contract.
const MAX_VERSION: usize = 64;

/// Components in one another.
const MAX_DEPTH: u32 = 17;

const PACKAGE: &str = "evenkeel:plugin/";

/// A component that is a plugin as far as its names tell.
#[derive(Debug, PartialEq)]
pub(super) struct Inspected {
    pub(super) kind: PluginKind,
    /// The contract that it was built against.
    pub(super) contract: Contract,
    /// The contract's whole version.
    pub(super) version: Version,
    /// What it imports that is granted plugin by plugin.
    pub(super) needs: Needs,
    /// What its manifest section says, if it has one that this host can read.
    pub(super) manifest: Option<Manifest>,
}

/// Reads the outline of a file.
pub(super) fn inspect(bytes: &[u8]) -> Result<Inspected, String> {
    let (outline, sections) = outline(bytes)?;
    let (kind, contract, version) = outline.judge()?;
    let manifest = match sections.as_slice() {
        [] => None,
        [section] => crate::section::decode(section, kind)?,
        _ => return Err("has more than one manifest".to_owned()),
    };
    Ok(Inspected {
        kind,
        contract,
        version,
        needs: outline.needs(),
        manifest,
    })
}

/// What a component wants of the host, and what it offers, by the names of its imports and exports.
pub(crate) fn interfaces(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), String> {
    let (outline, _) = outline(bytes)?;
    let clean = |names: &[String]| names.iter().map(|it| clean(it, ECHO)).collect();
    Ok((clean(&outline.imports), clean(&outline.exports)))
}

/// The names that a component has, and its manifest sections.
fn outline(bytes: &[u8]) -> Result<(Outline, Vec<&[u8]>), String> {
    if bytes.is_empty() {
        return Err("is empty".to_owned());
    }
    if !Parser::is_component(bytes) && !Parser::is_core_wasm(bytes) {
        return Err("is no WebAssembly".to_owned());
    }
    let mut outline = Outline::default();
    let mut sections = Vec::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| {
            if error.offset() >= bytes.len() || error.message().contains("unexpected end") {
                "is truncated".to_owned()
            } else {
                format!("is broken at byte {}: {}", error.offset(), error.message())
            }
        })?;
        match payload {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => return Err(module::advice(bytes)),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!(
                        "is not read: it has more than {MAX_DEPTH} components in one another, which no plugin needs"
                    ));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(custom) if depth == 0 && custom.name() == NAME => {
                sections.push(custom.data());
            }
            payload if depth == 0 => outline
                .read(&payload)
                .map_err(|e| format!("is broken: {e}"))?,
            _ => {}
        }
    }
    Ok((outline, sections))
}

/// Names of what a component takes and offers.
#[derive(Debug, Default)]
struct Outline {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Outline {
    fn read(&mut self, payload: &Payload<'_>) -> Result<(), wasmparser::BinaryReaderError> {
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Instance {
                        self.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn needs(&self) -> Needs {
        let imports = |interface: &str| {
            let mut of_contract = self.imports.iter().filter_map(|name| of_contract(name));
            of_contract.any(|(name, _)| name == interface)
        };
        Needs {
            command: imports("command"),
            file: imports("watched"),
            icmp: imports("icmp"),
        }
    }

    fn judge(&self) -> Result<(PluginKind, Contract, Version), String> {
        let offered: Vec<_> = self
            .exports
            .iter()
            .filter_map(|name| {
                let (interface, version) = of_contract(name)?;
                let kind = match interface {
                    "scheduler" => PluginKind::Scheduler,
                    "health-checker" => PluginKind::Checker,
                    _ => return None,
                };
                Some((kind, version))
            })
            .collect();
        let (kind, (contract, version)) = match offered.as_slice() {
            [(kind, version)] => (*kind, speaks(version)?),
            [] => return Err(self.no_plugin()),
            [(_, version), ..] => {
                speaks(version)?;
                return Err(
                    "is a scheduler and a checker at once; make two plugins of it".to_owned(),
                );
            }
        };
        for import in &self.imports {
            allowed(import, kind)?;
        }
        Ok((kind, contract, version))
    }

    fn no_plugin(&self) -> String {
        let mut reason = format!(
            "is no plugin: it exports neither {PACKAGE}scheduler nor {PACKAGE}health-checker"
        );
        if self
            .exports
            .iter()
            .any(|name| name.starts_with("wasi:cli/run"))
        {
            reason.push_str(
                "; it is a program for WASI (wasm32-wasip2): make it a library (crate-type = [\"cdylib\"]) that calls \
                 register_scheduler! or register_checker!, and build it for wasm32-unknown-unknown",
            );
        } else {
            reason.push_str(" (does its crate call register_scheduler! or register_checker!?)");
        }
        reason
    }
}

/// Interfaces of the contract that checkers have and schedulers have not.
const OF_CHECKERS: [&str; 7] = [
    "target-io",
    "tls",
    "icmp",
    "command",
    "watched",
    "session",
    "signals",
];

/// Interface and version of a name of the contract's package.
fn of_contract(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_prefix(PACKAGE)?;
    Some(name.split_once('@').unwrap_or((name, "")))
}

/// The version, if this host speaks it.
fn speaks(version: &str) -> Result<(Contract, Version), String> {
    if version.len() > MAX_VERSION {
        return Err(format!(
            "was built against a contract whose version has {} characters",
            version.len()
        ));
    }
    let Ok(parsed) = Version::parse(version) else {
        return Err(format!(
            "was built against a contract without a version (\"{}\")",
            clean(version, ECHO)
        ));
    };
    match Contract::of(&parsed) {
        Some(contract) => Ok((contract, parsed)),
        None => Err(format!(
            "was built against contract {parsed}; this evenkeel ({}) speaks {}",
            env!("CARGO_PKG_VERSION"),
            Contract::SPOKEN
        )),
    }
}

fn allowed(name: &str, kind: PluginKind) -> Result<(), String> {
    let import = clean(name, ECHO);
    match of_contract(name) {
        Some(("types" | "host", version)) => speaks(version).map(drop),
        Some((name, version)) if OF_CHECKERS.contains(&name) => match kind {
            PluginKind::Checker => speaks(version).map(drop),
            PluginKind::Scheduler => Err(format!(
                "wants \"{import}\", which only checkers have, and is a {kind}"
            )),
        },
        Some(_) => Err(format!("wants \"{import}\", which no plugin has")),
        None if wasi::is_known(name) => Ok(()),
        None if name.starts_with("wasi:") => Err(format!(
            "wants \"{import}\": of WASI there is version 0.2 (without rights), and no other"
        )),
        None => Err(format!(
            "wants \"{import}\", which no plugin has (there is {PACKAGE}host{})",
            match kind {
                PluginKind::Checker => format!(", {}", OF_CHECKERS.join(", ")),
                PluginKind::Scheduler => String::new(),
            }
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(wat: &str) -> String {
        inspect(&wat::parse_str(wat).unwrap()).unwrap_err()
    }

    #[test]
    fn a_file_that_is_no_plugin_says_what_it_is_instead() {
        assert_eq!(inspect(b"").unwrap_err(), "is empty");
        assert_eq!(inspect(b"#!/bin/sh\n").unwrap_err(), "is no WebAssembly");
        assert!(reason("(module)").contains("run `evenkeel plugin pack FILE`"));
        assert!(reason("(component)").starts_with("is no plugin: it exports neither"));
    }

    #[test]
    fn a_truncated_component_is_called_so() {
        let whole = wat::parse_str(
            r#"(component (core module (func (export "f"))) (instance)
               (export "evenkeel:plugin/scheduler@0.1.0" (instance 0)))"#,
        )
        .unwrap();
        inspect(&whole).unwrap();
        for length in 9..whole.len() {
            if let Err(reason) = inspect(&whole[..length]) {
                assert!(
                    reason == "is truncated" || reason.starts_with("is no plugin"),
                    "{length} of {}: {reason}",
                    whole.len()
                );
            } else {
                panic!("a component cut to {length} bytes passes");
            }
        }
    }

    #[test]
    fn another_version_of_the_contract_is_refused_in_plain_words() {
        let text =
            r#"(component (instance $i) (export "evenkeel:plugin/scheduler@0.3.0" (instance $i)))"#;
        assert_eq!(
            reason(text),
            format!(
                "was built against contract 0.3.0; this evenkeel ({}) speaks 0.1 and 0.2",
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn a_later_patch_of_the_contract_is_spoken() {
        let text = r#"(component (instance $i) (export "evenkeel:plugin/health-checker@0.1.7" (instance $i)))"#;
        let inspected = inspect(&wat::parse_str(text).unwrap()).unwrap();
        assert_eq!(
            inspected,
            Inspected {
                kind: PluginKind::Checker,
                contract: Contract::V0_1,
                version: Version::new(0, 1, 7),
                needs: Needs::default(),
                manifest: None,
            }
        );
    }

    #[test]
    fn what_a_plugin_may_not_have_is_named() {
        let with = |import: &str, export: &str| {
            reason(&format!(
                r#"(component (import "{import}" (instance)) (instance $i)
                   (export "evenkeel:plugin/{export}@0.1.0" (instance $i)))"#
            ))
        };
        for version in ["@0.3.0", "@0.1.0", "@", "", "@0.2"] {
            let name = format!("wasi:filesystem/types{version}");
            let wasi = with(&name, "scheduler");
            let wanted = format!("wants \"{name}\": of WASI there is version 0.2");
            assert!(wasi.starts_with(&wanted), "{wasi}");
        }
        let io = with("evenkeel:plugin/target-io@0.1.0", "scheduler");
        assert!(io.contains("which only checkers have"), "{io}");
        let other = with("acme:secrets/vault", "health-checker");
        assert!(
            other.starts_with("wants \"acme:secrets/vault\", which no plugin has"),
            "{other}"
        );
    }

    #[test]
    fn names_and_versions_of_a_file_are_bounded_and_cannot_steer_the_terminal() {
        let import = format!("\u{1b}[2J{}", "x".repeat(200_000));
        let outline = |import: String, export: String| Outline {
            imports: vec![import],
            exports: vec![export],
        };
        let good = "evenkeel:plugin/scheduler@0.1.0";
        for (import, export) in [
            (import, good.to_owned()),
            (String::new(), format!("{good}-{}", "x".repeat(200_000))),
            (
                String::new(),
                "evenkeel:plugin/scheduler@\u{1b}[2J".to_owned(),
            ),
        ] {
            let reason = outline(import, export).judge().unwrap_err();
            assert!(
                reason.len() < 400 && !reason.contains('\u{1b}'),
                "{reason:?}"
            );
        }
    }

    #[test]
    fn a_plugin_of_both_kinds_is_refused() {
        let text = r#"(component (instance $i)
            (export "evenkeel:plugin/scheduler@0.1.0" (instance $i))
            (export "evenkeel:plugin/health-checker@0.1.0" (instance $i)))"#;
        assert!(reason(text).contains("a scheduler and a checker at once"));
    }
}
