//! Servers that are bytes, written down.

use std::io::{self, Read, Write};

use super::*;
use crate::frame::{Frame, HEADER, flag, header, kind};

/// What a server says, in pieces of so many bytes, and what it is told.
struct Played {
    says: Vec<u8>,
    at_once: usize,
    heard: Vec<u8>,
}

/// What the client has of it.
struct Stream<'a>(&'a mut Played);

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let says = &mut self.0.says;
        let length = says.len().min(buffer.len()).min(self.0.at_once);
        buffer[..length].copy_from_slice(&says[..length]);
        says.drain(..length);
        Ok(length)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.heard.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::new(kind, flags, stream, payload.to_vec()).write(&mut bytes);
    bytes
}

fn settings() -> Vec<u8> {
    frame(kind::SETTINGS, 0, 0, &[])
}

fn headers(flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let block = hpack::encode(fields);
    frame(kind::HEADERS, flags | flag::END_HEADERS, 1, &block)
}

fn data(flags: u8, text: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flags, 1, text)
}

fn ok() -> Vec<u8> {
    headers(0, &[(":status", "200")])
}

/// What comes of one request: status, body, trailers.
type Outcome = Result<(u16, String, Vec<Field>), String>;

fn played(says: &[Vec<u8>], at_once: usize) -> (Outcome, Vec<Frame>) {
    let mut server = Played {
        says: says.concat(),
        at_once,
        heard: Vec::new(),
    };
    let asked = (|| {
        let mut client = Http2::new(Stream(&mut server));
        client.request(&[(":method", "GET"), (":path", "/")], b"")?;
        let (status, _) = client.head()?;
        let mut body = Vec::new();
        while let Some(piece) = client.data()? {
            body.extend(piece);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok((status, body, client.trailers().to_vec()))
    })();
    let mut heard = &server.heard[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()..];
    let mut frames = Vec::new();
    while let Some((start, rest)) = heard.split_first_chunk::<HEADER>() {
        let (length, mut frame) = header(*start);
        frame.payload = rest[..length].to_vec();
        heard = &rest[length..];
        frames.push(frame);
    }
    (asked.map_err(|it: Error| it.to_string()), frames)
}

fn outcome(says: &[Vec<u8>]) -> Outcome {
    played(says, usize::MAX).0
}

fn answered(status: u16, body: &str) -> Outcome {
    Ok((status, body.to_owned(), Vec::new()))
}

#[test]
fn a_request_begins_with_the_preface_and_settings_and_ends_its_stream() {
    let (_, heard) = played(&[], 1);
    let [first, request] = &heard[..] else {
        panic!("{heard:?}");
    };
    let wanted = [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 6, 0, 1, 0, 0];
    assert_eq!(
        (first.kind, &first.payload[..]),
        (kind::SETTINGS, &wanted[..])
    );
    assert_eq!((request.kind, request.stream), (kind::HEADERS, 1));
    assert_eq!(request.flags, flag::END_HEADERS | flag::END_STREAM);
    let fields = hpack::decode(&request.payload).unwrap();
    assert_eq!(value(&fields, ":path"), Some("/"));
}

#[test]
fn an_answer_is_read_however_it_arrives() {
    let padded = [&[3][..], b"lo", &[0; 3]].concat();
    let says = [
        settings(),
        frame(kind::SETTINGS, flag::ACK, 0, &[]),
        frame(0xee, 0xff, 0, b"unknown"),
        headers(0, &[(":status", "103"), ("link", "x")]),
        headers(0, &[(":status", "200"), ("content-length", "5")]),
        data(0, b"hel"),
        frame(kind::PING, 0, 0, b"12345678"),
        frame(kind::PRIORITY, 0, 1, &[0; 5]),
        data(flag::PADDED | flag::END_STREAM, &padded),
    ];
    for at_once in [1, 7, usize::MAX] {
        let (found, heard) = played(&says, at_once);
        assert_eq!(found, answered(200, "hello"));
        assert!(heard.contains(&Frame::new(kind::SETTINGS, flag::ACK, 0, Vec::new())));
        assert!(heard.contains(&Frame::new(kind::PING, flag::ACK, 0, b"12345678".to_vec())));
    }
}

#[test]
fn a_header_may_be_continued_and_fields_may_follow_the_body() {
    let block = hpack::encode(&[(":status", "200"), ("a", "b")]);
    let says = [
        settings(),
        frame(
            kind::HEADERS,
            flag::PRIORITY,
            1,
            &[&[0; 5], &block[..4]].concat(),
        ),
        frame(kind::CONTINUATION, 0, 1, &block[4..9]),
        frame(kind::CONTINUATION, flag::END_HEADERS, 1, &block[9..]),
        data(0, b"x"),
        headers(flag::END_STREAM, &[("grpc-status", "0")]),
    ];
    let (status, body, trailers) = outcome(&says).unwrap();
    assert_eq!((status, body.as_str()), (200, "x"));
    assert_eq!(value(&trailers, "grpc-status"), Some("0"));
}

#[test]
fn a_long_body_is_asked_for_as_it_is_used() {
    let mut says = vec![settings(), ok()];
    says.extend((0..12).map(|_| data(0, &[b'x'; 16_384])));
    // More than the server may send until it hears of more: here it always has.
    says.push(data(flag::END_STREAM, b""));
    let (found, heard) = played(&says, 16_384);
    assert_eq!(found.map(|it| it.1.len()), Ok(12 * 16_384));
    let mut of_stream = 0;
    let mut of_all = 0;
    for update in heard.iter().filter(|it| it.kind == kind::WINDOW_UPDATE) {
        let bytes = u32::from_be_bytes(*update.payload.first_chunk().unwrap());
        match update.stream {
            0 => of_all += bytes,
            _ => of_stream += bytes,
        }
    }
    assert!(
        of_all >= 131_072 && of_stream >= 131_072,
        "{of_all} {of_stream}"
    );
}

#[test]
fn a_second_request_cancels_what_is_left_of_the_first() {
    let second = hpack::encode(&[(":status", "204")]);
    let mut server = Played {
        says: [
            settings(),
            ok(),
            data(0, b"tick"),
            data(0, b"tick"),
            frame(
                kind::HEADERS,
                flag::END_HEADERS | flag::END_STREAM,
                3,
                &second,
            ),
        ]
        .concat(),
        at_once: usize::MAX,
        heard: Vec::new(),
    };
    let mut client = Http2::new(Stream(&mut server));
    client.request(&[(":method", "GET")], b"").unwrap();
    assert_eq!(client.head().unwrap().0, 200);
    client.request(&[(":method", "GET")], b"").unwrap();
    assert_eq!(client.head().unwrap().0, 204);
    assert!(client.data().unwrap().is_none());
    assert!(client.is_open());
    let cancel = frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    let heard = &server.heard;
    assert!(heard.windows(cancel.len()).any(|it| it == cancel));
}

#[test]
fn a_body_waits_for_the_server_to_take_it() {
    // It takes 4 bytes of a stream at first.
    let mut server = Played {
        says: [
            frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 4]),
            frame(kind::WINDOW_UPDATE, 0, 1, &[0, 1, 0, 0]),
            ok(),
        ]
        .concat(),
        at_once: usize::MAX,
        heard: Vec::new(),
    };
    let mut client = Http2::new(Stream(&mut server));
    let body = vec![b'x'; 20_000];
    client.request(&[(":method", "POST")], &body).unwrap();
    assert_eq!(client.head().unwrap().0, 200);
    let sent = server.heard.iter().filter(|it| **it == b'x').count();
    assert_eq!(sent, 20_000);
}

#[test]
fn what_is_not_http_2_is_said() {
    for (says, why) in [
        (&b""[..], "closed without an answer"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "the server speaks HTTP/1, not HTTP/2",
        ),
        (b"HTTP/1.1", "the server speaks HTTP/1, not HTTP/2"),
        (
            b"220 mail\r\n",
            "the answer is not HTTP/2; it begins with \"220 mail\\r\\n\"",
        ),
        (b"\0\0", "closed in the middle of a frame"),
        (
            b"\0\0\x04\x08\0\0\0\0\0",
            "the answer is not HTTP/2; it begins with \"\\x00\\x00\\x04\\x08\\x00\\x00\\x00\\x00\\x00\"",
        ),
        (
            b"\0\0\0\x04\0\0\0\0\0",
            "closed before the end of the answer",
        ),
    ] {
        for at_once in [1, usize::MAX] {
            let (found, _) = played(&[says.to_vec()], at_once);
            // Of single bytes fewer are there when it is known.
            let error = found.unwrap_err();
            let cut = why.split('"').next().unwrap();
            assert!(error.starts_with(cut), "{says:?}: {error}");
            if at_once > 1 {
                assert_eq!(error, why);
            }
        }
    }
}

#[test]
fn a_server_that_does_not_want_to_says_why() {
    for (says, why) in [
        (
            frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 7]),
            "the server resets the request: REFUSED_STREAM",
        ),
        (
            frame(kind::GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\x0bslow\x1b"),
            "the server ends the connection: ENHANCE_YOUR_CALM, \"slow\\x1b\"",
        ),
        (
            frame(kind::GOAWAY, 0, 0, &[0; 8]),
            "the server ends the connection: NO_ERROR",
        ),
        (
            frame(kind::RST_STREAM, 0, 1, &[0, 0, 1, 0]),
            "the server resets the request: error 0x100",
        ),
    ] {
        assert_eq!(outcome(&[settings(), says]), Err(why.to_owned()));
    }
    // One that has taken this request may say that it takes no other.
    let leaves = frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    let says = [settings(), leaves, ok(), data(flag::END_STREAM, b"x")];
    assert_eq!(outcome(&says), answered(200, "x"));
}

fn assert_refused(cases: Vec<(Vec<Vec<u8>>, &str)>) {
    for (says, why) in cases {
        let error = outcome(&[vec![settings()], says].concat()).unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn a_header_that_breaks_the_rules_is_refused() {
    let status = |value: &str| headers(0, &[(":status", value)]);
    assert_refused(vec![
        (vec![data(0, b"x")], "a body without a header"),
        (vec![status("20")], "no status"),
        (vec![status("+20")], "no status"),
        (vec![headers(0, &[("a", "b")])], "no status"),
        (
            vec![headers(0, &[(":status", "200"), (":status", "200")])],
            "no status",
        ),
        (
            vec![headers(0, &[(":status", "200"), ("A", "b")])],
            "the header \"A\"",
        ),
        (
            vec![headers(0, &[("a", "b"), (":status", "200")])],
            "the header \":status\"",
        ),
        (
            vec![headers(0, &[(":status", "200"), ("a", "b\r\nc")])],
            "the value of the header a",
        ),
    ]);
}

#[test]
fn a_frame_that_breaks_the_rules_is_refused() {
    let status = |value: &str| headers(0, &[(":status", value)]);
    assert_refused(vec![
        (
            vec![frame(kind::HEADERS, 4, 2, &[0x88])],
            "a frame of stream 2",
        ),
        (
            vec![frame(kind::HEADERS, 4, 3, &[0x88])],
            "a frame of stream 3",
        ),
        (
            vec![frame(kind::HEADERS, 4, 0, &[0x88])],
            "a frame of stream 0",
        ),
        (
            vec![frame(kind::HEADERS, 0, 1, &[0x88]), ok()],
            "a header that is not continued",
        ),
        (
            vec![frame(kind::CONTINUATION, 0, 1, &[0x88])],
            "a continuation of nothing",
        ),
        (vec![frame(kind::PUSH_PROMISE, 0, 1, &[0; 8])], "a push"),
        (
            vec![frame(kind::PING, 0, 0, &[0; 7])],
            "a ping of another length",
        ),
        (
            vec![frame(kind::SETTINGS, 0, 0, &[0; 7])],
            "settings that are cut off",
        ),
        (
            vec![frame(kind::SETTINGS, 1, 0, &[0; 6])],
            "settings where there are none",
        ),
        (
            vec![frame(kind::SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])],
            "a window of 2147483648",
        ),
        (
            vec![frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4])],
            "a window that cannot be",
        ),
        (
            vec![frame(kind::WINDOW_UPDATE, 0, 1, &[0x7f, 255, 255, 255])],
            "a window that cannot be",
        ),
        (
            vec![frame(kind::GOAWAY, 0, 0, &[0; 7])],
            "a goodbye that is cut off",
        ),
        (
            vec![ok(), frame(kind::DATA, 8, 1, &[4, 0])],
            "padding that is longer",
        ),
        (vec![ok(), ok()], "a header after the body that is no end"),
        (
            vec![headers(1, &[(":status", "100")])],
            "interim answers without",
        ),
        (vec![status("100"); 20], "interim answers without"),
        (
            vec![
                headers(0, &[(":status", "200"), ("content-length", "9")]),
                data(1, b"x"),
            ],
            "another length",
        ),
        (
            vec![
                headers(0, &[(":status", "200"), ("content-length", "0")]),
                data(0, b"x"),
            ],
            "another length",
        ),
    ]);
}

#[test]
fn a_server_that_sends_without_end_is_refused() {
    assert_refused(vec![
        (
            vec![frame(kind::PING, 0, 0, &[0; 8]); 2_000],
            "more than 1000 frames",
        ),
        (
            vec![[ok(), data(0, b"").repeat(2_000)].concat()],
            "more than 1000 frames",
        ),
        (
            vec![
                [
                    frame(kind::HEADERS, 0, 1, &[]),
                    frame(kind::CONTINUATION, 0, 1, &[]).repeat(99),
                ]
                .concat(),
            ],
            "64 frames",
        ),
        (
            vec![
                [
                    frame(kind::HEADERS, 0, 1, &[]),
                    frame(kind::CONTINUATION, 0, 1, &[0; 16_000]).repeat(9),
                ]
                .concat(),
            ],
            "64 KiB",
        ),
    ]);
}

#[test]
fn a_body_that_breaks_off_is_an_error() {
    let found = outcome(&[settings(), ok(), data(0, b"x")]);
    assert_eq!(found, Err("closed before the end of the answer".into()));
}
