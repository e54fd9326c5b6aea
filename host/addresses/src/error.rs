//! Errors.

/// Why addresses cannot be read or managed.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// No thread, or no file descriptors for it.
    #[error("cannot start a thread for addresses: {0}")]
    Thread(#[source] std::io::Error),
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[source] std::io::Error),
    /// The kernel did not tell what is there.
    #[error("cannot read the {what} of this machine: {why}")]
    Read {
        /// Addresses, interfaces, routes or rules.
        what: &'static str,
        /// What the kernel said.
        why: String,
    },
}
