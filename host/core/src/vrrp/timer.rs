//! The timers of an instance.

use crate::timers::TimerTable;

/// What an instance waits for. Of [`Self::Startup`], [`Self::MasterDown`] and [`Self::Advert`] one runs at most: each
/// belongs to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum InstanceTimer {
    /// The next mismatch that was not heard for long enough is forgotten.
    Mismatch,
    /// Something that is not known for a while counts as failed from now on.
    Unknown,
    /// Fault: what is not known so long after the start counts as failed.
    Startup,
    /// Backup: no advert was received for so long that the master is gone (RFC 9568 section 6.2, `Active_Down_Timer`).
    MasterDown,
    /// Master: the next advert (RFC 9568 section 6.2, `Adver_Timer`).
    Advert,
    /// No other router has taken over the addresses that were handed over.
    HandOver,
    /// Announcements again, after becoming master or after a lower advert.
    AnnounceRepeat,
    /// The next of the single rounds soon after becoming master.
    AnnounceEarly,
    /// Announcements from time to time.
    AnnounceRefresh,
}

/// When each of them expires.
pub(super) type InstanceTimers = TimerTable<InstanceTimer>;
