//! HTTP/2, with servers that are written down byte by byte.

use evenkeel_sdk::testing::Script;

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let start = [0, length[0], length[1], kind, flags, 0, 0, 0, stream];
    [&start[..], payload].concat()
}

/// Fields that are in no table, and shorter than 127 bytes.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// What the checker says first.
fn preface() -> Vec<u8> {
    let settings = [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 6, 0, 1, 0, 0];
    let preface = &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..];
    [preface, &frame(SETTINGS, 0, 0, &settings)].concat()
}

fn request(stream: u8, path: &str) -> Vec<u8> {
    let block = block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "www.example.org"),
        (":path", path),
        ("user-agent", "x"),
        ("accept", "*/*"),
    ]);
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

fn answer(stream: u8, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &block(fields));
    let body = frame(DATA, END_STREAM, stream, body.as_bytes());
    [head, body].concat()
}

fn judged(more: &[(&str, SettingValue)], server: &Script) -> Verdict {
    let mut settings: Vec<(&str, SettingValue)> = vec![
        ("version", "2".into()),
        ("host", "www.example.org".into()),
        ("user-agent", "x".into()),
    ];
    settings.extend_from_slice(more);
    check::<Http>(&settings, server.start(), TIMEOUT).unwrap()
}

#[test]
fn several_urls_and_redirections_are_asked_on_one_connection() {
    let moved = block(&[(":status", "302"), ("location", "http://www.example.org/b")]);
    let server = Script::new()
        .hears([preface(), request(1, "/a")].concat())
        .says(frame(SETTINGS, 0, 0, &[]))
        .says(frame(HEADERS, END_STREAM | END_HEADERS, 1, &moved))
        // It confirms the server's settings first.
        .hears(frame(SETTINGS, 1, 0, &[]))
        .hears(request(3, "/b"))
        .says(answer(3, &[(":status", "200")], "hello world"))
        .hears(request(5, "/c"))
        .says(answer(5, &[(":status", "404")], ""));
    let urls = [
        vec![("path", "/a".into()), ("contains", "lo wo".into())],
        vec![("path", "/c".into())],
    ];
    let settings = [("urls", urls.into()), ("redirects", "follow".into())];
    let reason = "/c: status 404, wanted 200-399";
    assert_eq!(judged(&settings, &server), unhealthy(reason));
}

#[test]
fn what_a_server_of_http_1_says_is_no_answer() {
    let server = Script::new()
        .hears(preface())
        .says("HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(
        judged(&[], &server),
        unhealthy("the server speaks HTTP/1, not HTTP/2")
    );
}

#[test]
fn a_server_that_ends_the_connection_says_why() {
    let server = Script::new()
        .hears([preface(), request(1, "/")].concat())
        .says(frame(SETTINGS, 0, 0, &[]))
        .says(frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0x0b]));
    assert_eq!(
        judged(&[], &server),
        unhealthy("the server ends the connection: ENHANCE_YOUR_CALM")
    );
}

#[test]
fn the_digest_of_a_body_counts_as_with_http_1() {
    let server = Script::new()
        .hears([preface(), request(1, "/")].concat())
        .says(frame(SETTINGS, 0, 0, &[]))
        .says(answer(1, &[(":status", "200")], "hello"));
    let md5 = [("md5", "5d41402abc4b2a76b9719d911017c592".into())];
    assert_eq!(judged(&md5, &server), Verdict::Healthy);
}

#[test]
fn over_tls_it_is_negotiated() {
    let settings = [("version", "2".into()), ("tls", true.into())];
    let found = check::<Http>(&settings, "127.0.0.1:1".parse().unwrap(), TIMEOUT);
    let Ok(Verdict::Unhealthy(reason)) = found else {
        panic!("there is no TLS in native tests: {found:?}");
    };
    assert!(reason.contains("alpn: [\"h2\"]"), "{reason}");
}
