//! What single plugins are granted beyond their sandbox.

use std::path::PathBuf;

/// What a plugin is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// The commands that it may run: each as a whole, the program with all its arguments.
    pub commands: Vec<Vec<String>>,
    /// As whom they run. `None`: as `nobody`, and where the daemon is not root, as the daemon.
    pub user: Option<String>,
    /// The files of which it may read the number that is in them.
    pub files: Vec<PathBuf>,
    /// Whether it may send ICMP echo requests to its targets.
    pub icmp: bool,
}

/// What a plugin asks the host for, beyond what every plugin has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// It runs the command of its setting [`COMMAND`].
    pub command: bool,
    /// It reads the file of its setting [`PATH`].
    pub file: bool,
    /// It sends ICMP echo requests.
    pub icmp: bool,
}

/// The setting that names what a plugin runs.
pub const COMMAND: &str = "command";
/// The setting that names the file that a plugin reads.
pub const PATH: &str = "path";
/// The plugins that are shipped and send ICMP echo requests: they may, unless the configuration says otherwise.
pub const PINGS: [&str; 2] = ["ping", "udp"];
