//! Makes a plugin file out of what a compiler writes.
//!
//! A compiler for `wasm32-unknown-unknown` writes a core module; the SDK has put the description of
//! the contract into it, and the plugin's manifest. Evenkeel loads components: [`pack`] turns the one
//! into the other, and puts the manifest where it is found without looking into the module. A module
//! for WASI preview 1 gets an adapter of about a kilobyte.

mod output;
mod preview1;

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
    /// The module does not keep to the contract that it names; for example it imports functions that no plugin has.
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
    if !has(module, DESCRIPTION) {
        return Err(PackError::NotFromSdk);
    }
    let manifest = manifest(module)?;
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| {
            if preview1::is_wanted(module) {
                encoder.adapter(preview1::NAME, preview1::ADAPTER)
            } else {
                Ok(encoder)
            }
        })
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| PackError::Invalid(chain(&error)))?;
    if exports(&component)?.iter().any(|name| of_contract(name)) {
        if let Some(manifest) = manifest {
            append_section(&mut component, section::NAME, manifest);
        }
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

/// Writes the manifest (a section's content, as `evenkeel-sdk` has it) into a component that has none. A plugin in another
/// language than Rust says what it is when it is asked, and with this also in its file.
pub fn declare(component: &mut Vec<u8>, manifest: &[u8]) {
    if !has(component, section::NAME.as_bytes()) {
        append_section(component, section::NAME, manifest);
    }
}

/// Appends a custom section, which may stand at the end of any module and component (core specification, 5.5.3).
pub fn append_section(wasm: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut named = leb128(name.len());
    named.extend(name.bytes());
    wasm.push(0);
    wasm.extend(leb128(named.len() + content.len()));
    wasm.extend(named);
    wasm.extend(content);
}

/// The section of a module or object that describes the contract, with its name.
#[must_use]
pub fn description(module: &[u8]) -> Option<(&str, &[u8])> {
    let mut sections = Parser::new(0).parse_all(module).map_while(Result::ok);
    sections.find_map(|payload| match payload {
        Payload::CustomSection(custom) if custom.name().as_bytes().starts_with(DESCRIPTION) => {
            Some((custom.name(), custom.data()))
        }
        _ => None,
    })
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
