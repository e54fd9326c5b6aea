//! Errors.

use evenkeel_addresses::AddressError;

/// Why VRRP cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum VrrpError {
    /// No thread, or no file descriptors for it.
    #[error("cannot start the threads of VRRP: {0}")]
    Thread(#[source] std::io::Error),
    /// The addresses cannot be managed.
    #[error("cannot manage the virtual addresses: {0}")]
    Addresses(#[from] AddressError),
}
