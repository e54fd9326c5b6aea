//! VRRP: virtual routers as one pure machine.
//!
//! [`router::Router`] holds every instance and sync group. The driver hands it what it receives and what it learns of interfaces
//! and tracked things ([`Input`]), calls [`router::Router::poll`] at [`router::Router::poll_at`], and carries out what it wants
//! ([`Output`]).
//!
//! # The states of an instance
//!
//! RFC 9568 sections 6.3 and 6.4 (RFC 3768 for version 2), with `Fault` in place of `Initialize` (6.4.1).
//!
//! ```text
//!                       +-----------+
//!      start ---------->|   Fault   |<--------------- a fault: an interface is down, a tracked thing has failed
//!                       +-----------+                 (from Master: advert of priority 0 first, then Release)
//!                          |     |
//!   all is well (6.4.1)    |     |  all is well, priority 255 (6.4.1): MasterDown does not run
//!   start MasterDown       |     +------------------------------+
//!                          v                                    v
//!   advert taken   +----->+-----------+  MasterDown expired   +-----------+ <----+  Advert expired (6.4.3): send
//!   (6.4.2):       |      |           |  (6.4.2): advert,     |           |      |  a lower advert (6.4.3): send at once,
//!   MasterDown     +------|  Backup   |  Hold, start Advert    |  Master   |------+  announce again
//!   starts again          |           |---------------------->|           |
//!                         |           |<----------------------|           |
//!                         +-----------+  a higher advert      +-----------+
//!                           |   ^  ^     (6.4.3): Release           |
//!   advert of priority 0    |   |  |                                |
//!   (6.4.2): MasterDown     +---+  +--------------------------------+
//!   expires after Skew_Time        resign, stop, or another member of the group yields: advert of priority 0; the
//!                                  addresses stay (hand-over) until another router is master, or HandOver expires
//! ```
//!
//! An instance becomes master only once the data plane is ready ([`Input::Ready`]) and every member of its sync group would be
//! master. Every deadline of an instance is in one table of timers.

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

pub use input::{Command, Input, Reading};
pub use output::{Event, Notified, Output};
pub use report::{Counters, GroupReport, InstanceReport, State};
