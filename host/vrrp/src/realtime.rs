//! What keeps a thread from being late: real-time priority, exact timers, memory that is not swapped out.

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A thread's place among the real-time threads, 1 to 99. Low: whoever runs others wants them to come first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Priority {
    /// Of the thread that sends adverts.
    Adverts = 10,
    /// Of the threads that it waits for.
    Helpers = 9,
}

/// Gives the calling thread, and threads that it starts from now on, real-time priority (`SCHED_RR`) and timers that
/// are not rounded.
///
/// # Errors
/// Mostly [`Errno::EPERM`]: not allowed (it takes `CAP_SYS_NICE`, or `LimitRTPRIO=` in a systemd unit).
pub(crate) fn prefer(priority: Priority) -> Result<(), Errno> {
    // Without real-time priority the kernel may be 50 us late on purpose (prctl(2), PR_SET_TIMERSLACK).
    prctl::set_timerslack(1)?;
    let parameters = libc::sched_param {
        sched_priority: priority as libc::c_int,
    };
    #[expect(unsafe_code, reason = "nix has no sched_setscheduler")]
    // SAFETY: `parameters` lives during the call; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameters) };
    Errno::result(result).map(drop)
}

/// Keeps the process's memory from being swapped out, what it has and what it will have, once it is used.
///
/// Only where memory may be locked without limit: with a limit, an allocation that goes beyond it would fail later on.
///
/// # Errors
/// Mostly [`Errno::EPERM`]: not allowed without limit (it takes `CAP_IPC_LOCK`, or `LimitMEMLOCK=infinity` in a systemd
/// unit).
pub(crate) fn lock_memory() -> Result<(), Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
    if soft == libc::RLIM_INFINITY {
        return lock_all();
    }
    // While the limit is zero, locking succeeds for those only to whom limits do not apply (can_do_mlock of
    // mm/mlock.c).
    setrlimit(Resource::RLIMIT_MEMLOCK, 0, hard)?;
    let result = lock_all();
    setrlimit(Resource::RLIMIT_MEMLOCK, soft, hard)?;
    result
}

fn lock_all() -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "nix does not know MCL_ONFAULT")]
    // SAFETY: it only changes how the kernel treats our pages.
    let result =
        unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
    Errno::result(result).map(drop)
}
