//! Asks the daemon about each new connection: NFQUEUE.
//!
//! A [`Listener`] serves one queue, on a thread of its own: whoever decides slowly holds up that queue's connections and no others. A
//! [`Heart`] tells the kernel's rules that somebody is there to answer.

mod heart;
mod listener;
mod packet;
mod socket;
mod stats;
mod wire;

pub use heart::Heart;
pub use listener::{Choice, Chooser, Listener};
pub use stats::{Spread, Stats};
