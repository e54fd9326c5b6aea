//! The kernel's IP Virtual Server (IPVS) over generic netlink: what `ipvsadm` can do, without it.
//!
//! - [`Service`], [`Destination`], [`SyncDaemon`], [`Timeouts`], [`Info`], [`Stats`]: what the kernel is told and
//!   tells, and its coding in attributes (`encode`, `decode`), which is pure.
//! - [`Client`]: one blocking socket in one network namespace. Every call takes `CAP_NET_ADMIN`.
//! - [`modules`]: the kernel's modules, and loading them.
//!
//! Source of numbers and rules: `include/uapi/linux/ip_vs.h`, `net/netfilter/ipvs/ip_vs_ctl.c` of Linux 6.1. The crates
//! that there are for this lack changes of services, statistics, the sync daemon and settings.

mod calls;
mod client;
mod connections;
mod daemon;
mod destination;
mod error;
mod family;
mod granularity;
mod key;
pub mod modules;
mod refusal;
mod requests;
mod service;
mod settings;
mod stats;

pub use client::Client;
pub use connections::{ConnectionEntry, connections};
pub use daemon::{Role, SyncDaemon};
pub use destination::{Destination, DestinationEntry, Forward, Tunnel, TunnelKind};
pub use error::{Error, Reason};
pub use family::Family;
pub use granularity::Granularity;
pub use key::{Key, Protocol};
pub use service::{Flags, Service, ServiceEntry};
pub use settings::{Info, Timeouts, Version};
pub use stats::{Counts, Stats};
