use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, UdpSocket};

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::{Script, check};

use super::*;

type Settings<'a> = &'a [(&'a str, SettingValue)];

/// An answer to a request, with these lines behind the status line in which `CALL` stands for the request's Call-ID.
fn answer(asked: &str, status: &str, lines: &str) -> String {
    let id = asked.lines().find_map(|it| it.strip_prefix("Call-ID: "));
    format!("SIP/2.0 {status}\r\n{lines}\r\n").replace("CALL", id.unwrap())
}

const RIGHT: &str = "Call-ID: CALL\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n";

/// Answers each datagram with what is made of it and of how many came before.
fn over_udp(answers: impl Fn(&str, usize) -> Vec<String> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        for n in 0.. {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let asked = str::from_utf8(&buffer[..length]).unwrap();
            for answer in answers(asked, n) {
                socket.send_to(answer.as_bytes(), from).unwrap();
            }
        }
    });
    address
}

/// Answers the first client's request with what is made of it.
fn over_tcp(answers: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
        let asked: Vec<String> = lines
            .by_ref()
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty())
            .collect();
        let _ = client.write_all(answers(&asked.join("\n")).as_bytes());
    });
    address
}

fn judged(settings: Settings<'_>, address: SocketAddr) -> Result<Verdict, String> {
    check::<Sip>(settings, address, Duration::from_secs(2))
}

fn tcp(address: SocketAddr) -> Result<Verdict, String> {
    judged(&[("transport", "tcp".into())], address)
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn the_request_has_what_rfc_3261_asks_for() {
    let sip = |uri: Option<&str>| Sip {
        transport: Transport::Udp,
        uri: uri.map(str::to_owned),
        statuses: Statuses::parse("200", &FINAL).unwrap(),
        user_agent: "x".to_owned(),
    };
    let ids = Ids::new(1, 2, 3);
    let server = "[2001:db8::1]:5060".parse().unwrap();
    let wanted = "OPTIONS sip:[2001:db8::1]:5060 SIP/2.0\r\n\
        Via: SIP/2.0/UDP evenkeel.invalid;branch=z9hG4bK0000000000000002;rport\r\n\
        Max-Forwards: 70\r\n\
        From: <sip:health@evenkeel.invalid>;tag=0000000000000003\r\n\
        To: <sip:[2001:db8::1]:5060>\r\n\
        Call-ID: 0000000000000001@evenkeel.invalid\r\n\
        CSeq: 1 OPTIONS\r\n\
        Accept: application/sdp\r\n\
        User-Agent: x\r\n\
        Content-Length: 0\r\n\r\n";
    assert_eq!(sip(None).request(server, "UDP", &ids), wanted);
    let over_tcp = sip(None).request(server, "TCP", &ids);
    assert!(
        over_tcp.starts_with(
            "OPTIONS sip:[2001:db8::1]:5060;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP "
        )
    );
    let other = sip(Some("sip:ping@example.org")).request(server, "UDP", &ids);
    assert!(other.starts_with("OPTIONS sip:ping@example.org SIP/2.0\r\n"));
    assert!(other.contains("\r\nTo: <sip:ping@example.org>\r\n"));
}

#[test]
fn a_server_that_answers_well_is_healthy() {
    let address = over_udp(|asked, _| vec![answer(asked, "200 OK", RIGHT)]);
    assert_eq!(judged(&[], address), Ok(Verdict::Healthy));
    let address = over_tcp(|asked| answer(asked, "200 OK", RIGHT));
    assert_eq!(tcp(address), Ok(Verdict::Healthy));
}

#[test]
fn provisional_answers_are_passed_over() {
    let address = over_udp(|asked, _| {
        vec![
            answer(asked, "100 Trying", RIGHT),
            answer(asked, "200 OK", RIGHT),
        ]
    });
    assert_eq!(judged(&[], address), Ok(Verdict::Healthy));
    let with_body = "i: CALL\r\nCSeq: 1 OPTIONS\r\nl: 4\r\n";
    let address = over_tcp(move |asked| {
        let first = answer(asked, "183 Progress", with_body);
        first + "body" + &answer(asked, "200 OK", RIGHT)
    });
    assert_eq!(tcp(address), Ok(Verdict::Healthy));
    let address = over_tcp(|asked| answer(asked, "100 Trying", RIGHT).repeat(99));
    assert_eq!(
        tcp(address),
        unhealthy("many answers, and none that is final")
    );
}

#[test]
fn a_datagram_that_is_lost_is_sent_once_more() {
    let address = over_udp(|asked, n| match n {
        0 => Vec::new(),
        _ => vec![answer(asked, "200 OK", RIGHT)],
    });
    assert_eq!(judged(&[], address), Ok(Verdict::Healthy));
}

#[test]
fn a_status_must_be_a_good_one() {
    let busy = || over_udp(|asked, _| vec![answer(asked, "503 Service Unavailable", RIGHT)]);
    let reason = "status 503, \"Service Unavailable\", wanted 200-299";
    assert_eq!(judged(&[], busy()), unhealthy(reason));
    let settings = [("status", "200,503".into())];
    assert_eq!(judged(&settings, busy()), Ok(Verdict::Healthy));
}

#[test]
fn an_answer_to_another_request_is_none() {
    let other = "Call-ID: other\r\nCSeq: 1 OPTIONS\r\n";
    let address = over_udp(move |asked, _| vec![answer(asked, "200 OK", other)]);
    let reason = "only answers that have another Call-ID or CSeq";
    assert_eq!(judged(&[], address), unhealthy(reason));
    let address = over_udp(move |asked, _| {
        vec![
            answer(asked, "503 Other", other),
            answer(asked, "200 OK", RIGHT),
        ]
    });
    assert_eq!(judged(&[], address), Ok(Verdict::Healthy));
    let reason = "the answer has another Call-ID or CSeq than the request";
    for lines in [other, "Call-ID: CALL\r\nCSeq: 2 OPTIONS\r\n", ""] {
        let address = over_tcp(move |asked| answer(asked, "200 OK", lines));
        assert_eq!(tcp(address), unhealthy(reason), "{lines:?}");
    }
}

#[test]
fn what_is_not_sip_is_said() {
    let address = over_udp(|_, _| vec!["pong".to_owned()]);
    let reason = "got \"pong\", which is no answer of SIP";
    assert_eq!(judged(&[], address), unhealthy(reason));
    for (said, reason) in [
        (
            "HTTP/1.1 400\r\n\r\n".to_owned(),
            "got \"HTTP/1.1 400\", which is no answer of SIP",
        ),
        (String::new(), "answer: the server closed the connection"),
        (
            "SIP/2.0 2".to_owned(),
            "answer: the server closed the connection after \"SIP/2.0 2\"",
        ),
        (
            "SIP/2.0 200 OK\r\nl: many\r\n".to_owned(),
            "the answer has a length of \"many\"",
        ),
        (
            format!("SIP/2.0 200 OK\r\n{}", "a: b\r\n".repeat(300)),
            "answer: more than 256 headers",
        ),
    ] {
        let address = Script::new().says(&said).start();
        assert_eq!(tcp(address), unhealthy(reason), "{said:?}");
    }
    let long = "Call-ID: CALL\r\nCSeq: 1 OPTIONS\r\nContent-Length: 99999\r\n";
    let address = over_tcp(move |asked| answer(asked, "100 Trying", long));
    assert_eq!(tcp(address), unhealthy("answer: a body of 99999 bytes"));
}

#[test]
fn silence_and_a_port_where_nobody_listens_are_told_apart() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let reason = "timed out while waiting for data";
    assert_eq!(judged(&[], address), unhealthy(reason));
    drop(socket);
    assert_eq!(judged(&[], address), unhealthy("connection refused"));
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    for (key, value, reason) in [
        ("uri", "example.org", "uri cannot be"),
        ("uri", "sip:", "uri cannot be"),
        ("uri", "sip:a\r\nb", "uri cannot be"),
        ("uri", "sip:a> b", "uri cannot be"),
        ("user-agent", "a\r\nb", "user-agent must be one line"),
        ("status", "100", "status cannot be \"100\""),
    ] {
        let error = judged(&[(key, value.into())], "127.0.0.1:9".parse().unwrap()).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
