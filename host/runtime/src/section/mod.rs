//! A manifest as a sequence of bytes: the custom section of a plugin file, and what is remembered of a file without
//! one.
//!
//! The form is the SDK's ([`evenkeel_sdk::section`]). The bytes are untrusted: whoever wrote the plugin wrote them.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use decode::decode;
pub(crate) use encode::encode;
