//! Asks a daemon over its control socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Method, StatusCode, header};
use evenkeel_core::vrrp::Command;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::api::{self, CheckBody, ErrorBody, OrderBody};
use crate::check_now::CheckedNow;
use crate::status::Status;
use crate::why::{Question, Why};

/// How long the daemon may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer from a daemon, or not the one that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No daemon answers on the socket.
    #[error("no daemon answers on {}: {reason} (is `evenkeel run` running? another --socket?)", .socket.display())]
    NoDaemon {
        /// The socket.
        socket: PathBuf,
        /// What happened instead.
        reason: String,
    },
    /// The daemon says that it cannot do it.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
    },
    /// It answers with something else: it is another version's, or no Evenkeel.
    #[error("the daemon's answer is not understood: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
}

/// How everything is, from the daemon behind `socket`.
///
/// # Errors
/// [`AskError`].
pub async fn status(socket: &Path) -> Result<Box<Status>, AskError> {
    let answer = exchange(socket, Method::GET, api::STATUS, Body::empty()).await?;
    serde_json::from_slice(&answer).map_err(misunderstood)
}

/// Where connections of a client go, and why, from the daemon behind `socket`.
///
/// # Errors
/// [`AskError`]; [`AskError::Refused`] when there is no such service.
pub async fn why(socket: &Path, question: &Question) -> Result<Box<Why>, AskError> {
    let path = format!("{}?{}", api::WHY, question.query());
    let answer = exchange(socket, Method::GET, &path, Body::empty()).await?;
    serde_json::from_slice(&answer).map_err(misunderstood)
}

/// Has the daemon behind `socket` run the checks of a server, once, now. `server`: its name, or its address and port.
///
/// # Errors
/// [`AskError`]; [`AskError::Refused`] when there is no such server.
pub async fn check(
    socket: &Path,
    service: String,
    server: String,
) -> Result<Box<CheckedNow>, AskError> {
    let body = serde_json::to_vec(&CheckBody { service, server }).map_err(misunderstood)?;
    let answer = exchange(socket, Method::POST, api::CHECK, body.into()).await?;
    serde_json::from_slice(&answer).map_err(misunderstood)
}

/// Gives the daemon behind `socket` an order of VRRP, for an instance or sync group, or for all of them.
///
/// # Errors
/// [`AskError`]; [`AskError::Refused`] when there is no such instance.
pub async fn order(
    socket: &Path,
    command: Command,
    instance: Option<String>,
) -> Result<(), AskError> {
    let body = serde_json::to_vec(&OrderBody { instance }).map_err(misunderstood)?;
    exchange(socket, Method::POST, api::path(command), body.into()).await?;
    Ok(())
}

/// One request and the body of its answer.
async fn exchange(
    socket: &Path,
    method: Method,
    path: &str,
    body: Body,
) -> Result<Bytes, AskError> {
    let no_daemon = |reason: String| AskError::NoDaemon {
        socket: socket.to_owned(),
        reason,
    };
    let (status, answer) = tokio::time::timeout(TIMEOUT, send(socket, method, path, body))
        .await
        .map_err(|_| no_daemon("no answer in 10 s".to_owned()))?
        .map_err(|error| no_daemon(error.to_string()))?;
    if status.is_success() {
        return Ok(answer);
    }
    let ErrorBody { message } = serde_json::from_slice(&answer).map_err(misunderstood)?;
    Err(match status {
        StatusCode::SERVICE_UNAVAILABLE => no_daemon(message),
        _ => AskError::Refused { message },
    })
}

async fn send(
    socket: &Path,
    method: Method,
    path: &str,
    body: Body,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange: the daemon closes the connection after its answer.
    tokio::spawn(connection);
    let request = axum::http::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "evenkeel")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    // The daemon of this machine's administrator is trusted with the length of its answer.
    let answer = to_bytes(Body::new(body), usize::MAX).await?;
    Ok((parts.status, answer))
}

fn misunderstood(error: serde_json::Error) -> AskError {
    AskError::Answer {
        reason: error.to_string(),
    }
}
