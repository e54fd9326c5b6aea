//! Making one thread of a program hang while its others go on, as a lock that is never let go or a disk that never
//! answers would. Signals stop a process as a whole; a debugger stops one thread.

use anyhow::{Context as _, Result, ensure};
use nix::errno::Errno;
use nix::libc;

/// A program's first thread that does not move, until this is dropped. Not to be moved to another thread: to the
/// kernel, a debugger is a thread.
#[derive(Debug)]
pub struct FrozenThread {
    pid: libc::pid_t,
    _here: std::marker::PhantomData<*const ()>,
}

impl FrozenThread {
    /// Stops the first thread of a program that this process has started.
    ///
    /// # Errors
    /// When debugging is not allowed here.
    pub fn first_of(pid: u32) -> Result<Self> {
        let pid = libc::pid_t::try_from(pid)?;
        trace(libc::PTRACE_SEIZE, pid).context("cannot seize it")?;
        let frozen = Self {
            pid,
            _here: std::marker::PhantomData,
        };
        trace(libc::PTRACE_INTERRUPT, pid).context("cannot interrupt it")?;
        let mut status = 0;
        #[expect(unsafe_code, reason = "nix has no __WALL without its own ptrace")]
        // SAFETY: the status lives during the call.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        ensure!(Errno::result(waited)? == pid && libc::WIFSTOPPED(status));
        Ok(frozen)
    }
}

impl Drop for FrozenThread {
    fn drop(&mut self) {
        // It fails only if the program is gone.
        let _ = trace(libc::PTRACE_DETACH, self.pid);
    }
}

fn trace(request: libc::c_uint, pid: libc::pid_t) -> Result<()> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    #[expect(unsafe_code, reason = "a system call without a safe form")]
    // SAFETY: these requests take no pointers.
    let result = unsafe { libc::ptrace(request, pid, nothing, nothing) };
    Errno::result(result)?;
    Ok(())
}
