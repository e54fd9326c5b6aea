//! What is to be done to IPVS and iptables for a list of changes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::model::{IpvsTimeouts, ServiceKey};
use evenkeel_ipvs::Key;

use super::counting::Places;
use super::held::Held;
use super::rules::{Contents, Meaning, Table};
use super::steps::IpvsStep;

/// What is to be done to what is known.
#[derive(Debug)]
pub(super) struct IpvsPlan {
    /// In this order.
    pub(super) steps: Vec<IpvsStep>,
    /// Backends' places before and after.
    pub(super) now: Places,
    pub(super) then: Places,
    /// Tables in which a chain is to be made.
    pub(super) tables: BTreeSet<Table>,
    pub(super) services: Vec<(ServiceKey, Option<Held>)>,
    pub(super) helpers: BTreeMap<Key, Option<Held>>,
    pub(super) rules: Contents,
    pub(super) meaning: Meaning,
    pub(super) timeouts: IpvsTimeouts,
}

impl IpvsPlan {
    /// Whether conntrack has to see the connections.
    pub(super) fn tracks(&self) -> bool {
        !self.meaning.is_empty()
    }
}
