//! The native side of a plugin: the same traits behind a C interface, for a host that loads the plugin as a shared
//! object.
//!
//! [`abi`] is that interface. The register macros export an [`abi::Entry`] from every crate of a plugin.

pub mod abi;
mod convert;
mod entry;
mod guard;
mod host;

pub use entry::{checker_entry, scheduler_entry};
pub(crate) use host::{count, gauge, log, log_enabled, now, random, utc, utc_offset};
