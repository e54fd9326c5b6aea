//! Plugins in OCI registries: an artifact as the CNCF's TAG Runtime describes it for WebAssembly, with one layer of type
//! `application/wasm`. The plugin's signature is an annotation of that layer, so that programs which expect one layer take
//! the artifact, too.
//!
//! Empty without the feature `client`.

#[cfg(feature = "client")]
mod access;
#[cfg(feature = "client")]
mod artifact;
#[cfg(feature = "client")]
mod bounded;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod place;
#[cfg(feature = "client")]
mod transfer;

#[cfg(feature = "client")]
pub use access::{Access, Credentials};
#[cfg(feature = "client")]
pub use artifact::{About, Artifact};
#[cfg(feature = "client")]
pub use error::RegistryError;
#[cfg(feature = "client")]
pub use place::Place;
#[cfg(feature = "client")]
pub use transfer::{pull, push};
