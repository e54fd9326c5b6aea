use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use evenkeel_sdk::testing::{check, checker_manifest};
use evenkeel_sdk::{SettingValue, Verdict};

use super::*;

mod bodies;
mod heads;
mod several;
mod two;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A server on loopback for one connection: takes the request, and lets `answer` do the rest.
fn serve(answer: impl FnOnce(&mut TcpStream, String) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            request.push(byte[0]);
        }
        answer(&mut stream, String::from_utf8(request).unwrap());
    });
    address
}

/// The verdict on a server that answers with these bytes and closes.
fn verdict(settings: &[(&str, SettingValue)], answer: impl Into<Vec<u8>>) -> Verdict {
    let answer = answer.into();
    // The checker may have gone before all was sent.
    let address = serve(move |stream, _| drop(stream.write_all(&answer)));
    check::<Http>(settings, address, TIMEOUT).unwrap()
}

/// The same, and the bytes come one by one.
fn dribbled(settings: &[(&str, SettingValue)], answer: &'static str) -> Verdict {
    let address = serve(move |stream, _| {
        for byte in answer.bytes() {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_micros(200));
        }
    });
    check::<Http>(settings, address, TIMEOUT).unwrap()
}

fn unhealthy(reason: &str) -> Verdict {
    Verdict::Unhealthy(reason.into())
}

/// The request that a checker with these settings sends.
fn request(settings: &[(&str, SettingValue)]) -> (SocketAddr, String) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = serve(move |_, request| sender.send(request).unwrap());
    check::<Http>(settings, address, TIMEOUT).unwrap();
    (address, receiver.recv().unwrap())
}

#[test]
fn the_request_is_a_get_of_the_root_by_default() {
    let (address, request) = request(&[]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        request,
        format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: evenkeel/{version}\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        )
    );
}

#[test]
fn method_path_host_and_user_agent_are_the_configured_ones() {
    let (_, request) = request(&[
        ("method", "HEAD".into()),
        ("path", "/status?full=1".into()),
        ("host", "www.example.org".into()),
        ("user-agent", "probe 1".into()),
    ]);
    assert!(
        request.starts_with("HEAD /status?full=1 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\nHost: www.example.org\r\nUser-Agent: probe 1\r\n"),
        "{request}"
    );
}

#[test]
fn a_server_that_never_answers_is_unhealthy_at_the_deadline() {
    let address = serve(|stream, _| drop(stream.read(&mut [0])));
    let verdict = check::<Http>(&[], address, Duration::from_millis(300)).unwrap();
    assert_eq!(verdict, unhealthy("timed out while waiting for data"));
}

#[test]
fn a_server_that_dribbles_for_longer_than_the_check_is_unhealthy_at_the_deadline() {
    let address = serve(|stream, _| {
        while stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n"[..1].as_ref())
            .is_ok()
        {
            thread::sleep(Duration::from_millis(20));
            if stream.write_all(b"TTP/1.1 200 OK\r\nX: ").is_err() {
                return;
            }
            while stream.write_all(b"y").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let verdict = check::<Http>(&[], address, Duration::from_millis(400)).unwrap();
    assert_eq!(verdict, unhealthy("timed out while waiting for data"));
}

#[test]
fn an_answer_that_has_arrived_counts_although_the_request_could_not_be_sent() {
    let broken = || Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    let answer = |text: &'static str| {
        one::head_after(broken(), &mut wire::Wire::new(text.as_bytes()), Method::Get)
    };
    for (text, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        ("HTTP/1.1 503 Busy\r\n\r\n", 503),
    ] {
        assert_eq!(answer(text).unwrap().status, status);
    }
    // Without one, the request is what went wrong.
    for nothing in ["", "HTTP/1.1 200"] {
        let error = answer(nothing).unwrap_err();
        assert_eq!(error.to_string(), "broken pipe");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    let address = "127.0.0.1:1".parse().unwrap();
    for (settings, reason) in [
        (&[("status", "2xx".into())][..], "status cannot be \"2xx\""),
        (&[("path", "status".into())], "path cannot be \"status\""),
        (&[("host", "a b".into())], "host cannot be \"a b\""),
        (&[("user-agent", "a\nb".into())], "user-agent cannot be"),
        (
            &[("method", "HEAD".into()), ("contains", "x".into())],
            "contains, regex, regex-absent, md5 and sha256 need method",
        ),
        (&[("method", "PUT".into())], "setting method cannot be"),
        (&[("body", "x".into())], "body needs method"),
        (&[("headers", ["Host: x"].into())], "headers cannot have"),
        (&[("warn-days", 14.into())], "needs tls = true"),
        (&[("sha256", "00".into())], "sha256: wanted 64 hexadecimal"),
        (
            &[
                ("path", "/x".into()),
                ("urls", [vec![("path", "/a".into())]].into()),
            ],
            "with urls, path, contains",
        ),
        (
            &[("urls", [vec![("path", "a".into())]].into())],
            "urls, table 1: path cannot be \"a\"",
        ),
    ] {
        let error = check::<Http>(settings, address, TIMEOUT).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn tls_takes_its_name_from_sni_or_else_from_the_host() {
    let options = |settings: &[(&str, SettingValue)]| {
        // Natively there is no TLS: the error says what was asked for.
        let mut all = vec![("tls", true.into())];
        all.extend_from_slice(settings);
        match check::<Http>(&all, "127.0.0.1:1".parse().unwrap(), TIMEOUT) {
            Ok(Verdict::Unhealthy(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    let default = options(&[]);
    assert!(
        default.contains("server_name: None, verify: true"),
        "{default}"
    );
    let host = options(&[
        ("host", "www.example.org:8443".into()),
        ("tls-verify", false.into()),
    ]);
    assert!(
        host.contains("Some(\"www.example.org\"), verify: false"),
        "{host}"
    );
    let sni = options(&[
        ("host", "www.example.org".into()),
        ("sni", "backend.example".into()),
    ]);
    assert!(
        sni.contains("Some(\"backend.example\"), verify: true"),
        "{sni}"
    );
}

#[test]
fn every_setting_is_described() {
    let manifest = checker_manifest::<Http>();
    assert_eq!(manifest.name, "http");
    assert!(
        manifest
            .settings
            .iter()
            .all(|spec| !spec.doc.is_empty() && !spec.required)
    );
}
