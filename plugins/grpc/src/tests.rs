use std::time::Duration;

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::{Script, check, checker_manifest};

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const OK: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc")];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let start = [0, length[0], length[1], kind, flags, 0, 0, 0, stream];
    [&start[..], payload].concat()
}

/// Fields that are in no table, and shorter than 127 bytes.
fn headers(flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    frame(HEADERS, flags | END_HEADERS, 1, &block)
}

/// A server that hears the preface, and then says this.
fn server(says: &[Vec<u8>]) -> Script {
    Script::new()
        .hears("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .says(frame(SETTINGS, 0, 0, &[]))
        .says(says.concat())
}

/// One that answers with this status and ends the call so.
fn serving(status: u8, end: &[(&str, &str)]) -> Script {
    server(&[
        headers(0, OK),
        frame(DATA, 0, 1, &[0, 0, 0, 0, 2, 8, status]),
        headers(END_STREAM, end),
    ])
}

fn judged(settings: &[(&str, SettingValue)], server: &Script) -> Result<Verdict, String> {
    check::<Grpc>(settings, server.start(), Duration::from_secs(5))
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

const ENDED: &[(&str, &str)] = &[("grpc-status", "0")];

#[test]
fn a_server_that_serves_is_healthy_and_others_are_not() {
    for (status, reason) in [
        (0, "the server is UNKNOWN"),
        (2, "the server is NOT_SERVING"),
        (3, "the server is SERVICE_UNKNOWN"),
        (9, "the server is 9, which is no status"),
    ] {
        assert_eq!(judged(&[], &serving(status, ENDED)), unhealthy(reason));
    }
    assert_eq!(judged(&[], &serving(1, ENDED)), Ok(Verdict::Healthy));
    let settings = [("service", "shop.v1.Orders".into())];
    let reason = "shop.v1.Orders is NOT_SERVING";
    assert_eq!(judged(&settings, &serving(2, ENDED)), unhealthy(reason));
}

#[test]
fn the_call_is_one_of_the_protocol() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::Read as _;
        let (mut client, _) = listener.accept().unwrap();
        let mut heard = vec![0; 4096];
        let length = client.read(&mut heard).unwrap();
        heard.truncate(length);
        sender.send(heard).unwrap();
    });
    let settings = [
        ("service", "ab".into()),
        ("host", "grpc.example.org".into()),
        ("authorization", "Bearer zq7xv9wk".into()),
    ];
    let _ = check::<Grpc>(&settings, address, Duration::from_secs(5)).unwrap();
    let heard = receiver.recv().unwrap();
    let text = String::from_utf8_lossy(&heard);
    for part in [
        "\u{7}:method\u{4}POST",
        "\u{7}:scheme\u{4}http",
        "\u{a}:authority\u{10}grpc.example.org",
        "\u{5}:path\u{1c}/grpc.health.v1.Health/Check",
        "\u{2}te\u{8}trailers",
        "\u{c}content-type\u{10}application/grpc",
        "\u{c}grpc-timeout\u{5}",
        "\u{d}authorization\u{f}Bearer zq7xv9wk",
    ] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
}

#[test]
fn a_call_that_fails_is_told_in_words() {
    let failed = headers(
        END_STREAM,
        &[
            OK,
            &[("grpc-status", "12"), ("grpc-message", "no%20such method")],
        ]
        .concat(),
    );
    assert_eq!(
        judged(&[], &server(&[failed])),
        unhealthy(
            "grpc-status UNIMPLEMENTED (the server has no health checks): \"no such method\""
        )
    );
    let end = [("grpc-status", "14")];
    let reason = "grpc-status UNAVAILABLE";
    assert_eq!(judged(&[], &serving(1, &end)), unhealthy(reason));
    let reason = "malformed answer: no grpc-status";
    assert_eq!(judged(&[], &serving(1, &[("a", "b")])), unhealthy(reason));
}

#[test]
fn what_is_not_grpc_is_said() {
    for (says, reason) in [
        (
            headers(END_STREAM, &[(":status", "502")]),
            "HTTP status 502, wanted 200",
        ),
        (
            headers(
                END_STREAM,
                &[(":status", "200"), ("content-type", "text/html")],
            ),
            "the answer is not of gRPC, but of the type \"text/html\"",
        ),
        (
            headers(END_STREAM, &[OK, ENDED].concat()),
            "malformed answer: no message",
        ),
        (Vec::new(), "closed before the end of the answer"),
    ] {
        assert_eq!(judged(&[], &server(&[says])), unhealthy(reason));
    }
    let http1 = Script::new()
        .hears("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .says("HTTP/1.1 400 Bad Request\r\n\r\n");
    let reason = "the server speaks HTTP/1, not HTTP/2";
    assert_eq!(judged(&[], &http1), unhealthy(reason));
}

#[test]
fn an_answer_that_never_ends_is_refused() {
    let mut says = vec![headers(0, OK)];
    says.extend((0..5).map(|_| frame(DATA, 0, 1, &[0; 16_384])));
    let reason = "an answer of more than 64 KiB";
    assert_eq!(judged(&[], &server(&says)), unhealthy(reason));
}

#[test]
fn over_tls_http_2_is_negotiated_by_the_name_of_the_host() {
    let server = Script::new();
    let settings = [("tls", true.into()), ("host", "grpc.test:443".into())];
    let Ok(Verdict::Unhealthy(reason)) = judged(&settings, &server) else {
        panic!("there is no TLS in native tests");
    };
    assert!(reason.contains("Some(\"grpc.test\")"), "{reason}");
    assert!(reason.contains("alpn: [\"h2\"]"), "{reason}");
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    for (settings, reason) in [
        (
            &[("service", "x".repeat(1025).into())][..],
            "service has more",
        ),
        (&[("host", "a b".into())], "host cannot be \"a b\""),
        (
            &[("authorization", "a\nb".into())],
            "authorization is not one line",
        ),
        (&[("tls-key", "x".into())], "tls-key needs tls-certificate"),
        (&[("tls-authorities", "x".into())], "needs tls = true"),
    ] {
        let error = judged(settings, &Script::new()).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn every_setting_is_described() {
    let manifest = checker_manifest::<Grpc>();
    assert_eq!(manifest.name, "grpc");
    let mut settings = manifest.settings.iter();
    assert!(settings.all(|spec| !spec.doc.is_empty() && !spec.required));
}
