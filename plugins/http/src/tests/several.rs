//! Several requests of one check, and redirections.

use std::io::{BufRead as _, BufReader};
use std::sync::{Arc, Mutex};

use super::*;

/// What a server was asked, each with the number of the connection.
type Log = Arc<Mutex<Vec<(usize, String)>>>;

/// A server for many connections: `answer` makes the answer to a request line, and says whether the connection is kept.
fn server(answer: impl Fn(&str) -> (String, bool) + Send + Sync + 'static) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let log = Log::default();
    let shared = Arc::clone(&log);
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let (mut stream, log) = (stream.unwrap(), Arc::clone(&shared));
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
                    while lines
                        .next()
                        .is_some_and(|it| it.is_ok_and(|it| !it.is_empty()))
                    {}
                    let (text, keep) = answer(&line);
                    log.lock().unwrap().push((n, line));
                    if stream.write_all(text.as_bytes()).is_err() || !keep {
                        return;
                    }
                }
            });
        }
    });
    (address, log)
}

fn sized(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\n\r\n{body}")
}

fn asked(log: &Log) -> Vec<(usize, String)> {
    log.lock().unwrap().clone()
}

fn lines(wanted: &[(usize, &str)]) -> Vec<(usize, String)> {
    let lines = wanted.iter();
    lines.map(|&(n, line)| (n, line.to_owned())).collect()
}

fn three() -> [(&'static str, SettingValue); 2] {
    let urls = [
        vec![("path", "/a".into()), ("contains", "ell".into())],
        vec![
            ("path", "/b".into()),
            ("status", "404".into()),
            ("method", "HEAD".into()),
        ],
        vec![("path", "/c".into())],
    ];
    [("urls", urls.into()), ("status", "200".into())]
}

fn answers(line: &str) -> String {
    match line {
        "GET /a" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2\r\n!!\r\n0\r\nX: y\r\n\r\n".into(),
        "HEAD /b" => "HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n".into(),
        _ => sized("200 OK", "", "unwanted"),
    }
}

#[test]
fn all_urls_are_asked_on_one_connection_if_the_server_keeps_it() {
    let (address, log) = server(|line| (answers(line), true));
    assert_eq!(
        check::<Http>(&three(), address, TIMEOUT),
        Ok(Verdict::Healthy)
    );
    let wanted = lines(&[(0, "GET /a"), (0, "HEAD /b"), (0, "GET /c")]);
    assert_eq!(asked(&log), wanted);
}

#[test]
fn a_server_that_keeps_none_is_asked_on_several() {
    for says in [true, false] {
        let (address, log) = server(move |line| {
            let close = if says { "Connection: close\r\n" } else { "" };
            let text = answers(line);
            let (first, rest) = text.split_once("\r\n").unwrap();
            (format!("{first}\r\n{close}{rest}"), false)
        });
        assert_eq!(
            check::<Http>(&three(), address, TIMEOUT),
            Ok(Verdict::Healthy)
        );
        let wanted = lines(&[(0, "GET /a"), (1, "HEAD /b"), (2, "GET /c")]);
        assert_eq!(asked(&log), wanted);
    }
}

#[test]
fn the_first_url_that_is_not_answered_well_is_named() {
    let (address, log) = server(|line| match line {
        "GET /b" => (sized("503 Busy", "", ""), true),
        _ => (sized("200 OK", "", ""), true),
    });
    let urls = ["/a", "/b", "/c"].map(|path| vec![("path", path.into())]);
    let verdict = check::<Http>(&[("urls", urls.into())], address, TIMEOUT).unwrap();
    assert_eq!(verdict, unhealthy("/b: status 503, wanted 200-399"));
    assert_eq!(asked(&log).len(), 2);
}

#[test]
fn a_body_that_never_ends_costs_the_connection_and_no_more() {
    let (address, log) = server(|line| match line {
        "GET /events" => (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntick\r\n".into(),
            true,
        ),
        "GET /long" => (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".into(),
            true,
        ),
        _ => (sized("200 OK", "", ""), true),
    });
    let urls = [
        vec![("path", "/events".into()), ("contains", "tick".into())],
        vec![("path", "/long".into())],
        vec![("path", "/x".into())],
    ];
    let verdict = check::<Http>(&[("urls", urls.into())], address, TIMEOUT);
    assert_eq!(verdict, Ok(Verdict::Healthy));
    let wanted = lines(&[(0, "GET /events"), (1, "GET /long"), (2, "GET /x")]);
    assert_eq!(asked(&log), wanted);
}

#[test]
fn a_redirection_is_an_answer_like_others_unless_it_is_to_be_followed() {
    let site = |line: &str| match line {
        "GET /" => (
            sized("302 Found", "Location: /login?x=1\r\n", "moved"),
            true,
        ),
        "GET /login?x=1" => (sized("301 Moved", "location: ./home\r\n", ""), true),
        _ => (sized("200 OK", "", "welcome"), true),
    };
    let (address, log) = server(site);
    assert_eq!(check::<Http>(&[], address, TIMEOUT), Ok(Verdict::Healthy));
    assert_eq!(asked(&log), lines(&[(0, "GET /")]));
    let (address, log) = server(site);
    let settings = [
        ("redirects", "follow".into()),
        ("status", "200".into()),
        ("contains", "welcome".into()),
    ];
    assert_eq!(
        check::<Http>(&settings, address, TIMEOUT),
        Ok(Verdict::Healthy)
    );
    let wanted = lines(&[(0, "GET /"), (0, "GET /login?x=1"), (0, "GET /home")]);
    assert_eq!(asked(&log), wanted);
}

#[test]
fn redirections_to_elsewhere_and_in_a_circle_are_failures() {
    let follow = [("redirects", "follow".into())];
    let (address, _) = server(|_| {
        let to = "Location: https://www.example.org/\r\n";
        (sized("301 Moved", to, ""), true)
    });
    assert_eq!(
        check::<Http>(&follow, address, TIMEOUT).unwrap(),
        unhealthy("redirected to \"https://www.example.org/\", which is not on this server")
    );
    let (address, log) = server(|_| (sized("302 Found", "Location: /\r\n", ""), true));
    assert_eq!(
        check::<Http>(&follow, address, TIMEOUT).unwrap(),
        unhealthy("more than 5 redirections")
    );
    assert_eq!(asked(&log).len(), 6);
}

#[test]
fn a_post_becomes_a_get_where_it_is_redirected_but_for_307() {
    for (status, then) in [
        ("303 See Other", "GET /done"),
        ("307 Temporary", "POST /done"),
    ] {
        let (address, log) = server(move |line| match line {
            "POST /" => (sized(status, "Location: /done\r\n", ""), false),
            _ => (sized("200 OK", "", ""), false),
        });
        let settings = [("redirects", "follow".into()), ("method", "POST".into())];
        assert_eq!(
            check::<Http>(&settings, address, TIMEOUT),
            Ok(Verdict::Healthy)
        );
        assert_eq!(asked(&log), lines(&[(0, "POST /"), (1, then)]));
    }
}

#[test]
fn the_body_of_a_post_is_sent() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = serve(move |stream, head| {
        let mut body = [0; 7];
        stream.read_exact(&mut body).unwrap();
        sender.send(head + str::from_utf8(&body).unwrap()).unwrap();
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
    });
    let settings = [
        ("method", "POST".into()),
        ("body", "{\"a\":1}".into()),
        ("headers", ["Content-Type: application/json"].into()),
    ];
    assert_eq!(
        check::<Http>(&settings, address, TIMEOUT),
        Ok(Verdict::Healthy)
    );
    let request = receiver.recv().unwrap();
    assert!(
        request.ends_with(
            "Content-Type: application/json\r\nContent-Length: 7\r\nConnection: close\r\n\r\n{\"a\":1}"
        ),
        "{request}"
    );
}

#[test]
fn the_sha_256_sum_of_a_body_is_compared() {
    let sum = "2CF24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let settings = [("sha256", sum.into())];
    assert_eq!(
        verdict(&settings, sized("200 OK", "", "hello")),
        Verdict::Healthy
    );
    let Verdict::Unhealthy(reason) = verdict(&settings, sized("200 OK", "", "hullo")) else {
        panic!("another body has another sum");
    };
    assert!(reason.contains("wanted 2cf24dba5fb0a30e"), "{reason}");
}
