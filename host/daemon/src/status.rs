//! The daemon's status: built in one place (`build`) of what the parts of the daemon know, given as JSON ([`report`])
//! and as a table ([`render`]).

pub(crate) mod build;
mod duration;
#[cfg(test)]
pub(crate) mod fixture;
pub mod plugin;
pub mod report;
pub mod second;
mod second_table;
pub mod service;
mod service_table;
mod table;
pub mod vrrp;
mod vrrp_table;

pub use report::Status;
pub use table::render;
