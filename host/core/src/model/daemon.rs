//! Settings of the daemon itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::dataplane::{DataPlaneChoice, Offload};
use super::grant::Grant;

/// Settings of the daemon itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Daemon {
    /// Where plugins are looked for, in this order.
    pub plugin_dirs: Vec<PathBuf>,
    /// Where compiled plugins are kept: what may be deleted at any time. Owned by the daemon, mode 0700.
    pub cache_dir: PathBuf,
    /// Where what must outlast the daemon is kept: servers' numbers and counts.
    pub state_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// Name of the nftables table that is ours (`inet` family).
    pub table: String,
    /// What is to carry the connections.
    pub dataplane: DataPlaneChoice,
    /// Whether established flows may be offloaded (flowtable).
    pub offload: Offload,
    /// How often the kernel's rules are read and compared, whatever was noticed meanwhile.
    pub resync: Duration,
    /// What a plugin may use.
    pub sandbox: Sandbox,
    /// What plugins of these names may use instead.
    pub plugin_sandboxes: BTreeMap<String, Sandbox>,
    /// Native plugins (shared objects) that the operator trusts with the whole daemon. Absolute.
    pub native_plugins: Vec<PathBuf>,
    /// What plugins of these names are granted beyond their sandbox.
    pub grants: BTreeMap<String, Grant>,
    /// Whose signatures under plugins count.
    pub plugin_trust: PluginTrust,
    /// Whether a configuration without any service is meant to be one, and not what is left of a file that was cut
    /// short.
    pub allow_empty: bool,
}

/// Whose signatures under plugins count, and whether a plugin needs one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginTrust {
    /// The keys that are trusted.
    pub keys: Vec<TrustedKey>,
    /// Whether a plugin without a valid signature by one of them is refused.
    pub required: bool,
}

/// A public key of minisign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedKey {
    /// The key itself: 56 characters that begin with `RW`.
    Key(String),
    /// The file that it is in, as minisign writes it. Absolute, or relative to the working directory.
    File(PathBuf),
}

/// What a plugin's instance may use. Shared by every plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sandbox {
    /// Processor time of one call, before it is ended. 10 ms to 10 s.
    pub call_time: Duration,
    /// Processor time of one decision about one connection, before it is ended. 1 ms to 1 s.
    pub pick_time: Duration,
    /// Linear memory of one instance, in bytes.
    pub memory: usize,
    /// Linear memory of all instances of all plugins together, in bytes, beyond 2 MiB of each. The same for all plugins.
    pub total_memory: usize,
    /// Elements of one instance's tables.
    pub table_elements: usize,
    /// Core instances inside one component (a component of another language has many).
    pub instances: usize,
    /// Connections that one check may open.
    pub check_connections: u32,
    /// Bytes that one check may read and write, in all.
    pub check_bytes: u64,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            call_time: Duration::from_millis(50),
            pick_time: Duration::from_millis(20),
            memory: 64 << 20,
            total_memory: 512 << 20,
            table_elements: 40_000,
            instances: 100,
            check_connections: 16,
            check_bytes: 4 << 20,
        }
    }
}
