//! Modules for WASI preview 1: what `wasm32-wasip1`, Go and C with `printf` import.

use wasmparser::{Parser, Payload};

/// The name under which its functions are imported.
pub(crate) const NAME: &str = "wasi_snapshot_preview1";

/// `adapter/preview1.wat`, assembled, with a description of what it imports: `adapter/preview1.wit`. It is checked in, so
/// that no assembler is built with every binary; a test compares it with its sources.
pub(crate) const ADAPTER: &[u8] = include_bytes!("../adapter/preview1.wasm");

/// Whether a module wants functions of WASI preview 1.
pub(crate) fn is_wanted(module: &[u8]) -> bool {
    for payload in Parser::new(0).parse_all(module) {
        match payload {
            Ok(Payload::ImportSection(section)) => {
                let mut imports = section.into_imports().filter_map(Result::ok);
                return imports.any(|it| it.module == NAME);
            }
            Ok(_) => {}
            // What is wrong with the module is said in better words when it is encoded.
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests;
