//! The maps and sets of the base ruleset.

/// A map or set whose elements we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Set {
    Svc4,
    Svc6,
    Slots,
    Be4,
    Be6,
    Hair4,
    Hair6,
    Inner4,
    Inner6,
    /// Services whose new connections are queued (`ask4`: operators and scripts know the maps by their names).
    Queue4,
    Queue6,
    /// Clients that begin in another group than the first.
    Net4,
    Net6,
}

/// Filled by packets: neither read nor written by us.
pub(super) const DYNAMIC: [&str; 3] = ["aff4", "aff6", "alive"];

impl Set {
    pub(super) const ALL: [Self; 13] = [
        Self::Svc4,
        Self::Svc6,
        Self::Slots,
        Self::Be4,
        Self::Be6,
        Self::Hair4,
        Self::Hair6,
        Self::Inner4,
        Self::Inner6,
        Self::Queue4,
        Self::Queue6,
        Self::Net4,
        Self::Net6,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Svc4 => "svc4",
            Self::Svc6 => "svc6",
            Self::Slots => "slots",
            Self::Be4 => "be4",
            Self::Be6 => "be6",
            Self::Hair4 => "hair4",
            Self::Hair6 => "hair6",
            Self::Inner4 => "inner4",
            Self::Inner6 => "inner6",
            Self::Queue4 => "ask4",
            Self::Queue6 => "ask6",
            Self::Net4 => "net4",
            Self::Net6 => "net6",
        }
    }
}
