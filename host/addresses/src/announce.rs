//! Telling networks where addresses are: gratuitous ARP and unsolicited neighbour advertisements. For the addresses of
//! services the address manager does it, for those of VRRP the master.

mod frame_socket;
mod frames;
mod queue;
mod rounds;

pub use frames::Mac;
pub use queue::{AnnounceQueue, Announced, Announcement};
pub(crate) use rounds::{AnnounceRounds, Place, Sighting};
