//! Makes a plugin file out of what a compiler writes.
//!
//! A compiler for `wasm32-unknown-unknown` writes a core module; the SDK has put the description of
//! the contract into it, and the plugin's manifest. Evenkeel loads components: [`pack`] turns the one
//! into the other, and puts the manifest where it is found without looking into the module.

mod output;

use evenkeel_sdk::section;
pub use output::write;
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm};

/// The contract's package, as in the names of a plugin's exports.
const CONTRACT: &str = "evenkeel:plugin/";

/// First bytes of every WebAssembly file.
const MAGIC: [u8; 4] = *b"\0asm";
/// Bytes 4 to 7 of a core module: version 1, layer 0.
const CORE_MODULE: [u8; 4] = [1, 0, 0, 0];
/// Bytes 6 to 7 of a component: layer 1 (component-model `Binary.md`).
const COMPONENT_LAYER: [u8; 2] = [1, 0];

/// Start of the names of the sections in which the SDK leaves the contract's description.
const DESCRIPTION: &[u8] = b"component-type";

/// The contract's package in a description, where name and interface are apart.
const CONTRACT_PACKAGE: &[u8] = b"evenkeel:plugin";

/// The module that is imported by what was built for WASI preview 1.
const PREVIEW_1: &str = "wasi_snapshot_preview1";

/// Why a file cannot be made a plugin.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It begins with other bytes than WebAssembly does.
    #[error(
        "this is not a WebAssembly file (wanted: what `cargo build --target \
         wasm32-unknown-unknown` writes as NAME.wasm)"
    )]
    NotWasm,
    /// There is nothing left to do.
    #[error("this is already a component: use it as it is")]
    AlreadyComponent,
    /// A component that is no plugin, such as a program for WASI preview 2.
    #[error(
        "this is a component already, but no plugin: it exports nothing of {CONTRACT}* (Rust: was it built for \
         wasm32-wasip2? A plugin is a library, crate-type = [\"cdylib\"], that calls register_scheduler! or \
         register_checker! and is built for wasm32-unknown-unknown)"
    )]
    OtherComponent,
    /// A module that wants functions of WASI preview 1.
    #[error(
        "this module was built for WASI preview 1 (wasm32-wasip1; it imports {0}), of which a plugin has nothing: build \
         it for wasm32-unknown-unknown"
    )]
    Wasi(String),
    /// It was built with the SDK and registers no plugin.
    #[error(
        "this module was built with evenkeel-sdk, and has no plugin in it: its crate calls neither register_scheduler! \
         nor register_checker!"
    )]
    NotRegistered,
    /// A core module without the description of a contract.
    #[error(
        "this module was not built against evenkeel-sdk: it lacks the contract's description \
         (does the crate call register_scheduler! or register_checker!, and is its crate-type \
         cdylib?)"
    )]
    NotFromSdk,
    /// A component came out that Evenkeel has no use for.
    #[error(
        "this module exports nothing of {CONTRACT}*: it was built against another contract than \
         Evenkeel's"
    )]
    NotAPlugin,
    /// The module does not keep to the contract that it names; for example it imports functions that
    /// no plugin has (such as those of WASI).
    #[error("this module cannot become a plugin: {0}")]
    Invalid(String),
    /// It has several manifests, or one that is damaged or larger than 64 KiB.
    #[error(
        "this module's section {} is not one whole manifest (does the crate, or one that it depends on, \
         register a second plugin?)",
        section::NAME
    )]
    Manifest,
}

/// Turns a core module that was built against `evenkeel-sdk` into a component, and checks it.
///
/// The bytes that come out depend on those that go in and on nothing else.
///
/// # Errors
/// See [`PackError`].
pub fn pack(module: &[u8]) -> Result<Vec<u8>, PackError> {
    match (module.get(..4), module.get(4..8)) {
        (Some(magic), Some(version)) if magic == MAGIC => {
            if version.ends_with(&COMPONENT_LAYER) {
                let plugin =
                    exports(module).is_ok_and(|names| names.iter().any(|it| of_contract(it)));
                return Err(if plugin {
                    PackError::AlreadyComponent
                } else {
                    PackError::OtherComponent
                });
            }
            if version != CORE_MODULE {
                return Err(PackError::NotWasm);
            }
        }
        _ => return Err(PackError::NotWasm),
    }
    if let Some(import) = wasi(module) {
        return Err(PackError::Wasi(import));
    }
    if !has(module, DESCRIPTION) {
        return Err(PackError::NotFromSdk);
    }
    let manifest = manifest(module)?;
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| PackError::Invalid(chain(&error)))?;
    if exports(&component)?.iter().any(|name| of_contract(name)) {
        component.extend(manifest.map(custom_section).unwrap_or_default());
        Ok(component)
    } else if has(module, CONTRACT_PACKAGE) {
        Err(PackError::NotRegistered)
    } else {
        Err(PackError::NotAPlugin)
    }
}

fn of_contract(export: &str) -> bool {
    export.starts_with(CONTRACT)
}

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|it| it == what)
}

/// A function of WASI preview 1 that the module wants, if it wants any.
fn wasi(module: &[u8]) -> Option<String> {
    for payload in Parser::new(0).parse_all(module) {
        // What is wrong with the module is said in better words when it is encoded.
        if let Payload::ImportSection(section) = payload.ok()? {
            let mut imports = section.into_imports().filter_map(Result::ok);
            let import = imports.find(|it| it.module == PREVIEW_1)?;
            return Some(format!("{PREVIEW_1}.{}", import.name.escape_debug()));
        }
    }
    None
}

/// The manifest that the SDK has left in a module. `None`: it was built with an SDK that leaves none, and a host runs
/// it once to know what it is.
fn manifest(module: &[u8]) -> Result<Option<&[u8]>, PackError> {
    let mut found = None;
    for payload in Parser::new(0).parse_all(module) {
        let Ok(payload) = payload else {
            // What is wrong with the module is said in better words when it is encoded.
            return Ok(None);
        };
        if let Payload::CustomSection(custom) = payload
            && custom.name() == section::NAME
            && found.replace(custom.data()).is_some()
        {
            return Err(PackError::Manifest);
        }
    }
    match found {
        Some(bytes) if !section::is_whole(bytes) => Err(PackError::Manifest),
        found => Ok(found),
    }
}

/// The manifest as a section of its own, which may stand at the end of any component (core specification, 5.5.3).
fn custom_section(manifest: &[u8]) -> Vec<u8> {
    let mut name = leb128(section::NAME.len());
    name.extend(section::NAME.bytes());
    let mut bytes = vec![0];
    bytes.extend(leb128(name.len() + manifest.len()));
    bytes.extend(name);
    bytes.extend(manifest);
    bytes
}

/// An unsigned number, 7 bits a byte.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// The interfaces that a component exports, such as `evenkeel:plugin/scheduler@0.1.0`.
fn exports(component: &[u8]) -> Result<Vec<String>, PackError> {
    let decoded =
        wit_component::decode(component).map_err(|error| PackError::Invalid(chain(&error)))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Ok(Vec::new());
    };
    Ok(resolve.worlds[world]
        .exports
        .keys()
        .map(|key| resolve.name_world_key(key))
        .collect())
}

/// An error with all its causes, on one line.
fn chain(error: &impl AsRef<dyn std::error::Error + 'static>) -> String {
    let mut text = error.as_ref().to_string();
    let mut cause = error.as_ref().source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
