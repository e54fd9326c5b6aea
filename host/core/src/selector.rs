//! Which slot a new connection takes.

/// Which slot of a plan a new connection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The next one, counted over all connections of the service.
    Sequence,
    /// Any.
    Random,
    /// By a stable hash of the client's address; the same on both directors of a pair.
    HashSource,
    /// By a stable hash of the client's address and port and the service's address and port.
    HashFlow,
    /// By a stable hash of the client's network.
    HashNetwork(Prefixes),
}

/// How many bits of a client's address are its network's, at least one of either version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefixes {
    /// Of an IPv4 address, 1 to 32.
    pub v4: u8,
    /// Of an IPv6 address, 1 to 128.
    pub v6: u8,
}

impl Prefixes {
    /// All bits.
    pub const WHOLE: Self = Self { v4: 32, v6: 128 };
}

impl Selector {
    /// Whether a client keeps its slot as long as the plan has as many of them.
    #[must_use]
    pub fn is_hash(self) -> bool {
        matches!(
            self,
            Self::HashSource | Self::HashFlow | Self::HashNetwork(_)
        )
    }

    /// As the kernel has it for a service of one IP version: the prefix of the other means nothing there, and the whole
    /// address is a network, too.
    #[must_use]
    pub fn in_family(self, v4: bool) -> Self {
        let Self::HashNetwork(mut prefixes) = self else {
            return self;
        };
        if v4 {
            prefixes.v6 = Prefixes::WHOLE.v6;
        } else {
            prefixes.v4 = Prefixes::WHOLE.v4;
        }
        if prefixes == Prefixes::WHOLE {
            Self::HashSource
        } else {
            Self::HashNetwork(prefixes)
        }
    }
}

impl std::fmt::Display for Selector {
    /// `sequence`, `random`, `hash-source`, `hash-flow`, `hash-network`: the words of `status`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sequence => "sequence",
            Self::Random => "random",
            Self::HashSource => "hash-source",
            Self::HashFlow => "hash-flow",
            Self::HashNetwork(_) => "hash-network",
        })
    }
}
