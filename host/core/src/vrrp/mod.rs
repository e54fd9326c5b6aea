//! VRRP: virtual routers as one pure machine.
//!
//! [`router::Router`] holds every instance and sync group. The driver hands it what it receives and what it learns of
//! interfaces and tracked things ([`Input`]), calls [`router::Router::poll`] at [`router::Router::poll_at`], and
//! carries out what it wants ([`Output`]).
//!
//! # The states of an instance
//!
//! RFC 9568 sections 6.3 and 6.4 (RFC 3768 for version 2), with `Fault` in place of `Initialize` (6.4.1).
//!
//! ```text
//!                 +---------+
//!   start ------->|  Fault  |<------ from Backup and Master: an interface is down, adverts cannot be received or sent,
//!                 +---------+        or a tracked thing has failed (from Master: an advert of priority 0, then Release)
//!                    |   |
//!  all is well       |   |  all is well, and priority 255 (6.4.1): at once
//!  (6.4.1): start    |   +------------------------------+
//!  MasterDown        v                                  v
//!  advert  +--> +----------+  MasterDown expires   +----------+ <--+  Advert expires (6.4.3): send, start it again
//!  (6.4.2) |    |  Backup  |  (6.4.2): send, Hold, |  Master  |    |
//!          +--- |          |  start Advert         |          | ---+  a lower advert (6.4.3): send, announce again
//!  start        |          |---------------------->|          |
//!  MasterDown   |          |<----------------------|          |
//!  again        +----------+  a higher advert      +----------+
//!                ^  |   ^     (6.4.3): send once more,    |
//!                |  |   |     Release, start MasterDown   |
//!                +--+   |                                 |
//!    priority 0 (6.4.2):+---------------------------------+
//!    MasterDown is        resign, stop, or another member of the group yields: an advert of priority 0; the
//!    Skew_Time from now   addresses stay (hand-over) until another router is master, or HandOver expires
//! ```
//!
//! An instance becomes master only once the data plane is ready ([`Input::Ready`]) and every member of its sync group
//! would be master. Every deadline of an instance is in one table of timers.

#[cfg(test)]
mod tests;

mod announce;
mod input;
mod instance;
mod mismatch;
mod output;
pub mod packet;
mod receive;
mod report;
pub mod router;
mod timer;
pub mod timing;
mod tracking;

pub use input::{Command, Hearing, Input, Reading};
pub use output::{Event, Notified, Output};
pub use report::{Counters, GroupReport, InstanceReport, State};
