//! The clients of the control socket: how many are served, and for how long.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, warn};

use super::api::{self, MAX_REQUEST};
use super::request::Request;
use super::socket::ControlSocket;

/// Wait after a failure to accept a client: out of descriptors, for one, of which others may be closed in a moment.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What clients may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many are served at once; others wait until one is done.
    pub clients: usize,
    /// How long each may take for its request and its answer.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 64,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Serves clients until the task that runs this is ended. What they want goes to `requests`.
pub async fn serve(socket: ControlSocket, requests: mpsc::Sender<Request>, limits: Limits) {
    let router = api::router(requests);
    let places = Arc::new(Semaphore::new(limits.clients));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            // Nobody closes it.
            return;
        };
        match socket.accept().await {
            Ok(stream) => {
                let client = client(stream, router.clone(), limits.timeout);
                tokio::spawn(async move {
                    client.await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept a client on the control socket");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// Serves one request. A client that stays silent, or does not read, is left.
async fn client(stream: UnixStream, router: Router, timeout: Duration) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(MAX_REQUEST)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(timeout, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a client of the control socket went away"),
        Err(_) => debug!("a client of the control socket took too long"),
    }
}
