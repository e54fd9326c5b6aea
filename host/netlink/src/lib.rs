//! Netlink, once: what Evenkeel says to the kernel by netlink of its own. (Addresses, links and routes go by the crate
//! `rtnetlink`.)
//!
//! ```text
//! attribute   values in a buffer, nested; read without trust
//! message     headers; the messages of a datagram
//!   netfilter   the second header of nf_tables, conntrack, NFQUEUE
//!     conntrack   its messages     pure
//!     nfqueue     its messages     pure
//! acknowledgement   what the kernel thinks of a request
//! channel     a socket: one request and its answer, or datagrams
//!   generic     generic netlink: a family by its name, commands to it
//! ```
//!
//! No bytes panic, whoever sent them. Threads and the life of sockets are the business of who uses this:
//! `evenkeel-ipvs`, `evenkeel-flows`, `evenkeel-queue`, `evenkeel-dataplane`. The typed attributes of nf_tables are
//! those of the crate `netlink-bindings`.

mod acknowledgement;
pub mod attribute;
mod channel;
pub mod conntrack;
pub mod generic;
mod limits;
pub mod message;
pub mod netfilter;
pub mod nfqueue;

pub use acknowledgement::{RequestError, acknowledged};
pub use channel::Channel;
pub use limits::{receive_buffer, receive_timeout, send_buffer};
pub use message::{Message, Messages, control, flags};
