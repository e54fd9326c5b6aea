//! One daemon at a time in a network namespace: a lock on a file, which the kernel lets go however the daemon ends.
//!
//! It goes by the namespace and not by the socket or the table: addresses that Evenkeel puts on interfaces are marked
//! as Evenkeel's, whichever daemon did it, and two would take away each other's.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Where the locks are.
const DIR: &str = "/run/evenkeel";

/// Whoever has the lock for longer than this is a daemon.
const PATIENCE: Duration = Duration::from_millis(300);
/// It is tried again so soon.
const RETRY_DELAY: Duration = Duration::from_millis(10);

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

/// Held while a daemon runs. Dropping it removes the file.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _held: Flock<File>,
}

impl Lock {
    /// Takes the lock of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// [`LockError::Running`] when a daemon holds it; others when the file cannot be made.
    pub fn take() -> Result<Self, LockError> {
        let lock = Self::take_file(&namespace_file("lock").map_err(LockError::Namespace)?)?;
        remove_left(Path::new(DIR));
        Ok(lock)
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
        match locked {
            Ok(held) => Ok(Self {
                path: path.to_owned(),
                _held: held,
            }),
            Err(holder) => Err(LockError::Running { holder }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked: whoever has opened it already sees afterwards that it is gone.
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(file = %self.path.display(), %error, "lock file not removed");
        }
    }
}

/// Removes the files that daemons of other network namespaces have left, which were killed. Those that are held stay.
fn remove_left(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().and_then(|name| name.to_str());
        if !name.is_some_and(|name| name.starts_with("net-") && name.ends_with(".lock")) {
            continue;
        }
        // Not made anew if it goes meanwhile.
        let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else {
            continue;
        };
        if let Ok(held) = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            && is_at(&held, &path)
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Whether a file that was opened is still the one of that name.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: Metadata, b: Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(opened), Ok(there)) => same(opened, there),
        _ => false,
    }
}

/// The inner error is who holds the lock.
fn open_and_lock(path: &Path) -> io::Result<Result<Flock<File>, String>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        match lock(file, path)? {
            // A daemon that starts in another namespace has the lock while it looks whether the file is to go.
            Some(Err(_)) if Instant::now() < until => std::thread::sleep(RETRY_DELAY),
            Some(outcome) => return Ok(outcome),
            None => {}
        }
    }
}

/// `None`: it was removed between opening and locking, so that another process can lock a new one of that name.
fn lock(file: File, path: &Path) -> io::Result<Option<Result<Flock<File>, String>>> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) if !is_at(&lock, path) => Ok(None),
        Ok(mut lock) => {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())?;
            Ok(Some(Ok(lock)))
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            Ok(Some(Err(holder.trim().to_owned())))
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
        assert!(!path.exists(), "the file stays behind");
        Lock::take_file(&path).unwrap();
    }

    #[test]
    fn who_has_the_lock_for_a_moment_only_is_no_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net-1.lock");
        std::fs::write(&path, "1234\n").unwrap();
        let file = File::open(&path).unwrap();
        let looks = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(PATIENCE / 6);
            drop(looks);
        });
        Lock::take_file(&path).unwrap();
        ends.join().unwrap();
    }

    #[test]
    fn a_file_that_was_removed_between_opening_and_locking_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net-1.lock");
        let first = Lock::take_file(&path).unwrap();
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        drop(first);
        let second = Lock::take_file(&path).unwrap();
        // Who opened the old file gets its lock, and must not take it for the daemon's.
        assert!(lock(opened, &path).unwrap().is_none());
        assert!(path.exists());
        drop(second);
    }

    #[test]
    fn of_many_that_start_and_end_at_once_one_at_a_time_has_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net-1.lock");
        let holders = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Ok(lock) = Lock::take_file(&path) else {
                            continue;
                        };
                        let before = holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(before, 0, "two daemons at once");
                        holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }

    #[test]
    fn what_killed_daemons_have_left_is_removed_and_what_is_held_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let held = Lock::take_file(&path("net-1.lock")).unwrap();
        std::fs::write(path("net-2.lock"), "4711\n").unwrap();
        std::fs::write(path("other"), "").unwrap();
        remove_left(dir.path());
        assert!(path("net-1.lock").exists() && path("other").exists());
        assert!(!path("net-2.lock").exists());
        drop(held);
    }
}
