//! Parts of a whole.

use std::fmt;

/// A share of all clients, connections or slots, in hundredths of a percent: 0 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(10_000);

    /// In percent; more than 100 are 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        // A `min` that may be called in a constant.
        let percent = if percent < 100 { percent } else { 100 };
        Self(percent as u16 * 100)
    }

    /// `part` of `all`, rounded up, so that only nothing is 0. More than all is all.
    #[must_use]
    pub fn of(part: u128, all: u128) -> Self {
        let hundredths = part
            .saturating_mul(u128::from(Self::ALL.0))
            .div_ceil(all.max(1));
        u16::try_from(hundredths)
            .ok()
            .and_then(Self::new)
            .unwrap_or(Self::ALL)
    }

    /// `None`: more than all.
    #[must_use]
    pub fn new(hundredths: u16) -> Option<Self> {
        (hundredths <= Self::ALL.0).then_some(Self(hundredths))
    }

    /// In hundredths of a percent.
    #[must_use]
    pub fn hundredths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Share {
    /// `5%`, `0.25%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match (rest, rest % 10) {
            (0, _) => write!(f, "{whole}%"),
            (_, 0) => write!(f, "{whole}.{}%", rest / 10),
            _ => write!(f, "{whole}.{rest:02}%"),
        }
    }
}
