//! Where the daemon answers.

/// Where the control socket is, unless the configuration or `--socket` says otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/run/evenkeel/evenkeel.sock";
