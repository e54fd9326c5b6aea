//! Bodies, and the text in them.

use super::*;

fn containing(text: &str) -> [(&'static str, SettingValue); 1] {
    [("contains", text.into())]
}

fn missing(text: &str) -> Verdict {
    unhealthy(&format!("body does not contain {text:?}"))
}

const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       4;name=value\r\nhell\r\n3\r\no w\r\n04\r\norld\r\n0\r\nTrailer: x\r\n\r\n";
const CLOSED: &str = "HTTP/1.1 200 OK\r\n\r\nhello world";

#[test]
fn the_text_is_found_whatever_ends_the_body_and_however_it_arrives() {
    for answer in [SIZED, CHUNKED, CLOSED] {
        for text in ["hello world", "h", "d", "lo wo"] {
            assert_eq!(
                verdict(&containing(text), answer),
                Verdict::Healthy,
                "{answer} {text}"
            );
        }
        assert_eq!(
            dribbled(&containing("lo wo"), answer),
            Verdict::Healthy,
            "{answer}"
        );
    }
}

#[test]
fn a_body_without_the_text_is_unhealthy_whatever_ends_it() {
    for answer in [SIZED, CHUNKED, CLOSED] {
        for text in ["goodbye", "hello  world", "Trailer", "hello world!"] {
            assert_eq!(
                verdict(&containing(text), answer),
                missing(text),
                "{answer} {text}"
            );
        }
        assert_eq!(
            dribbled(&containing("worldx"), answer),
            missing("worldx"),
            "{answer}"
        );
    }
}

#[test]
fn what_follows_the_body_does_not_count() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world";
    assert_eq!(verdict(&containing("world"), answer), missing("world"));
}

#[test]
fn a_status_that_has_no_body_has_none() {
    let answer = "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(verdict(&containing("hello"), answer), missing("hello"));
}

#[test]
fn a_body_that_ends_before_its_end_is_unhealthy() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        assert_eq!(
            verdict(&containing("goodbye"), answer),
            unhealthy("closed in the middle of the body"),
            "{answer}"
        );
    }
}

#[test]
fn malformed_chunks_are_unhealthy() {
    let long_line = format!("5;{}", "x".repeat(10_000));
    for chunks in [
        "x\r\n",
        "-1\r\n",
        "5\r\nhelloworld\r\n",
        "11111111111111111\r\n",
        &long_line,
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(
            verdict(&containing("goodbye"), answer),
            unhealthy("malformed answer: invalid chunk"),
            "{chunks}"
        );
    }
}

#[test]
fn chunked_wins_over_a_length_and_is_not_for_http_1_0() {
    let fields =
        "Content-Length: 3\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let text = containing("hello");
    assert_eq!(
        verdict(&text, format!("HTTP/1.1 200 OK\r\n{fields}")),
        Verdict::Healthy
    );
    assert_eq!(
        verdict(&text, format!("HTTP/1.0 200 OK\r\n{fields}")),
        unhealthy("malformed answer: Transfer-Encoding with HTTP/1.0")
    );
}

#[test]
fn the_text_is_looked_for_in_the_first_bytes_only() {
    let settings = [("contains", "end".into()), ("max-body", 1000.into())];
    let body = |before: usize| format!("{}end{}", "x".repeat(before), "x".repeat(10_000));
    let answers = |body: String| {
        let (length, head) = (body.len(), "HTTP/1.1 200 OK\r\n");
        [
            format!("{head}Content-Length: {length}\r\n\r\n{body}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
            format!("{head}\r\n{body}"),
        ]
    };
    for answer in answers(body(997)) {
        assert_eq!(verdict(&settings, answer), Verdict::Healthy);
    }
    for answer in answers(body(998)) {
        let reason = "\"end\" is not in the first 1000 bytes of the body";
        assert_eq!(verdict(&settings, answer), unhealthy(reason));
    }
}

#[test]
fn without_a_text_the_body_is_not_waited_for() {
    let address = serve(|stream, _| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            .unwrap();
        drop(stream.read(&mut [0]));
    });
    assert_eq!(check::<Http>(&[], address, TIMEOUT), Ok(Verdict::Healthy));
}

#[test]
fn a_body_without_end_is_read_up_to_the_limit() {
    let address = serve(|stream, _| {
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while sent.is_ok() {
            sent = stream.write_all(&[b'x'; 4096]);
        }
    });
    let verdict = check::<Http>(&containing("y"), address, TIMEOUT).unwrap();
    assert_eq!(
        verdict,
        unhealthy("\"y\" is not in the first 1048576 bytes of the body")
    );
}

const GREETING: &str = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world";

#[test]
fn a_body_is_compared_with_patterns_and_a_digest() {
    let with = |key: &'static str, value: &'static str| {
        [
            verdict(&[(key, value.into())], GREETING),
            dribbled(&[(key, value.into())], GREETING),
        ]
    };
    for (key, value) in [
        ("regex", "^hello, w.*d$"),
        ("regex-absent", "[0-9]"),
        // `printf "hello, world" | md5sum`
        ("md5", "e4d7f1b4ed2e42d15898f4b27b019da4"),
        ("md5", "E4D7F1B4ED2E42D15898F4B27B019DA4"),
    ] {
        assert_eq!(
            with(key, value),
            [Verdict::Healthy, Verdict::Healthy],
            "{key}"
        );
    }
    let reasons = [
        (
            "regex",
            "^world",
            "nothing matches /^world/ in the body, which is \"hello, world\"",
        ),
        (
            "regex-absent",
            "l+",
            "/l+/ must not match the body, and \"ll\" does",
        ),
        (
            "md5",
            "00000000000000000000000000000000",
            "the digest of the body is e4d7f1b4ed2e42d15898f4b27b019da4, wanted 00000000000000000000000000000000, which is \"hello, world\"",
        ),
    ];
    for (key, value, reason) in reasons {
        assert_eq!(
            with(key, value),
            [unhealthy(reason), unhealthy(reason)],
            "{key}"
        );
    }
    let both = [("contains", "moon".into()), ("regex", "hello".into())];
    let reason = "\"moon\" is not in the body, which is \"hello, world\"";
    assert_eq!(verdict(&both, GREETING), unhealthy(reason));
}

#[test]
fn a_body_that_is_too_long_to_be_looked_at_as_a_whole_is_unhealthy() {
    let settings = [("regex", "hello".into()), ("max-body", 11.into())];
    let reason = "the body is longer than the 11 bytes of max-body";
    assert_eq!(verdict(&settings, GREETING), unhealthy(reason));
}

#[test]
fn patterns_and_digests_that_cannot_be_say_why() {
    for (key, value, why) in [
        ("regex", "(", "regex: "),
        ("regex-absent", "(?=a)", "regex-absent: "),
        ("md5", "12", "md5: wanted 32"),
    ] {
        let settings: [(&str, SettingValue); 1] = [(key, value.into())];
        let refused = check::<Http>(&settings, ([127, 0, 0, 1], 1).into(), TIMEOUT).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
