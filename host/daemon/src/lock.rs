//! One daemon at a time in a network namespace: a lock on a file, which the kernel lets go however the daemon ends.
//!
//! It goes by the namespace and not by the socket or the table: addresses that Evenkeel puts on interfaces are marked
//! as Evenkeel's, whichever daemon did it, and two would take away each other's.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Where the locks are.
const DIR: &str = "/run/evenkeel";

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A daemon runs already in this network namespace.
    #[error("an evenkeel daemon runs already in this network namespace (process {holder})")]
    Running {
        /// The process that holds the lock, as it has written it there.
        holder: String,
    },
    /// It cannot be told which network namespace this is.
    #[error("cannot tell the network namespace")]
    Namespace(#[source] io::Error),
    /// The directory of the locks cannot be made.
    #[error("Evenkeel needs root: cannot make {}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be used.
    #[error("cannot take the lock {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The file with this extension of the network namespace that the calling thread is in.
pub(crate) fn namespace_file(extension: &str) -> io::Result<PathBuf> {
    let namespace = std::fs::metadata("/proc/thread-self/ns/net")?.ino();
    Ok(PathBuf::from(format!("{DIR}/net-{namespace}.{extension}")))
}

/// Held while a daemon runs.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

impl Lock {
    /// Takes the lock of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// [`LockError::Running`] when a daemon holds it; others when the file cannot be made.
    pub fn take() -> Result<Self, LockError> {
        Self::take_file(&namespace_file("lock").map_err(LockError::Namespace)?)
    }

    fn take_file(path: &Path) -> Result<Self, LockError> {
        if let Some(directory) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory)
                .map_err(|source| LockError::Directory {
                    path: directory.to_owned(),
                    source,
                })?;
        }
        let locked = open_and_lock(path).map_err(|source| LockError::File {
            path: path.to_owned(),
            source,
        })?;
        locked
            .map(Self)
            .map_err(|holder| LockError::Running { holder })
    }
}

/// The inner error is who holds the lock.
fn open_and_lock(path: &Path) -> io::Result<Result<Flock<File>, String>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())?;
            Ok(Ok(lock))
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            Ok(Err(holder.trim().to_owned()))
        }
        Err((_, errno)) => Err(errno.into()),
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
        let id = std::process::id().to_string();
        assert!(matches!(error, LockError::Running { holder } if holder == id));
        drop(first);
        Lock::take_file(&path).unwrap();
    }
}
