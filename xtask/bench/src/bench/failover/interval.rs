//! The intervals between adverts that are measured.

use std::time::Duration;

use clap::ValueEnum;

/// From one advert to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Interval {
    /// VRRP version 2, as in the article.
    #[value(name = "1s")]
    Second,
    /// Version 3.
    #[value(name = "100ms")]
    Tenth,
    /// Version 3, as short as the protocol has it.
    #[value(name = "10ms")]
    Hundredth,
}

impl Interval {
    pub(crate) const ALL: [Self; 3] = [Self::Second, Self::Tenth, Self::Hundredth];

    pub(crate) fn duration(self) -> Duration {
        Duration::from_millis(match self {
            Self::Second => 1000,
            Self::Tenth => 100,
            Self::Hundredth => 10,
        })
    }

    pub(crate) fn version(self) -> u8 {
        match self {
            Self::Second => 2,
            Self::Tenth | Self::Hundredth => 3,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Second => "1 s (v2)",
            Self::Tenth => "100 ms (v3)",
            Self::Hundredth => "10 ms (v3)",
        }
    }
}
