//! The daemon: drives the director, the data plane, checks and VRRP. [`app`] wires them; the command line is the crate `evenkeel`.

pub mod app;
mod connection_sync;
pub mod control;
mod counting;
mod director;
mod kernel;
pub mod lock;
mod machine;
mod network;
mod pickers;
pub mod plane;
pub mod prepare;
mod prober;
mod probers;
mod redundancy;
pub mod status;
