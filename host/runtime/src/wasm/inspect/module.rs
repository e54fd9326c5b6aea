//! What is to be done with a core module, which is no component yet.

use wasmparser::{Parser, Payload};

/// The section's name in which the SDK leaves the contract's description begins so.
const DESCRIPTION: &str = "component-type";
/// The reason why it is not loaded.
pub(super) fn advice(bytes: &[u8]) -> String {
    let mut sections = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let described = sections.any(|payload| match payload {
        Payload::CustomSection(custom) => custom.name().starts_with(DESCRIPTION),
        _ => false,
    });
    let what = "is a core module, not a component: ";
    let todo = if described {
        "run `evenkeel plugin pack FILE`"
    } else {
        "and it was not built against evenkeel-sdk (does its crate call register_scheduler! or register_checker!?); then run `evenkeel plugin pack FILE`"
    };
    format!("{what}{todo}")
}
