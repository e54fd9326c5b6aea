//! How many connections checks may have open at once: as many as leave descriptors to the rest of the daemon.

use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::transport::ProbeError;

/// Descriptors that checks leave to everything else: VRRP, the data plane, the control socket and its clients.
const RESERVED: u64 = 512;
/// More would be no limit.
const MAX_PLACES: u64 = 1 << 20;

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
