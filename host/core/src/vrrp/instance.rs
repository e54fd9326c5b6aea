//! One virtual router: the state machine of RFC 9568 section 6.4 (RFC 3768 section 6.4 for version 2).

mod adverts;
mod data;
mod expiry;
mod facts;
mod send;
mod transitions;

pub(super) use adverts::AdvertOutcome;
pub(super) use data::Instance;
