//! A second scheduler of a service, which is tried beside the first.

use std::fmt;
use std::time::Duration;

use super::plugin::PluginUse;
use super::share::Share;

/// A second scheduler of a service: it is told of the same servers as the first, and makes plans when the first does.
#[derive(Debug, Clone, PartialEq)]
pub struct Second {
    /// Which plugin, with its settings.
    pub scheduler: PluginUse,
    /// What becomes of its plans.
    pub role: SecondRole,
}

/// What becomes of a second scheduler's plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondRole {
    /// They are compared with those of the first, and followed by nobody.
    Shadow,
    /// They are followed for a share of the slots.
    Canary(Canary),
}

impl fmt::Display for SecondRole {
    /// `shadow`, `canary`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shadow => "shadow",
            Self::Canary(_) => "canary",
        })
    }
}

/// For how much a canary decides, and when it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// For so many of a hundred slots: 1 to 50.
    pub share: u8,
    /// It is taken back when more than one in a hundred of its calls takes longer.
    pub max_call: Duration,
    /// It is taken back when its plan is more uneven against the weights than the first's, by more than this
    /// ([`crate::comparison::uneven`]).
    pub max_uneven: Share,
}

impl Canary {
    /// The largest [`Self::share`], in percent.
    pub const MAX_SHARE: u32 = 50;
    /// [`Self::max_call`] where nothing is said.
    pub const MAX_CALL: Duration = Duration::from_millis(10);
    /// [`Self::max_uneven`] where nothing is said.
    pub const MAX_UNEVEN: Share = Share::percent(10);
}
