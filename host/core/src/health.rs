//! Health of real servers: pure machines, driven by the daemon's prober.
//!
//! [`CheckMachine`] says when one check runs and what its verdicts amount to; [`ServerMachine`] holds the checks of
//! one real server, which must all pass. Neither reads a clock nor rolls dice: `now` and `random` come in as
//! arguments.
//!
//! A server that dies is out within `interval + retries x retry_delay + timeout`, provided that the plugin itself
//! works and `timeout` is longer than neither `interval` nor `retry_delay`. A longer one takes the place of the
//! shorter of them, since a check does not start before the last one has ended.

mod check;
mod server;
mod state;
mod timing;

pub use check::CheckMachine;
pub use server::ServerMachine;
pub use state::{
    CheckHealth, InitialHealth, LastCheck, NOT_CHECKED, Outcome, ServerHealth, Transition,
    effective_weight,
};

#[cfg(test)]
mod tests;
