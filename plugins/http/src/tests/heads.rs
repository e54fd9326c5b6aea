//! Status line and header fields.

use super::*;

#[test]
fn statuses_from_200_to_399_are_good_by_default() {
    for (status, good) in [(200, true), (204, true), (302, true), (399, true)] {
        let verdict = verdict(&[], format!("HTTP/1.1 {status} X\r\n\r\n"));
        assert_eq!(verdict == Verdict::Healthy, good, "{status}");
    }
    assert_eq!(
        verdict(
            &[],
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        ),
        unhealthy("status 503, wanted 200-399")
    );
}

#[test]
fn the_good_statuses_can_be_configured() {
    let settings = [("status", "200,404".into())];
    assert_eq!(
        verdict(&settings, "HTTP/1.1 404 Not Found\r\n\r\n"),
        Verdict::Healthy
    );
    assert_eq!(
        verdict(&settings, "HTTP/1.1 302 Found\r\n\r\n"),
        unhealthy("status 302, wanted 200,404")
    );
}

#[test]
fn an_answer_of_http_1_0_or_without_a_reason_or_with_bare_line_feeds_is_good() {
    for answer in [
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 200 OK\nA: b\n\n",
    ] {
        assert_eq!(verdict(&[], answer), Verdict::Healthy, "{answer:?}");
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_is_understood() {
    assert_eq!(
        dribbled(
            &[],
            "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n\r\n"
        ),
        Verdict::Healthy
    );
}

#[test]
fn interim_answers_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    assert_eq!(
        verdict(&[], format!("{interim}HTTP/1.1 200 OK\r\n\r\n")),
        Verdict::Healthy
    );
    assert_eq!(
        verdict(&[], format!("{interim}HTTP/1.1 500 X\r\n\r\n")),
        unhealthy("status 500, wanted 200-399")
    );
    assert_eq!(verdict(&[], interim), unhealthy("closed without an answer"));
}

#[test]
fn interim_answers_without_end_are_unhealthy() {
    assert_eq!(
        verdict(&[], "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)),
        unhealthy("more than 16 interim answers")
    );
}

#[test]
fn switching_protocols_was_not_asked_for() {
    assert_eq!(
        verdict(&[], "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        unhealthy("status 101, wanted 200-399")
    );
}

#[test]
fn a_server_that_closes_early_is_unhealthy() {
    assert_eq!(verdict(&[], ""), unhealthy("closed without an answer"));
    for answer in [
        "H",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nServer: x\r\n",
    ] {
        assert_eq!(
            verdict(&[], answer),
            unhealthy("closed in the middle of the header")
        );
    }
}

#[test]
fn what_is_not_http_is_unhealthy_as_soon_as_that_is_clear() {
    for answer in [
        "220 mail.example ESMTP\r\n",
        "SSH-2.0-x\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTQ",
    ] {
        assert_eq!(
            verdict(&[], answer),
            unhealthy("the answer is not HTTP/1"),
            "{answer:?}"
        );
    }
}

#[test]
fn a_malformed_header_is_unhealthy() {
    for answer in [
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\0B: c\r\n\r\n",
        "HTTP/1.7 200 OK\r\n\r\n",
    ] {
        match verdict(&[], answer) {
            Verdict::Unhealthy(reason) => {
                assert!(reason.starts_with("malformed answer: "), "{reason}")
            }
            other => panic!("{answer:?}: {other:?}"),
        }
    }
}

#[test]
fn a_header_of_64_kib_is_the_longest() {
    let answer = |length: usize| {
        let (start, end) = ("HTTP/1.1 200 OK\r\nX: ", "\r\n\r\n");
        format!(
            "{start}{}{end}",
            "y".repeat(length - start.len() - end.len())
        )
    };
    assert_eq!(verdict(&[], answer(65_536)), Verdict::Healthy);
    assert_eq!(
        verdict(&[], answer(65_537)),
        unhealthy("header longer than 64 KiB")
    );
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(200_000));
    assert_eq!(
        verdict(&[], endless),
        unhealthy("header longer than 64 KiB")
    );
}

#[test]
fn too_many_header_fields_are_unhealthy() {
    let answer = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(1000));
    assert_eq!(
        verdict(&[], answer),
        unhealthy("malformed answer: too many headers")
    );
}

#[test]
fn a_content_length_that_is_no_number_or_two_of_them_is_malformed() {
    let settings = [("contains", "ok".into())];
    for field in [
        "Content-Length: x",
        "Content-Length: -1",
        "Content-Length: +2",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 3",
    ] {
        assert_eq!(
            verdict(&settings, format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\nok")),
            unhealthy("malformed answer: invalid Content-Length"),
            "{field}"
        );
    }
    for field in [
        "Content-Length: 2, 2",
        "content-length: 2\r\nContent-Length: 2",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\nok");
        assert_eq!(verdict(&settings, answer), Verdict::Healthy, "{field}");
    }
}
