//! The compiler itself.

use crate::text::clean;
use crate::wasm::engine::{self, Effort};

/// Compiles. The error is what the compiler says.
pub(super) fn compile(bytes: &[u8], effort: Effort) -> Result<Vec<u8>, String> {
    let engine = engine::engine(effort).map_err(|error| format!("{error:#}"))?;
    let code = engine.precompile_component(bytes);
    code.map_err(|error| format!("{error:#}"))
}

/// What the compiler says, as the reason of a load error.
pub(super) fn failed(reason: &str) -> String {
    format!("cannot be compiled: {}", clean(reason, 1000))
}
