//! The pure part of Evenkeel: no sockets, no clocks, no files (enforced by this crate's `clippy.toml`).
//!
//! Data flows one way, and the modules stand in that order:
//!
//! ```text
//! config text --evenkeel_config--> model::Model
//!                                     |
//!    checks' verdicts --health-->  director  <--plan::Plan-- scheduler::Scheduler (a plugin, run by the driver)
//!                                     |
//!                      desired::service_state, in the form that the data plane can hold
//!                                     v
//!               state::State (wanted)  --sync, diff-->  Vec<state::Change>  --> data plane
//! ```
//!
//! Whatever needs the time gets it as an argument; whatever wants to act returns what is to be done.

pub mod approximate;
pub mod comparison;
pub mod connections;
pub mod dataplane;
pub mod debt;
pub mod delegation;
pub mod desired;
pub mod diff;
pub mod director;
pub mod flow;
pub mod groups;
pub mod health;
pub mod ids;
pub mod manifest;
pub mod mark;
pub mod merge;
pub mod metrics;
pub mod model;
pub mod movement;
pub mod pattern;
pub mod plan;
pub mod plugin;
pub mod pool;
pub mod quorum;
pub mod scheduler;
pub mod secret;
pub mod selector;
pub mod signals;
pub mod slot_hash;
pub mod slow_start;
pub mod spread;
pub mod state;
pub mod sync;
pub mod threshold;
pub mod timers;
pub mod vrrp;
