//! For whom something is on this machine, and how firmly.

/// For whom an address, a route, a rule or an interface is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The configured services (`interface = ...`).
    Services,
    /// The VRRP instance of that name.
    Vrrp(String),
}

impl Owner {
    /// The VRRP instance.
    pub(crate) fn instance(&self) -> Option<&str> {
        match self {
            Self::Services => None,
            Self::Vrrp(instance) => Some(instance),
        }
    }
}

/// Whether what an owner has configured is to be on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    /// Nothing of it is to be here.
    Absent,
    /// What was found here stays, nothing is added.
    Retained,
    /// All of it is to be here.
    Held,
}

/// Something that an owner has configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim<T> {
    pub(crate) owner: Owner,
    pub(crate) presence: Presence,
    pub(crate) what: T,
}

/// The owners that have said what they want. Nothing of the others is touched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ActiveOwners {
    pub(crate) services: bool,
    pub(crate) vrrp: bool,
}
