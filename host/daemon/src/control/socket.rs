//! The socket's file: made so that nobody else gets in, and removed in the end.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Its directory cannot be made.
    #[error("cannot make {}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket itself cannot.
    #[error("cannot listen on the control socket {}", .path.display())]
    Socket {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The listening socket; its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens. Takes the place of the socket of a daemon that is gone: call it only under the lock ([`crate::lock`]).
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        if let Some(directory) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory)
                .map_err(|source| BindError::Directory {
                    path: directory.to_owned(),
                    source,
                })?;
        }
        let listener = listen(path).map_err(|source| BindError::Socket {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// The next client. May be cancelled without losing one.
    ///
    /// # Errors
    /// When it cannot be accepted, which may be possible later.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.listener.accept().await?;
        Ok(stream)
    }
}

/// Made under another name and renamed when its permissions are right, so that nobody gets in before.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let listener = UnixListener::bind(&draft)?;
    std::fs::set_permissions(&draft, Permissions::from_mode(0o600))?;
    std::fs::rename(&draft, path)?;
    Ok(listener)
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Another daemon may have put its own there if ours was removed by hand; it then holds no lock of ours. Leave
        // the rest to `bind`, which replaces whatever is left.
        let _ = std::fs::remove_file(&self.path);
    }
}
