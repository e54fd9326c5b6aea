//! One daemon at a time: a lock on a file beside the control socket, which the kernel lets go however the daemon ends.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::fcntl::{Flock, FlockArg};

use crate::exit::{self, Failed};

/// Held while a daemon runs.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

impl Lock {
    /// Takes the lock that belongs to a control socket; makes the socket's directory if there is none.
    ///
    /// # Errors
    /// [`exit::RUNNING`] when a daemon holds it; others when the file cannot be made.
    pub(crate) fn take(socket: &Path) -> anyhow::Result<Self> {
        let path = beside(socket);
        if let Some(dir) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(dir)
                .with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut holder = String::new();
        file.read_to_string(&mut holder)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let mut lock =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
                if errno == nix::errno::Errno::EWOULDBLOCK {
                    Failed::new(
                        exit::RUNNING,
                        format!(
                            "an evenkeel daemon runs already (process {}, socket {})",
                            holder.trim(),
                            socket.display()
                        ),
                    )
                } else {
                    Failed::new(
                        exit::FAILURE,
                        format!("cannot lock {}: {errno}", path.display()),
                    )
                }
            })?;
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self(lock))
    }
}

fn beside(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_told_who_runs() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("made/evenkeel.sock");
        let first = Lock::take(&socket).unwrap();
        let error = Lock::take(&socket).err().unwrap();
        let failed = error.downcast_ref::<Failed>().unwrap();
        assert_eq!(failed.code, exit::RUNNING);
        assert!(
            failed.message.contains(&std::process::id().to_string()),
            "{failed}"
        );
        drop(first);
        Lock::take(&socket).unwrap();
    }
}
