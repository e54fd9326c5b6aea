//! Plans.

use super::slice::{Slice, Text};

/// Kinds of [`Plan`].
pub mod plan {
    /// Connections are refused.
    pub const NONE: u32 = 0;
    /// Each connection is decided.
    pub const PER_CONNECTION: u32 = 1;
    /// A table.
    pub const TABLE: u32 = 2;
    /// Groups.
    pub const GROUPS: u32 = 3;
}

/// Kinds of [`Group`].
pub mod group {
    /// Its connections are refused.
    pub const REFUSE: u32 = 0;
    /// Over servers.
    pub const SERVERS: u32 = 1;
    /// On to later groups.
    pub const SPLIT: u32 = 2;
    /// Another scheduler's.
    pub const DELEGATE: u32 = 3;
}

/// Kinds of selectors.
pub mod selector {
    /// In turn.
    pub const SEQUENCE: u32 = 0;
    /// Any.
    pub const RANDOM: u32 = 1;
    /// By the client's address.
    pub const HASH_SOURCE: u32 = 2;
    /// By both addresses and ports.
    pub const HASH_FLOW: u32 = 3;
    /// By the client's network: the prefix of IPv4 in bits 8 to 15, that of IPv6 in bits 16 to 23.
    pub const HASH_NETWORK: u32 = 4;
}

/// Slots.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Whose; in a split, the number of a group.
    pub id: u32,
    /// How many.
    pub width: u32,
}

/// A group.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// One of [`group`].
    pub kind: u32,
    /// One of [`selector`].
    pub selector: u32,
    /// The slots; of another scheduler's, the servers.
    pub runs: Slice<'a, Run>,
    /// The other scheduler's name.
    pub scheduler: Text<'a>,
}

/// In which group the clients of a network begin.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// An address of the network, as of an [`super::Endpoint`].
    pub address: [u8; 16],
    /// Its prefix.
    pub prefix: u32,
    /// The group's number.
    pub group: u32,
}

/// A plan.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// One of [`plan`].
    pub kind: u32,
    /// One of [`selector`].
    pub selector: u32,
    /// The slots of a table.
    pub runs: Slice<'a, Run>,
    /// Ask again after so many milliseconds, or [`super::NEVER`].
    pub refresh: u64,
    /// The groups.
    pub groups: Slice<'a, Group<'a>>,
    /// Who is led to another group than the first.
    pub rules: Slice<'a, Rule>,
}
