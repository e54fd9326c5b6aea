//! Memory that was used for a while: reading a configuration of ten thousand services takes more than having them, and
//! the C library would keep it.

use std::time::Duration;

/// What comes of a configuration has happened by then: plans, the kernel's changes, files.
const DELAY: Duration = Duration::from_secs(2);

/// Gives the pages that nothing is in back to the kernel, in a moment. Call it inside a tokio runtime.
pub(crate) fn give_back_soon() {
    tokio::spawn(async {
        tokio::time::sleep(DELAY).await;
        // It walks over all that is free. A blocking thread that cannot be started changes nothing.
        let _ = tokio::task::spawn_blocking(give_back).await;
    });
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "only the C library can be told")]
fn give_back() {
    // SAFETY: it has no conditions, and may be called by any thread.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give back what is free.
#[cfg(not(target_env = "gnu"))]
fn give_back() {}
