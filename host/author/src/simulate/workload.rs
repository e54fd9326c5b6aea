//! What is played to a scheduler: servers, clients, connections, and what happens to them. Read from TOML by [`read()`].

mod model;
mod read;
mod values;

pub use self::model::{Arrivals, Choice, Clients, Event, Happening, Lifetime, Server, Workload};
pub(super) use self::read::read;

/// The workload that is played where none is given, in the form in which others are written.
pub const DEFAULT: &str = include_str!("default.toml");

#[cfg(test)]
mod tests;
