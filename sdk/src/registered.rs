//! What a register macro says about a plugin, and what follows from it.

use crate::declared::DeclaredAbilities;
use crate::manifest::Manifest;
use crate::scheduler::Scheduler;
use crate::settings::Settings;

/// What a register macro was told.
pub trait Registered {
    /// The plugin's name.
    const NAME: &'static str;
    /// The version of its crate.
    const VERSION: &'static str;
    /// One line for the user.
    const SUMMARY: &'static str;
}

/// What a plugin says about itself.
pub(crate) fn manifest<P: Registered, S: Settings>() -> Manifest {
    Manifest {
        name: P::NAME.to_owned(),
        version: P::VERSION.to_owned(),
        summary: P::SUMMARY.to_owned(),
        settings: S::specs(),
    }
}

/// What a scheduler can do.
pub(crate) const fn abilities<S: Scheduler>() -> DeclaredAbilities {
    DeclaredAbilities {
        decisions: S::DECISIONS,
        facts: S::FACTS,
        deterministic: S::DETERMINISTIC,
        stateless: S::STATELESS,
        labels: S::LABELS,
        delegates: S::DELEGATES,
    }
}

/// Whether it is a name for a plugin: `[a-z][a-z0-9-]*`.
#[must_use]
pub const fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || !bytes[0].is_ascii_lowercase() {
        return false;
    }
    let mut i = 1;
    while i < bytes.len() {
        if !(bytes[i].is_ascii_lowercase() || bytes[i].is_ascii_digit() || bytes[i] == b'-') {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_lower_case_and_begins_with_a_letter() {
        for good in ["rr", "least-conn", "p2c", "a"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "2c", "-a", "RR", "a_b", "a b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
