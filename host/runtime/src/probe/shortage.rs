//! What this machine lacks for a check, as opposed to what its target does.

use std::io;

use nix::errno::Errno;

/// Why an operation failed, if that is this machine's own doing.
pub(super) fn own(error: &io::Error) -> Option<String> {
    let what = match Errno::from_raw(error.raw_os_error()?) {
        // Of a connection, and of a socket that is bound to any port.
        Errno::EADDRNOTAVAIL | Errno::EADDRINUSE => {
            "no local port is left (net.ipv4.ip_local_port_range)"
        }
        Errno::EMFILE => "this process may open no more files (ulimit -n, LimitNOFILE)",
        Errno::ENFILE => "the system may open no more files (fs.file-max)",
        Errno::ENOBUFS | Errno::ENOMEM => "no memory is left for sockets",
        Errno::EAGAIN => "the kernel lacks something for a connection",
        Errno::EPERM | Errno::EACCES => "its own packet filter refuses what a check sends",
        _ => return None,
    };
    Some(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_told_from_what_a_server_does() {
        for errno in [
            Errno::EADDRNOTAVAIL,
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOBUFS,
            Errno::ENOMEM,
            Errno::EAGAIN,
            Errno::EPERM,
        ] {
            assert!(own(&errno.into()).is_some(), "{errno}");
        }
        for errno in [
            Errno::ECONNREFUSED,
            Errno::ECONNRESET,
            Errno::EHOSTUNREACH,
            Errno::ENETUNREACH,
            Errno::ETIMEDOUT,
            Errno::EPIPE,
        ] {
            assert_eq!(own(&errno.into()), None, "{errno}");
        }
        assert_eq!(own(&io::ErrorKind::UnexpectedEof.into()), None);
    }
}
