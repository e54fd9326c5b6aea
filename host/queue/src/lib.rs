//! New connections that the kernel hands to the daemon for a verdict: NFQUEUE.
//!
//! A [`Listener`] serves one queue, on a thread of its own: whoever decides slowly holds up that queue's connections
//! and no others. A [`QueueWatch`] sees that it moves, and passes it by otherwise. A [`Heartbeat`] tells the kernel's
//! rules that there is somebody to give verdicts.
//!
//! ```text
//! kernel --packets--> inbox --packet::flow--> Verdicts::decide --verdicts--> kernel
//!                            thread
//! ```

mod heartbeat;
mod inbox;
mod listener;
mod packet;
mod progress;
mod shared;
mod socket;
mod stats;
mod thread;
mod verdict;
mod watch;

pub use heartbeat::Heartbeat;
pub use listener::Listener;
pub use stats::{Spread, Stats};
pub use verdict::{QueueVerdict, Verdicts};
pub use watch::QueueWatch;
