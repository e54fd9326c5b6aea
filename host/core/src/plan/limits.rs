//! How large a plan may be.

/// The most slots a plan may have.
pub const MAX_SLOTS: usize = 65_536;

/// The most rules for networks that a plan may have.
pub const MAX_RULES: usize = 4_096;
