use std::net::{SocketAddr, UdpSocket};

use super::*;
use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::check;

/// Answers each datagram with this.
fn server(answer: &'static [u8]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(answer, from);
        }
    });
    address
}

fn nobody() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn judged(settings: &[(&str, SettingValue)], address: SocketAddr) -> Result<Verdict, String> {
    check::<Udp>(settings, address, Duration::from_secs(2))
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn an_answer_is_compared_with_what_is_expected() {
    let reply = || ("require", "reply".into());
    let address = server(b"\x0a\x01pong");
    assert_eq!(judged(&[reply()], address), Ok(Verdict::Healthy));
    let right = [reply(), ("expect-hex", "0a xx 70".into())];
    assert_eq!(judged(&right, address), Ok(Verdict::Healthy));
    let wrong = [reply(), ("expect-hex", "0b".into())];
    let reason = "expected an answer that begins with 0b, got \"\\n\\x01pong\"";
    assert_eq!(judged(&wrong, address), unhealthy(reason));
    let longer = [reply(), ("min-length", 7.into())];
    let reason = "an answer of 6 bytes, wanted 7 at least";
    assert_eq!(judged(&longer, address), unhealthy(reason));
}

#[test]
fn a_port_where_nobody_listens_is_refused_whatever_is_required() {
    for require in ["reply", "no-error"] {
        let settings = [("require", require.into()), ("ping", false.into())];
        let verdict = judged(&settings, nobody());
        assert_eq!(verdict, unhealthy("connection refused"), "{require}");
    }
}

#[test]
fn a_server_that_never_answers_is_healthy_where_it_need_not() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let settings = [("ping", false.into())];
    assert_eq!(judged(&settings, address), Ok(Verdict::Healthy));
    let mut buffer = [9; 10];
    let (length, _) = silent.recv_from(&mut buffer).unwrap();
    assert_eq!(
        &buffer[..length],
        [0],
        "one byte, unless something else is set"
    );
    let verdict = judged(&[("require", "reply".into())], address);
    assert_eq!(verdict, unhealthy("timed out while waiting for data"));
}

#[test]
fn settings_that_make_no_sense_say_why() {
    let cases: [(&[(&str, SettingValue)], &str); 4] = [
        (
            &[("payload", "a".into()), ("payload-hex", "61".into())],
            "only one",
        ),
        (&[("expect-hex", "0a".into())], "need require"),
        (
            &[("require", "reply".into()), ("expect-hex", "0".into())],
            "expect-hex: ",
        ),
        (&[("payload-hex", "0".into())], "payload-hex: "),
    ];
    for (settings, why) in cases {
        let refused = judged(settings, nobody()).unwrap_err();
        assert!(refused.contains(why), "{settings:?}: {refused}");
    }
}

#[test]
fn an_empty_datagram_is_sent_and_refused_like_any_other() {
    let settings = [("payload", "".into()), ("ping", false.into())];
    assert_eq!(judged(&settings, nobody()), unhealthy("connection refused"));
}
