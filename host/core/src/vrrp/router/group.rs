//! A sync group as the router keeps it.

use crate::model::SyncGroup;
use crate::vrrp::State;

#[derive(Debug)]
pub(super) struct Group {
    pub(super) spec: SyncGroup,
    /// The positions of its members.
    pub(super) members: Vec<usize>,
    /// As last notified.
    pub(super) notified: Option<State>,
    /// Its end was notified.
    pub(super) stopped: bool,
}
