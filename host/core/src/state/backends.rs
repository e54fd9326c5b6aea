//! The real servers of a virtual service in the kernel.

use std::collections::{BTreeMap, btree_map};
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::mark::BackendId;
use crate::model::Forward;

/// One real server of a virtual service in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    /// Where connections are sent.
    pub address: SocketAddr,
    /// How they get there.
    pub forward: Forward,
    /// What the server's share is by its weight alone; 0: draining. For data planes that spread by weights, not by
    /// slots ([`crate::approximate`]): others hold 0.
    pub weight: u32,
    /// With so many connections it gets no new ones; 0: there is no limit. For data planes that count by themselves:
    /// others hold 0.
    pub upper_threshold: u32,
    /// Below so many it gets new ones again; 0: below three quarters of the upper threshold.
    pub lower_threshold: u32,
}

impl From<SocketAddr> for Backend {
    /// One that is reached by NAT, without weight or thresholds: all that nftables knows of it.
    fn from(address: SocketAddr) -> Self {
        Self {
            address,
            forward: Forward::Nat,
            weight: 0,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }
}

/// Real servers by their numbers. What is wanted, what is held and what a data plane knows are equal most of the time:
/// clones share one map until one of them is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backends(Arc<BTreeMap<BackendId, Backend>>);

impl Deref for Backends {
    type Target = BTreeMap<BackendId, Backend>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Backends {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl From<BTreeMap<BackendId, Backend>> for Backends {
    fn from(backends: BTreeMap<BackendId, Backend>) -> Self {
        Self(Arc::new(backends))
    }
}

impl<const N: usize> From<[(BackendId, Backend); N]> for Backends {
    fn from(backends: [(BackendId, Backend); N]) -> Self {
        BTreeMap::from(backends).into()
    }
}

impl FromIterator<(BackendId, Backend)> for Backends {
    fn from_iter<T: IntoIterator<Item = (BackendId, Backend)>>(backends: T) -> Self {
        BTreeMap::from_iter(backends).into()
    }
}

impl<'a> IntoIterator for &'a Backends {
    type Item = (&'a BackendId, &'a Backend);
    type IntoIter = btree_map::Iter<'a, BackendId, Backend>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
