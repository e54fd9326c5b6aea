//! New connections that the kernel hands to the daemon for a verdict: NFQUEUE.
//!
//! A [`Listener`] serves one queue, on a thread of its own: whoever decides slowly holds up that queue's connections
//! and no others. A [`Heartbeat`] tells the kernel's rules that there is somebody to give verdicts.
//!
//! ```text
//! kernel --packets--> inbox --packet::flow--> Verdicts::decide --verdicts--> kernel
//!                            thread
//! ```

mod heartbeat;
mod inbox;
mod listener;
mod packet;
mod socket;
mod stats;
mod thread;
mod verdict;

pub use heartbeat::Heartbeat;
pub use listener::Listener;
pub use stats::{Spread, Stats};
pub use verdict::{QueueVerdict, Verdicts};
