//! One daemon at a time in a network namespace: a lock on a file, which the kernel lets go however the daemon ends.
//!
//! It goes by the namespace and not by the socket or the table: addresses that Evenkeel puts on interfaces are marked as
//! Evenkeel's, whichever daemon did it, and two would take away each other's.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Where the locks are.
const DIR: &str = "/run/evenkeel";

/// A daemon runs already in this network namespace.
#[derive(Debug, thiserror::Error)]
#[error("an evenkeel daemon runs already in this network namespace (process {holder})")]
pub struct Running {
    /// The process that holds the lock, as it has written it there.
    pub holder: String,
}

/// Held while a daemon runs.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

impl Lock {
    /// Takes the lock of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// [`Running`] when a daemon holds it; others when the file cannot be made.
    pub fn take() -> anyhow::Result<Self> {
        let namespace = std::fs::metadata("/proc/thread-self/ns/net")
            .context("cannot tell the network namespace")?
            .ino();
        Self::take_file(&PathBuf::from(format!("{DIR}/net-{namespace}.lock")))
    }

    fn take_file(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("cannot take the lock {}", path.display());
        if let Some(dir) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(dir)
                .with_context(context)
                .context("Evenkeel needs root")?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .with_context(context)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                lock.set_len(0).with_context(context)?;
                lock.rewind().with_context(context)?;
                writeln!(lock, "{}", std::process::id()).with_context(context)?;
                Ok(Self(lock))
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).with_context(context)?;
                let holder = holder.trim().to_owned();
                Err(Running { holder }.into())
            }
            Err((_, errno)) => Err(std::io::Error::from(errno)).with_context(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_told_who_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/net-1.lock");
        let first = Lock::take_file(&path).unwrap();
        let error = Lock::take_file(&path).unwrap_err();
        let running = error.downcast_ref::<Running>().unwrap();
        assert_eq!(running.holder, std::process::id().to_string());
        drop(first);
        Lock::take_file(&path).unwrap();
    }
}
