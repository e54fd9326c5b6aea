//! What is to be done with a core module, which is no component yet.

use wasmparser::{Parser, Payload};

/// The section's name in which the SDK leaves the contract's description begins so.
const DESCRIPTION: &str = "component-type";
/// The module that is imported by what was built for WASI preview 1.
const PREVIEW_1: &str = "wasi_snapshot_preview1";

/// The reason why it is not loaded.
pub(super) fn advice(bytes: &[u8]) -> String {
    let (mut wasi, mut described) = (false, false);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ImportSection(section)) => {
                let mut imports = section.into_imports();
                wasi |= imports.any(|it| it.is_ok_and(|it| it.module == PREVIEW_1));
            }
            Ok(Payload::CustomSection(custom)) => {
                described |= custom.name().starts_with(DESCRIPTION);
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let what = "is a core module, not a component: ";
    let todo = match (wasi, described) {
        (true, _) => {
            "it was built for WASI preview 1 (wasm32-wasip1), of which a plugin has nothing; build it for wasm32-unknown-unknown, then run `evenkeel plugin pack FILE`"
        }
        (false, true) => "run `evenkeel plugin pack FILE`",
        (false, false) => {
            "and it was not built against evenkeel-sdk (does its crate call register_scheduler! or register_checker!?); then run `evenkeel plugin pack FILE`"
        }
    };
    format!("{what}{todo}")
}
