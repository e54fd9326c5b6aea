//! The control socket: a Unix stream on which the daemon answers questions, readable by its owner only.
//!
//! One request and one answer a connection, each a line of JSON.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use crate::status::Status;

/// The longest request.
const MAX_REQUEST: u64 = 64 * 1024;
/// How long a client may take to say what it wants, and the daemon to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How everything is.
    Status,
    /// Hand over to the other director, or take part in the election again.
    Vrrp {
        /// What to do.
        order: Order,
        /// Which instance or sync group; `None`: all.
        instance: Option<String>,
    },
}

/// What an operator may want of VRRP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// [`evenkeel_core::vrrp::Command::Resign`].
    Resign,
    /// [`evenkeel_core::vrrp::Command::Resume`].
    Resume,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// What was asked for is under way.
    Done,
    /// The request was not understood, or cannot be done.
    Error {
        /// Why.
        message: String,
    },
}

/// A request that waits for the daemon's main loop.
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// The listening socket; its file is removed when this is dropped.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens. Takes the place of the socket of a daemon that is gone: call it only under the lock ([`crate::lock`]).
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn bind(path: &Path) -> anyhow::Result<Self> {
        // Made under another name and renamed when its permissions are right, so that nobody gets in before.
        if let Some(dir) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(dir)
                .with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        let context = || format!("cannot listen on the control socket {}", path.display());
        let listener = UnixListener::bind(&draft).with_context(context)?;
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))
            .and_then(|()| std::fs::rename(&draft, path))
            .with_context(context)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves clients until the task that runs this is ended.
    pub async fn serve(self, asked: mpsc::Sender<Asked>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let asked = asked.clone();
                    tokio::spawn(async move {
                        match tokio::time::timeout(PATIENCE, answer(stream, asked)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => {
                                debug!(%error, "a client of the control socket went away")
                            }
                            Err(_) => debug!("a client of the control socket took too long"),
                        }
                    });
                }
                Err(error) => {
                    // Out of descriptors, for one: others may be closed in a moment.
                    warn!(%error, "cannot accept a client on the control socket");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Another daemon may have put its own there if ours was removed by hand; it then holds no lock of ours. Leave the rest to
        // `bind`, which replaces whatever is left.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, asked: mpsc::Sender<Asked>) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            asked.send(Asked { request, reply }).await?;
            answer.await?
        }
        Err(error) => Answer::Error {
            message: format!("request not understood: {error}"),
        },
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    write.write_all(&text).await?;
    Ok(())
}

/// No daemon answers on a socket.
#[derive(Debug, thiserror::Error)]
#[error("no daemon answers on {}: {why} (is `evenkeel run` running? another --socket?)", .path.display())]
pub struct NoDaemon {
    path: PathBuf,
    why: String,
}

/// Asks the daemon behind a socket.
///
/// # Errors
/// [`NoDaemon`] when none answers.
pub async fn ask(path: &Path, request: &Request) -> anyhow::Result<Answer> {
    let unanswered = |why: &dyn std::fmt::Display| NoDaemon {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let mut stream = UnixStream::connect(path)
        .await
        .map_err(|error| unanswered(&error))?;
    let exchange = async {
        let mut text = serde_json::to_vec(request)?;
        text.push(b'\n');
        stream.write_all(&text).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| unanswered(&"no answer in 10 s"))?
        .map_err(|error| unanswered(&error))?;
    serde_json::from_slice(&answer).context("the daemon's answer is not understood")
}
