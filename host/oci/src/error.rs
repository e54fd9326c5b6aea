//! What can go wrong with a registry.

use oci_client::errors::OciDistributionError;

/// Why a plugin could not be put into a registry, or got from one. May contain what the registry said: make it fit for a
/// terminal before it is printed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The place is none.
    #[error(
        "{place}: {reason}; write oci://REGISTRY/REPOSITORY:TAG, such as oci://localhost:5000/plugins/calm:0.1.0"
    )]
    Place {
        /// As it was written.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// There are credentials, but they cannot be had or must not be sent.
    #[error("{0}")]
    Credentials(String),
    /// What is there is no plugin.
    #[error("{place} is no plugin: {reason}")]
    Artifact {
        /// The place.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The registry refuses, or does not answer.
    #[error("{place}: {reason}")]
    Registry {
        /// The place.
        place: String,
        /// What it says.
        reason: String,
    },
}

/// An error with all that caused it, in one line.
pub(crate) fn chain(error: &OciDistributionError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        cause = error.source();
    }
    text
}
