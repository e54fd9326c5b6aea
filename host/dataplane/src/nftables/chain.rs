//! The chains of a service: their names.

use std::fmt;

/// What a chain of a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ChainRole {
    /// Its one rule chooses a slot (`s<N>`).
    Slots,
    /// What comes before and after that, if anything does: persistence and verdicts (`p<N>`).
    Options,
    /// Hands new connections to an NFQUEUE (`q<N>`).
    Queue,
}

/// A chain of a service. All chains of a service have its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ServiceChain {
    pub(super) role: ChainRole,
    pub(super) number: u32,
}

impl ServiceChain {
    /// The chain that every service has.
    pub(super) fn slots(number: u32) -> Self {
        let role = ChainRole::Slots;
        Self { role, number }
    }

    /// The chain of this name; `None` if it is not the name of a service's.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (letter, number) = name.split_at_checked(1)?;
        let role = match letter {
            "s" => ChainRole::Slots,
            "p" => ChainRole::Options,
            "q" => ChainRole::Queue,
            _ => return None,
        };
        let number = number.parse().ok()?;
        let chain = Self { role, number };
        (chain.to_string() == name).then_some(chain)
    }
}

impl fmt::Display for ServiceChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.role {
            ChainRole::Slots => 's',
            ChainRole::Options => 'p',
            ChainRole::Queue => 'q',
        };
        write!(f, "{letter}{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_name_of_a_number_is_a_service_chain() {
        assert_eq!(ServiceChain::named("s12"), Some(ServiceChain::slots(12)));
        assert_eq!(ServiceChain::named("q12").unwrap().role, ChainRole::Queue);
        for name in [
            "slot",
            "s",
            "s012",
            "s+1",
            "t1",
            "s99999999999",
            "by_verdict",
            "",
        ] {
            assert_eq!(ServiceChain::named(name), None, "{name}");
        }
    }
}
