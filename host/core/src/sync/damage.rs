//! What somebody else has done to a service in the kernel.

/// How a service in the kernel differed from what it should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It was gone.
    Missing,
    /// It was different.
    Changed,
    /// It should not have been there.
    Foreign,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "was missing",
            Self::Changed => "was changed",
            Self::Foreign => "should not have been there",
        })
    }
}
