//! The real servers of a virtual service in the kernel.

use std::collections::{BTreeMap, btree_map};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::{Backend, BackendId};

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
