//! The values of virtual routers: addresses with prefixes, networks, scopes, routing tables.

mod prefix;
mod protocol;
mod routing;

pub(crate) use prefix::{Host, Network, Target, WithPrefix};
pub(crate) use protocol::VirtualMac;
pub(crate) use routing::{RoutingTable, Scope};
