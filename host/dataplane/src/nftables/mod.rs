//! The data plane in the kernel's nf_tables and conntrack.
//!
//! ```text
//! packet -> dispatch --svc4/svc6--> s<N> (the service's one rule: chooses a slot, as the connection's mark)
//!                  <- slot --slots--> the backend's number, as the connection's mark --be4/be6--> address and port
//! ```
//!
//! From the plane down to the kernel; each file uses only those further down:
//!
//! - `plane`: the data plane. `apply`, `kill`: changes made, flows ended. `table`: our table as it is known to be.
//! - `adopt`: what an earlier process left, taken over or refused as damaged. `reference`: the proof that the base
//!   ruleset is unchanged.
//! - `render`, `nft`: the table as text, loaded by `nft` only as a whole: its base at first, all of it when it is damaged.
//! - `read`, `counters`, `dump`, `flows`, `stale`: what is in the kernel. `watch`: who changes it. `feature_probe`, `probe`:
//!   what it supports.
//! - `socket`, `encode`, `message`, `wire`: steps and requests as netlink messages.
//! - `change`: from changes to steps. `layout`, `placed_service`, `slots`, `chain_numbers`: what the kernel holds and
//!   where. Pure.
//! - `step`: one thing to do. `service_chain`, `queue`, `affinity`, `slot_rule`, `offload`, `hooks`, `gone`, `grace`: the
//!   rules. `base_ruleset`: all others.
//! - `element`, `set`, `chain`, `raw_rule`, `expression`: elements and rules as netlink attributes. Pure.
//! - [`machine`]: the rules of other programs, for `check`.

mod adopt;
mod affinity;
mod apply;
mod base_ruleset;
mod chain;
mod chain_numbers;
mod change;
mod counters;
mod dump;
mod element;
mod encode;
mod expression;
mod feature_probe;
mod flows;
mod gone;
mod grace;
mod group_rules;
mod hooks;
mod kill;
mod layout;
pub mod machine;
mod message;
mod nft;
mod offload;
mod placed_service;
mod plane;
mod probe;
mod queue;
mod raw_rule;
mod read;
mod reference;
mod remembered_client;
mod render;
mod service_chain;
mod set;
mod slot_rule;
mod slot_rules;
mod slots;
mod socket;
mod stale;
mod step;
mod table;
mod watch;
mod wire;

pub use self::feature_probe::queue_support;
pub use self::plane::Nftables;
pub use self::queue::QueueForm;
pub(crate) use self::read::any as any_table;
pub use self::watch::{Noticed, Watch};
