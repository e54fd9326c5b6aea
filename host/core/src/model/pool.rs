//! Which of a service's real servers are used when.

use std::time::Duration;

/// What a service does while servers are missing, and when they return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolRules {
    /// Backup servers are used while fewer regular ones than this are up. `None`: while those that are up do not have
    /// the service's quorum.
    pub min_servers: Option<u32>,
    /// What becomes of new connections when no server is up.
    pub when_all_down: WhenAllDown,
    /// How long the weight of a server that has come back grows from a small share to the whole.
    pub slow_start: Option<Duration>,
}

/// What becomes of new connections when no server is up, and there is no sorry server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenAllDown {
    /// They are refused.
    #[default]
    Refuse,
    /// They go to all servers, whatever their checks say.
    UseAll,
    /// They go to the servers that were up last.
    UseLast,
}

/// What a real server is in its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerRole {
    /// Used while it is up.
    #[default]
    Regular,
    /// Used only while too few regular servers are up.
    Backup,
    /// Not checked, and used in the place of all others while they do not have the quorum (keepalived `sorry_server`).
    Sorry,
}
