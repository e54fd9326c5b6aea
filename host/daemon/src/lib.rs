//! The daemon as a library: drives the director, the data plane, checks and VRRP. The command line is the crate
//! `evenkeel`.
//!
//! [`app`] wires everything and lists its tasks and channels; [`control`] and [`status`] are what an operator and
//! scripts see. Errors are typed; what exit code one has is the command line's.

pub mod app;
mod calls;
mod check_budget;
mod check_commands;
pub mod check_now;
pub mod connection_sync;
pub mod control;
mod counting;
mod driver;
mod forwarding;
mod heap;
mod kept;
pub mod lock;
mod machine;
mod network;
mod own_limits;
pub mod plane;
mod plugin_watch;
pub mod prepare;
mod prober;
mod probers;
pub mod punctuality;
mod redundancy;
mod setting_files;
pub mod status;
mod verdicts;
mod vrrp_log;
mod watcher;
pub mod why;
