//! What all netlink sockets of ours have in common: how they are opened, that datagrams are read whole, and what an acknowledgement says.
//! What is said over them is the business of who uses them: nf_tables, IPVS, conntrack, NFQUEUE.

mod acknowledgement;
mod channel;
mod limits;

pub use acknowledgement::{Refused, acknowledged};
pub use channel::Channel;
pub use limits::{receive_buffer, receive_timeout, send_buffer};
