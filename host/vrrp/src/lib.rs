//! What VRRP needs of the operating system: adverts and announcements on the wire, scripts, files and processes that
//! are watched, notify scripts. What is decided is decided in [`evenkeel_core::vrrp`]; what is put on interfaces, the
//! address manager ([`evenkeel_addresses`]) puts there.

mod announcer;
mod driver;
mod error;
mod event;
mod handle;
mod links;
mod notify;
mod own_thread;
mod program;
mod realtime;
mod socket;
mod socket_opener;
mod sockets;
mod status;
mod watch;

pub use error::VrrpError;
pub use event::VrrpEvent;
pub use handle::Vrrp;
pub use notify::Notifier;
pub use program::{CheckEnd, CheckProgram, Insecure, check as may_run};
pub use status::VrrpStatus;
pub use watch::Watchers;
