//! Counts connections: conntrack's events and dumps over netlink, as counts of each real server.
//!
//! ```text
//! kernel: conntrack --events--> filter (BPF) --> events::Events --+
//!                   --dump----------------------> dump::Dump -----+--> core::connections::Table --> counts that changed
//!                                                                 |
//!                                            a thread of its own: thread
//! ```
//!
//! Whose a connection is, is in its mark: see [`evenkeel_core::mark`].

mod client;
mod counter;
mod dump;
mod events;
mod filter;
mod numbers;
mod reader;
mod setting;
mod shared;
mod thread;

#[cfg(test)]
mod tests;

pub use client::{ClientConnection, connections_of};
pub use counter::Counter;
pub use dump::count_once;
pub use numbers::numbers_in_use;
pub use setting::events_setting;
pub use shared::{Options, Report};
pub use thread::REPORT_INTERVAL;
