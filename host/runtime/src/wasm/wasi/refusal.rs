//! Why a call of WASI ends the plugin's call.

/// Why a call of WASI ends the plugin's call.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::wasm) struct Refusal(String);

/// An error that ends the call, in these words.
pub(super) fn refusal(text: String) -> wasmtime::Error {
    wasmtime::Error::new(Refusal(text))
}
