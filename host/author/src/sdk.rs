//! The SDK's sources, as this binary was built with them.

use std::fs;
use std::path::Path;

use crate::Refused;
use crate::kind::Kind;

/// Paths below the SDK's directory, with what is in them.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

macro_rules! generated {
    ($($name:literal),*) => {
        &[$(($name, include_bytes!(concat!("../../../sdk/c/", $name)))),*]
    };
}

/// What follows from the contract for a plugin in C.
const C_SCHEDULER: &[(&str, &[u8])] = generated!(
    "scheduler_plugin.h",
    "scheduler_plugin.c",
    "scheduler_plugin_component_type.o"
);
const C_CHECKER: &[(&str, &[u8])] = generated!(
    "health_checker_plugin.h",
    "health_checker_plugin.c",
    "health_checker_plugin_component_type.o"
);

/// Writes what a plugin in C needs into this directory, which is made.
pub(crate) fn write_c(kind: Kind, into: &Path) -> Result<(), Refused> {
    match kind {
        Kind::Scheduler => write_all(C_SCHEDULER, into),
        Kind::Checker => write_all(C_CHECKER, into),
    }
}

/// Packages in Go, of which each kind has those below its name, and both have those below `wit`.
static GO: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/go.rs"));

/// The contract.
const WIT: &str = include_str!("../../../sdk/wit/v0.2/plugin.wit");

/// Writes what a plugin in Go needs into this directory, which is made.
pub(crate) fn write_go(kind: Kind, into: &Path) -> Result<(), Refused> {
    let own = format!("{kind}/");
    for &(name, bytes) in GO {
        let place = match name.strip_prefix(&own) {
            Some(place) => place,
            None if name.starts_with("wit/") => name,
            None => continue,
        };
        write_all(&[(place, bytes)], into)?;
    }
    Ok(())
}

/// Writes the contract into this directory, which is made, without the world of other kinds: compilers take the one
/// that is there.
pub(crate) fn write_wit(kind: Kind, into: &Path) -> Result<(), Refused> {
    let other = match kind {
        Kind::Scheduler => "\nworld health-checker-plugin {",
        Kind::Checker => "\nworld scheduler-plugin {",
    };
    let mut text = WIT.to_owned();
    if let Some(begin) = text.find(other)
        && let Some(length) = text[begin..].find("\n}\n")
    {
        text.replace_range(begin..begin + length + 3, "");
    }
    write_all(&[("plugin.wit", text.as_bytes())], into)
}

/// The section that describes the contract to a module whose compiler cannot write one, with its name. It is in the object
/// that is linked to plugins in C.
pub(crate) fn description(kind: Kind) -> Option<(&'static str, &'static [u8])> {
    let files = match kind {
        Kind::Scheduler => C_SCHEDULER,
        Kind::Checker => C_CHECKER,
    };
    let (_, object) = files.iter().find(|(name, _)| name.ends_with(".o"))?;
    evenkeel_pack::description(object)
}

/// Writes the SDK into this directory, which is made.
pub(crate) fn write(into: &Path) -> Result<(), Refused> {
    write_all(FILES, into)
}

fn write_all(files: &[(&str, &[u8])], into: &Path) -> Result<(), Refused> {
    for (name, bytes) in files {
        let file = into.join(name);
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir).map_err(|error| Refused::io("make", dir, &error))?;
        }
        fs::write(&file, bytes).map_err(|error| Refused::io("write", &file, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_in_go_needs_is_there_for_each_kind() {
        for kind in [Kind::Scheduler, Kind::Checker] {
            let dir = tempfile::tempdir().unwrap();
            write_go(kind, dir.path()).unwrap();
            for file in [
                "wit_exports/wit_exports.go",
                "wit/runtime/runtime.go",
                "wit/LICENSE",
            ] {
                assert!(dir.path().join(file).is_file(), "{kind}: {file}");
            }
            let (name, bytes) = description(kind).unwrap();
            assert!(name.starts_with("component-type:") && !bytes.is_empty());
        }
    }

    #[test]
    fn the_sdk_is_whole_and_depends_on_nothing_and_on_no_workspace() {
        let file = |name: &str| {
            FILES
                .iter()
                .find(|(it, _)| *it == name)
                .map(|(_, bytes)| *bytes)
        };
        for name in [
            "src/lib.rs",
            "src/wasm/rt.rs",
            "src/testing.rs",
            "LICENSE-MIT",
        ] {
            assert!(file(name).is_some(), "{name}");
        }
        let manifest: toml::Table = std::str::from_utf8(file("Cargo.toml").unwrap())
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("evenkeel-sdk"));
        assert_eq!(
            manifest["package"]["version"].as_str(),
            Some(env!("CARGO_PKG_VERSION"))
        );
        assert!(!manifest.to_string().contains("workspace"), "{manifest}");
    }
}
