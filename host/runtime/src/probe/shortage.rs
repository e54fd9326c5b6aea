//! What this machine lacks for a check, as opposed to what its target does.

use std::io;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::transport::ProbeError;

/// Descriptors that checks leave to everything else: VRRP, the data plane, the control socket and its clients.
const RESERVED: u64 = 512;
/// More would be no limit.
const MAX_PLACES: u64 = 1 << 20;

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

/// The right to have one connection open.
pub(super) type Place = SemaphorePermit<'static>;

/// A place for one more connection.
///
/// # Errors
/// When checks have as many open as they may.
pub(super) fn place() -> Result<Place, ProbeError> {
    static PLACES: OnceLock<Semaphore> = OnceLock::new();
    let places = PLACES.get_or_init(|| {
        // It does not fail for a limit that every system has.
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
        Semaphore::new(usize::try_from(places(limit)).unwrap_or(1))
    });
    take(places)
}

fn take(places: &'static Semaphore) -> Result<Place, ProbeError> {
    places.try_acquire().map_err(|_| {
        ProbeError::Own(
            "checks have as many connections open as this process's limit of open files allows (ulimit -n, \
             LimitNOFILE)"
                .to_owned(),
        )
    })
}

/// Of a limit of open files, those for checks.
fn places(limit: u64) -> u64 {
    let reserved = RESERVED.min(limit / 2);
    (limit - reserved).clamp(1, MAX_PLACES)
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

    #[test]
    fn a_check_without_a_place_learns_nothing_and_a_place_is_given_back() {
        let one: &'static Semaphore = Box::leak(Box::new(Semaphore::new(1)));
        let place = take(one).unwrap();
        assert!(matches!(take(one), Err(ProbeError::Own(_))));
        drop(place);
        drop(take(one).unwrap());
    }

    #[test]
    fn checks_leave_descriptors_to_everything_else() {
        for (limit, wanted) in [(1, 1), (64, 32), (1024, 512), (524_288, 523_776)] {
            assert_eq!(places(limit), wanted, "of {limit}");
        }
        assert_eq!(places(u64::MAX), MAX_PLACES);
    }
}
