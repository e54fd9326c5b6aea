//! What a health checker is.

use std::fmt;

use crate::settings::Settings;
use crate::target::Target;

/// Judges real servers. One instance serves many checks of many servers, one after the other, all with
/// the same settings; the host has as many instances as it needs.
pub trait HealthChecker: Sized + 'static {
    /// What can be configured: a struct made by [`settings!`](crate::settings!), or `()`.
    type Settings: Settings;

    /// Makes an instance.
    ///
    /// # Errors
    /// Settings that each are in range but make no sense together. The text is shown to the user.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// Judges the target.
    ///
    /// # Errors
    /// An error means [`Verdict::Unhealthy`], with its text as the reason. So `?` does what is wanted on
    /// whatever fails while talking to the server.
    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError>;
}

/// A checker's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Fit to be used.
    Healthy,
    /// Alive, but should get only this share of its weight, in percent: 0 to 100. With the reason, short and for an
    /// operator; it may be empty.
    Degraded(u8, String),
    /// Not fit to be used. The reason is short and for an operator: `status 503, wanted 200-399`.
    Unhealthy(String),
}

/// Why a check failed: the reason of [`Verdict::Unhealthy`]. Made by `?` from any error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckError(String);

impl CheckError {
    /// With the reason, short and for an operator.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Like anyhow's: not an `Error` itself, so that it can be made from all of those.
impl<E: std::error::Error> From<E> for CheckError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl From<CheckError> for Verdict {
    fn from(error: CheckError) -> Self {
        Self::Unhealthy(error.0)
    }
}
