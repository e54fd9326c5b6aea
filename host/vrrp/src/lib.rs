//! What VRRP needs of the operating system: adverts and announcements on the wire, addresses on interfaces, scripts, files and
//! processes that are watched, scripts that are told. What is decided is decided in [`evenkeel_core::vrrp`].

mod announcer;
mod courier;
mod driver;
mod frames;
mod handle;
mod keeper;
mod links;
mod mailbox;
mod notify;
mod opener;
mod program;
mod realtime;
mod socket;
mod sockets;
mod watch;

pub use handle::{Vrrp, VrrpError, VrrpEvent, VrrpStatus};
pub use keeper::{Keeper, KeeperError, KeeperReport, MARK, PROTOCOL, Swept, remove_all};
pub use notify::Notifier;
pub use watch::Watchers;
