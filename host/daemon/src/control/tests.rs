//! Over a real Unix socket, with a main loop that answers at once.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::vrrp::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::check_now::CheckedNow;
use crate::status::{Status, fixture};
use crate::why::{Question, Why};

struct Served {
    path: PathBuf,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Served {
    fn start(limits: Limits, requests: mpsc::Sender<Request>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/evenkeel.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        Self {
            path,
            task: tokio::spawn(serve(socket, requests, limits)),
            _dir: dir,
        }
    }

    /// With a main loop that knows one instance, `VI_1`.
    fn answered() -> Self {
        let (to_requests, mut requests) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                answer(request);
            }
        });
        Self::start(Limits::default(), to_requests)
    }

    /// Sends bytes as they are, and reads to the end.
    async fn raw(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(&self.path).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer: of a body that is too long, the rest is not read.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    /// The status and the message of a request that fails.
    async fn refusal(&self, request: &str) -> (u16, String) {
        let answer = self.raw(request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/json"), "{head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        (status, body["message"].as_str().unwrap().to_owned())
    }
}

fn answer(request: Request) {
    match request {
        Request::Status { reply } => reply.send(Box::new(fixture::status())).unwrap(),
        Request::Why { question, reply } => {
            let outcome = match question.service.as_deref() {
                None | Some("web") => Ok(Box::new(Why {
                    client: question.client.to_string(),
                    dataplane: "nftables".into(),
                    services: Vec::new(),
                    more: false,
                    problem: None,
                })),
                Some(other) => Err(format!("no service {other:?}")),
            };
            reply.send(outcome).unwrap();
        }
        Request::Check {
            service,
            server,
            reply,
        } => {
            let outcome = match server.as_str() {
                "a" => Ok(Box::new(CheckedNow {
                    service,
                    server,
                    address: "172.16.50.157:80".into(),
                    healthy: true,
                    required: 0,
                    checks: Vec::new(),
                })),
                other => Err(format!("no server {other:?}")),
            };
            reply.send(outcome).unwrap();
        }
        Request::Vrrp {
            command,
            instance,
            reply,
        } => {
            let outcome = match instance.as_deref() {
                None | Some("VI_1") => Ok(()),
                Some(other) => Err(format!("no VRRP instance {other:?}, {command:?}")),
            };
            reply.send(outcome).unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_of_ours_gets_the_status_and_gives_orders() {
    let served = Served::answered();
    assert_eq!(*status(&served.path).await.unwrap(), fixture::status());
    let give = async |command, instance: Option<&str>| {
        order(&served.path, command, instance.map(str::to_owned)).await
    };
    give(Command::Resign, None).await.unwrap();
    give(Command::Resume, Some("VI_1")).await.unwrap();
    let error = give(Command::Resign, Some("VI_2")).await.unwrap_err();
    assert!(matches!(error, AskError::Refused { .. }), "{error:?}");
    assert_eq!(error.to_string(), r#"no VRRP instance "VI_2", Resign"#);
}

#[tokio::test]
async fn it_is_asked_about_a_client_and_a_question_that_is_none_is_refused() {
    let served = Served::answered();
    for client in [
        "192.0.2.9",
        "192.0.2.9:4000",
        "2001:db8::9",
        "[2001:db8::9]:4000",
    ] {
        let question = Question::new(client, Some("web".into())).unwrap();
        let answer = why(&served.path, &question).await.unwrap();
        assert_eq!(answer.client, client);
    }
    let unknown = Question::new("192.0.2.9", Some("mail".into())).unwrap();
    let error = why(&served.path, &unknown).await.unwrap_err();
    assert_eq!(error.to_string(), "no service \"mail\"");
    let get = |query| format!("GET /v1/why{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (query, words) in [
        ("", "client"),
        ("?client=nobody", "nobody"),
        ("?client=192.0.2.9&servise=web", "servise"),
        ("?client=%5B2001:db8::9%5D:0", "port"),
    ] {
        let (status, message) = served.refusal(&get(query)).await;
        assert_eq!(status, 400, "{query}");
        assert!(message.contains(words), "{message}");
    }
    let encoded = served.raw(&get("?client=%5B2001:db8::9%5D:7")).await;
    assert!(encoded.contains("[2001:db8::9]:7"), "{encoded}");
}

#[tokio::test]
async fn the_checks_of_a_server_are_run_when_asked_and_one_that_is_unknown_is_refused() {
    let served = Served::answered();
    let ask = async |server: &str| check(&served.path, "web".into(), server.into()).await;
    let answer = ask("a").await.unwrap();
    assert_eq!((answer.server.as_str(), answer.healthy), ("a", true));
    let error = ask("b").await.unwrap_err();
    assert!(matches!(error, AskError::Refused { .. }), "{error:?}");
    let body = r#"{"servis":"web"}"#;
    let length = body.len();
    let request = format!(
        "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let (status, message) = served.refusal(&request).await;
    assert!(status == 400 && message.contains("servis"), "{message}");
}

#[tokio::test]
async fn any_http_client_gets_json() {
    let served = Served::answered();
    let answer = served
        .raw("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let body: Status = serde_json::from_str(body).unwrap();
    assert_eq!(body, fixture::status());
    // As `curl -d` sends it.
    let answer = served
        .raw(
            "POST /v1/vrrp/resign HTTP/1.1\r\nHost: localhost\r\nContent-Length: 19\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{\"instance\":\"VI_1\"}",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    let answer = served
        .raw("POST /v1/vrrp/resume HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
}

#[tokio::test]
async fn what_fails_has_its_status_and_a_message_in_json() {
    let served = Served::answered();
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (status, message) = served.refusal(&get("/v2/status")).await;
    assert_eq!(
        (status, message.as_str()),
        (404, "there is nothing at /v2/status")
    );
    let (status, message) = served.refusal(&get("/v1/vrrp/resign")).await;
    assert_eq!(status, 405);
    assert_eq!(message, "/v1/vrrp/resign cannot be used with GET");
    let (status, message) = served.refusal(&post("/v1/vrrp/resign", "{")).await;
    assert_eq!(status, 400);
    assert!(message.starts_with("request not understood: "), "{message}");
    let (status, _) = served
        .refusal(&post("/v1/vrrp/resign", r#"{"instanc":"VI_1"}"#))
        .await;
    assert_eq!(status, 400);
    let (status, message) = served
        .refusal(&post("/v1/vrrp/resume", r#"{"instance":"VI_2"}"#))
        .await;
    assert_eq!(status, 409);
    assert_eq!(message, r#"no VRRP instance "VI_2", Resume"#);
    let long = "x".repeat(api::MAX_REQUEST + 1);
    let (status, _) = served.refusal(&post("/v1/vrrp/resign", &long)).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn only_the_owner_may_use_the_socket_and_it_goes_with_the_daemon() {
    let served = Served::answered();
    let mode = std::fs::metadata(&served.path)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = std::fs::read_dir(served.path.parent().unwrap()).unwrap();
    assert_eq!(files.count(), 1, "its draft is gone");
    // The next daemon takes the place of one that is gone without removing it.
    let next = ControlSocket::bind(&served.path).unwrap();
    assert!(served.path.exists());
    drop(next);
    assert!(!served.path.exists());
}

#[tokio::test]
async fn without_a_daemon_there_is_no_daemon() {
    let error = status(Path::new("/nonexistent/evenkeel.sock"))
        .await
        .unwrap_err();
    assert!(matches!(error, AskError::NoDaemon { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("no daemon answers on /nonexistent/evenkeel.sock: "));
    assert!(text.ends_with("(is `evenkeel run` running? another --socket?)"));
}

#[tokio::test]
async fn a_daemon_that_is_ending_is_none() {
    let (to_requests, requests) = mpsc::channel(1);
    let served = Served::start(Limits::default(), to_requests);
    drop(requests);
    let error = status(&served.path).await.unwrap_err();
    assert!(matches!(error, AskError::NoDaemon { .. }), "{error:?}");
    assert!(
        error.to_string().contains("the daemon is ending"),
        "{error}"
    );
    served.task.abort();
}

#[tokio::test]
async fn a_silent_client_is_left_when_its_time_is_over() {
    let (to_requests, _requests) = mpsc::channel(1);
    let limits = Limits {
        timeout: Duration::from_millis(20),
        ..Limits::default()
    };
    let served = Served::start(limits, to_requests);
    // A request that does not end, and one that is never begun.
    served.raw("GET /v1/status HTTP/1.1\r\n").await;
    served.raw("").await;
}

#[tokio::test]
async fn so_many_clients_are_served_at_once_and_the_next_one_waits() {
    let (to_requests, mut requests) = mpsc::channel(1);
    let limits = Limits {
        clients: 1,
        timeout: Duration::from_secs(60),
    };
    let served = Served::start(limits, to_requests);
    let silent = UnixStream::connect(&served.path).await.unwrap();
    let path = served.path.clone();
    let next = tokio::spawn(async move { status(&path).await });
    let early = tokio::time::timeout(Duration::from_millis(50), requests.recv()).await;
    assert!(early.is_err(), "served beside the first");
    drop(silent);
    answer(requests.recv().await.unwrap());
    next.await.unwrap().unwrap();
}
