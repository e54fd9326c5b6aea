//! What went wrong with a socket, and what can be done.

use std::io;
use std::net::IpAddr;

use nix::errno::Errno;

/// For a socket that cannot be opened.
pub(super) fn cannot_open(device: &str, error: &io::Error) -> String {
    let advice = match errno(error) {
        Errno::EPERM | Errno::EACCES => ": it takes the capability CAP_NET_RAW",
        Errno::EAFNOSUPPORT => ": IPv6 is disabled on this machine",
        _ => "",
    };
    format!("cannot open a socket for adverts on {device}: {error}{advice}")
}

/// For an advert that cannot be sent.
pub(super) fn cannot_send(device: &str, source: IpAddr, to: IpAddr, error: &io::Error) -> String {
    let advice = match errno(error) {
        Errno::EPERM => {
            "; this machine's firewall drops it: let protocol 112 (vrrp) out, and in, too"
        }
        Errno::EINVAL | Errno::EADDRNOTAVAIL => "; is the source an address of this machine?",
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => "; no route leads there",
        _ => "",
    };
    format!("cannot send adverts from {source} to {to} on {device}: {error}{advice}")
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}
