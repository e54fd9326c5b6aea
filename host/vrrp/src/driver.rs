//! The thread that sends and receives adverts.
//!
//! ```text
//!  Links (thread) ---interfaces---+                      +--> sockets (adverts), packet socket (announcements)
//!  address manager ----reports----+--> channel --> Router +--> address manager: hold, release
//!  socket opener (thread) sockets-+                      +--> event forwarder (thread) --> the daemon
//!  Vrrp (the daemon) --commands---+                      +--> status snapshot
//!  sockets ----------adverts----------------------^
//! ```
//!
//! One loop around `ppoll`, whose timeout the kernel keeps to the nanosecond (an async runtime's timers are rounded to
//! milliseconds). Nothing in it waits for anything else: no lock, no disk, no netlink, no log. What may wait is on
//! other threads.

mod message;
mod problems;
mod start;
mod state;
mod turn;
mod work;

pub(crate) use message::Message;
pub(crate) use start::Helpers;
