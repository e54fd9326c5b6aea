//! How the new connections of a service are spread.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::groups::Groups;
use crate::mark::BackendId;
use crate::selector::Selector;

/// How the new connections of a service are spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// TCP is answered with a reset, UDP with ICMP port unreachable.
    Refuse,
    /// By these slots. Never empty; every backend named is in the service's `backends`.
    Slots {
        /// Which slot a connection takes.
        selector: Selector,
        /// The slots, in order.
        slots: Vec<BackendId>,
    },
    /// By groups of servers, which their networks and shares lead clients to.
    Groups(Groups),
}

impl Spread {
    /// In one table: groups by the shares of their servers ([`Groups::flat`]), everything else as it is.
    #[must_use]
    pub fn flat(&self) -> Cow<'_, Self> {
        match self {
            Self::Refuse | Self::Slots { .. } => Cow::Borrowed(self),
            Self::Groups(groups) => Cow::Owned(match groups.flat() {
                Some((selector, slots)) => Self::Slots { selector, slots },
                None => Self::Refuse,
            }),
        }
    }

    /// As the kernel has it for a service of one IP version.
    #[must_use]
    pub fn in_family(self, v4: bool) -> Self {
        match self {
            Self::Refuse => Self::Refuse,
            Self::Slots { selector, slots } => Self::Slots {
                selector: selector.in_family(v4),
                slots,
            },
            Self::Groups(groups) => Self::Groups(groups.in_family(v4)),
        }
    }

    /// The servers that have a slot.
    #[must_use]
    pub fn servers(&self) -> BTreeSet<BackendId> {
        match self {
            Self::Refuse => BTreeSet::new(),
            Self::Slots { slots, .. } => slots.iter().copied().collect(),
            Self::Groups(groups) => groups.servers(),
        }
    }

    /// Whether a server has a slot.
    #[must_use]
    pub fn has(&self, id: BackendId) -> bool {
        match self {
            Self::Slots { slots, .. } => slots.contains(&id),
            Self::Refuse | Self::Groups(_) => self.servers().contains(&id),
        }
    }

    /// How many slots it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Refuse => 0,
            Self::Slots { slots, .. } => slots.len(),
            Self::Groups(groups) => groups.slots(),
        }
    }

    /// Whether there is no slot: new connections are refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
