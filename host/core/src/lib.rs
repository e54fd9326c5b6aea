//! The pure part of Evenkeel: no sockets, no clocks, no files (enforced by this crate's `clippy.toml`).
//!
//! Data flows one way, and the modules stand in that order:
//!
//! ```text
//! config text --config--> Config --resolve(manifests)--> model::Model
//!                                                          |
//!            verdicts --health--> usable servers, weights  |
//!                                                          v
//!                          scheduler plugin --plan--> plan::Plan
//!                                                          |
//!                                        desired::service_state
//!                                                          v
//!                state::State (wanted)  --diff-->  Vec<state::Change>  --> data plane
//! ```
//!
//! Whatever needs the time gets it as an argument; whatever wants to act returns what is to be done.

pub mod approximate;
pub mod connections;
pub mod dataplane;
pub mod desired;
pub mod diff;
pub mod flow;
pub mod health;
pub mod ids;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod quorum;
pub mod state;
pub mod sync;
pub mod threshold;
pub mod vrrp;
