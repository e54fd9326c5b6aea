//! Paths and answers of the control socket, whatever they are carried by.

use std::future::{Ready, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use evenkeel_core::vrrp::Command;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::request::Request;
use crate::check_now::CheckedNow;
use crate::status::Status;
use crate::why::{Question, Why};

/// The longest body of a request, in bytes.
pub(super) const MAX_REQUEST: usize = 64 * 1024;
/// How long the main loop may take: less than the client has, so that it reads why there is no answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// Where the status is.
pub(super) const STATUS: &str = "/v1/status";
/// Where it is asked where connections of a client go.
pub(super) const WHY: &str = "/v1/why";

/// Where the checks of a server are run.
pub(super) const CHECK: &str = "/v1/check";

/// Where an order of VRRP is given.
pub(super) fn path(command: Command) -> &'static str {
    match command {
        Command::Resign => "/v1/vrrp/resign",
        Command::Resume => "/v1/vrrp/resume",
    }
}

/// The body of an order; an empty one is for all instances.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderBody {
    /// Instance or sync group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
}

/// Whose checks are to be run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckBody {
    /// The service's name.
    pub(super) service: String,
    /// The server's name, or its address and port.
    pub(super) server: String,
}

/// The body of everything that fails.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorBody {
    /// What is wrong, for a person.
    pub(super) message: String,
}

/// A request that is refused.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, message }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let message = self.message;
        (self.status, Json(ErrorBody { message })).into_response()
    }
}

type Requests = mpsc::Sender<Request>;

/// Answers requests by what the main loop says at the other end of `requests`.
pub(super) fn router(requests: Requests) -> Router {
    let order = |command| {
        post(
            move |State(requests): State<Requests>, body: Result<Bytes, BytesRejection>| {
                give(requests, command, body)
            },
        )
    };
    Router::new()
        .route(STATUS, get(status))
        .route(WHY, get(why))
        .route(CHECK, post(check))
        .route(path(Command::Resign), order(Command::Resign))
        .route(path(Command::Resume), order(Command::Resume))
        .fallback(unknown_path)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .with_state(requests)
}

async fn status(State(requests): State<Requests>) -> Result<Json<Box<Status>>, Refusal> {
    let status = ask(&requests, |reply| Request::Status { reply }).await?;
    Ok(Json(status))
}

async fn why(State(requests): State<Requests>, uri: Uri) -> Result<Json<Box<Why>>, Refusal> {
    let question = Question::of_query(uri.query().unwrap_or_default())
        .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    ask(&requests, |reply| Request::Why { question, reply })
        .await?
        .map(Json)
        .map_err(|message| Refusal::new(StatusCode::NOT_FOUND, message))
}

async fn check(
    State(requests): State<Requests>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Box<CheckedNow>>, Refusal> {
    let CheckBody { service, server } = understood(&bytes(body)?)?;
    let outcome = ask(&requests, |reply| Request::Check {
        service,
        server,
        reply,
    });
    outcome
        .await?
        .map(Json)
        .map_err(|message| Refusal::new(StatusCode::NOT_FOUND, message))
}

async fn give(
    requests: Requests,
    command: Command,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Refusal> {
    let instance = instance(&bytes(body)?)?;
    let outcome = ask(&requests, |reply| Request::Vrrp {
        command,
        instance,
        reply,
    });
    match outcome.await? {
        Ok(()) => Ok(StatusCode::ACCEPTED),
        Err(message) => Err(Refusal::new(StatusCode::CONFLICT, message)),
    }
}

fn bytes(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Refusal> {
    body.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))
}

/// What a body says. Its media type is not looked at, so that `curl -d` does.
fn understood<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("request not understood: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, message)
    })
}

/// The instance that a body names.
fn instance(body: &[u8]) -> Result<Option<String>, Refusal> {
    if body.is_empty() {
        return Ok(None);
    }
    let OrderBody { instance } = understood(body)?;
    Ok(instance)
}

fn unknown_path(uri: Uri) -> Ready<Refusal> {
    let message = format!("there is nothing at {}", uri.path());
    ready(Refusal::new(StatusCode::NOT_FOUND, message))
}

fn other_method(method: Method, uri: Uri) -> Ready<Refusal> {
    let message = format!("{} cannot be used with {method}", uri.path());
    ready(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message))
}

/// Sends a request to the main loop and waits for its answer.
async fn ask<T>(
    requests: &Requests,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Result<T, Refusal> {
    let unavailable = |message| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message);
    let (reply, answer) = oneshot::channel();
    let exchange = async {
        requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    };
    tokio::time::timeout(ANSWER_TIMEOUT, exchange)
        .await
        .map_err(|_| unavailable("the daemon is too busy to answer"))?
        .ok_or_else(|| unavailable("the daemon is ending"))
}
