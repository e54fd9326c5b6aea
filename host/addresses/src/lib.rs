//! The addresses of this machine: which it has, and those that Evenkeel puts on interfaces.
//!
//! One [`AddressManager`] does all changes, for two kinds of [`Owner`]: the configured services, and the instances of
//! VRRP, which also have routes, rules and macvlan interfaces. No address of a service is added before the kernel holds
//! the service, whoever owns it. [`Addresses`] only reads.
//!
//! What Evenkeel has put there carries a mark in the kernel ([`SERVICE_MARK`], [`VRRP_MARK`], [`PROTOCOL`], an alias on
//! macvlan interfaces), so that a later process knows it again. An address of a service that is there without the mark
//! is left alone, now and later. Addresses that are configured as virtual ones belong to VRRP whether they carry the
//! mark or not (another implementation that was killed leaves them), except where the priority is 255: then they are
//! the machine's own.

pub mod announce;
pub mod channel;
mod client;
mod desired;
mod error;
mod events;
mod flush;
mod hairpin;
mod machine;
mod macvlan;
mod manager;
mod marks;
mod message;
mod netlink;
mod owner;
mod plan;
mod reconciler;
mod reports;
mod route;
mod routing;
mod steps;
mod timers;
mod view;

pub use client::Addresses;
pub use desired::ServiceAddress;
pub use error::AddressError;
pub use flush::{Flushed, flush_all};
pub use hairpin::hairpin_networks;
pub use manager::{AddressManager, VrrpAddresses};
pub use marks::{PROTOCOL, SERVICE_MARK, VRRP_MARK};
pub use owner::Owner;
pub use reports::{ManagerReport, VrrpReport};
pub use route::Route;
pub use view::{Interface, NetworkView, OwnAddress};

#[cfg(test)]
mod tests;
